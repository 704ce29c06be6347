"""The command line: thin, no logic of its own."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the ``maskweave`` command and exit with its code.

    0: all done; 1: some inputs failed; 2: wrong call; 130: interrupted.
    """
    try:
        from maskweave.cli.app import app
        from maskweave.cli.console import report_errors

        with report_errors():
            app(prog_name="maskweave")
    except KeyboardInterrupt:  # before or after a command's own handling
        sys.exit(130)
