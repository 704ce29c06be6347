"""`maskweave batch`: many inputs as one job, here or on a cluster, that can be interrupted and resumed."""

from __future__ import annotations

from typing import Annotated

import typer

from maskweave.batch.executor import ExecutorConfig
from maskweave.cli.options import takes_options
from maskweave.errors import InvalidValue
from maskweave.options import Request

_WITHOUT = ("as_video", "fps", "reconnect", "threads")
"""What is for cameras and folders of frames; a worker has one thread."""


@takes_options(without=_WITHOUT)
def batch_command(
    request: Request,
    config: ExecutorConfig,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(help="Images, videos, folders and 'globs/*.png'.", show_default=False),
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Show the progress of the job in this output folder.")
    ] = None,
    retry_failed: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Retry the failed inputs of the job in this output folder."),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on until Ctrl-C: do the files that come into the input folders."),
    ] = False,
    json_lines: Annotated[
        bool,
        typer.Option("--json", help="One JSON line per input on stdout, at the end; of --status one line."),
    ] = False,
) -> None:
    """Segment many inputs as one job that can be resumed.

    The same command goes on where it stopped, and does nothing twice.
    """
    from maskweave.batch.job import BatchJob
    from maskweave.cli.batch_run import require_one, run, run_watching, show_status
    from maskweave.cli.signals import interruptible

    require_one(inputs, status, retry_failed)
    if status is not None:
        show_status(status, json_lines=json_lines)
        return
    job = BatchJob(tuple(inputs), request) if inputs else None
    if watch:
        if job is None:
            raise InvalidValue("--watch: need input folders, got --retry-failed")
        raise typer.Exit(run_watching(job, config, json_lines=json_lines))
    with interruptible():
        code = run(job, config, retry=retry_failed, json_lines=json_lines)
    raise typer.Exit(code)
