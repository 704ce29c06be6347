"""A job on Ray in a process of its own: Ray's threads and processes do not end in time for strict warnings.

    python -m tests.batch.ray_session PHOTOS OUTPUT MODEL

An actor is killed when the first outcome has come. Prints the outcomes as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

from maskweave.batch.engine import How
from tests.batch.jobs import do, job_for


def main(photos, output, model):
    names, killed = [], []

    def tell(outcome, counts):
        names.append([outcome.name, outcome.state])
        if not killed:
            killed.append(next(actors()))
            os.kill(killed[0], signal.SIGKILL)

    do(job_for(photos, output, model), How(engine="ray", workers=2), tell)
    print(json.dumps({"outcomes": names, "killed": killed}))  # noqa: T201


def actors():
    """Processes of Ray's actors: they name themselves after what they do."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::MapWorker"):
                yield int(path.parent.name)
        except OSError:
            continue


if __name__ == "__main__":
    main(*sys.argv[1:])
