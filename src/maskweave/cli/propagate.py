"""`maskweave propagate`: objects marked in one frame, followed through the video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def propagate_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    source: Annotated[str, typer.Argument(metavar="INPUT", help="A video, or a folder of frames.")],
    mask: Annotated[
        Path | None,
        typer.Option(help="PNG of the objects in one frame: 0 is background, each number an object."),
    ] = None,
    box: Annotated[
        list[str] | None, typer.Option(help="x1,y1,x2,y2 in pixels around an object. Repeatable.")
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(help="x,y on the object, or x,y,0 beside it. Repeatable; all points are of one object."),
    ] = None,
    frame: Annotated[int, typer.Option(min=0, help="Number of the frame that is marked, from 0.")] = 0,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path(
        "maskweave-out"
    ),
    save: Annotated[
        str,
        typer.Option(
            help="Comma-separated: overlay, davis, tracks, masks, cutout, csv, mots, coco, side-by-side."
        ),
    ] = "overlay,davis",
    as_video: Annotated[bool, typer.Option("--as-video", help="The folder of frames is one video.")] = False,
    fps: Annotated[float, typer.Option(min=0.001, help="Frames per second of a folder --as-video.")] = 25.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the engine.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON line on stdout.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Carry masks from one frame to all others, forwards and backwards."""
    from maskweave.cli.carry import Job, propagate_input
    from maskweave.cli.stopping import interruptible

    job = Job(
        source,
        mask,
        boxes=tuple(box or ()),
        points=tuple(point or ()),
        frame=frame,
        output=output,
        save=tuple(name.strip() for name in save.split(",") if name.strip()),
        as_video=as_video,
        fps=fps,
        threads=threads,
        json_lines=json_lines,
    )
    with interruptible():
        propagate_input(job)
