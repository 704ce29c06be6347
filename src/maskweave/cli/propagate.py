"""`maskweave propagate`: objects marked in one frame, followed through the video."""

from __future__ import annotations

from typing import Annotated

import typer

from maskweave.cli.options import JsonOption, OpenOption, takes_options
from maskweave.options import Request

_WITHOUT = (
    *("task", "classes", "tile", "overlap", "track", "tracker", "every", "min_track_frames", "recursive"),
)
"""Options for finding objects, and for more than one input."""


@takes_options(without=_WITHOUT, defaults={"save": "overlay,davis"})
def propagate_command(
    source: Annotated[str, typer.Argument(metavar="INPUT", help="A video, a camera, or a folder of frames.")],
    request: Request,
    open_it: OpenOption = False,
    json_lines: JsonOption = False,
) -> None:
    """Carry masks from one frame to all others.

    Objects are marked by --mask, --box or --point, and followed forwards and backwards.
    """
    from maskweave.cli.segment import propagate_input
    from maskweave.cli.signals import interruptible

    with interruptible():
        code = propagate_input(source, request, open_it=open_it, json_lines=json_lines)
    raise typer.Exit(code)
