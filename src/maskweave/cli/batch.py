"""`maskweave batch`: many inputs as one job, here or on a cluster, that can be interrupted and gone on with."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from maskweave.cli.options import (
    ColourBy,
    DebugOption,
    DeviceOption,
    EngineOption,
    ModelOption,
    TaskName,
    names_in,
    pixels,
)


class EngineName(StrEnum):
    """What runs the workers."""

    local = "local"
    ray = "ray"


def batch_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    inputs: Annotated[
        list[str] | None,
        typer.Argument(help="Images, videos, folders and 'globs/*.png'.", show_default=False),
    ] = None,
    output: Annotated[
        str, typer.Option("-o", "--output", help="Folder for the results and the job's record.")
    ] = "maskweave-out",
    engine: Annotated[
        EngineName, typer.Option(help="local: processes of this machine; ray: a cluster, extra [ray].")
    ] = EngineName.local,
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster: auto or host:port; without it Ray starts here.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Workers, one core each.  [default: all cores]")
    ] = None,
    memory: Annotated[
        int, typer.Option(min=100, help="MB that one input may take in its worker (Linux).")
    ] = 4000,
    deadline: Annotated[
        float,
        typer.Option(min=0.001, help="Seconds without a finished frame after which an input has failed."),
    ] = 600.0,
    split: Annotated[
        float | None,
        typer.Option(help="Let several workers look at stretches of so many seconds of a long video."),
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Tell how far the job in this output folder is.")
    ] = None,
    retry_failed: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Do again what failed in this output folder's job.")
    ] = None,
    model: ModelOption = "built-in",
    task: Annotated[TaskName, typer.Option(help="What to find.")] = TaskName.instances,
    save: Annotated[
        str | None,
        typer.Option(help="Comma-separated, as of maskweave segment; coco is one file for all pictures."),
    ] = None,
    score: Annotated[
        float | None, typer.Option(help="Least score, 0 to 1; by default the model's own.")
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Comma-separated class names to keep.")] = None,
    size: Annotated[int | None, typer.Option(help="Long side of the network's input in pixels.")] = None,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Look into sub-folders too.")] = False,
    track: Annotated[bool, typer.Option(help="In videos, give each object a number that lasts.")] = True,
    every: Annotated[
        int, typer.Option(min=1, help="In videos, look at each so manieth frame only; see maskweave segment.")
    ] = 1,
    max_pixels: Annotated[
        float, typer.Option(min=0.001, max=1e6, help="Refuse larger images, in millions of pixels.")
    ] = 50.0,
    opacity: Annotated[float, typer.Option(help="Of the masks in overlays, 0 to 1.")] = 0.45,
    colour_by: Annotated[
        ColourBy, typer.Option(help="One colour per object or per class.")
    ] = ColourBy.instance,
    background: Annotated[
        str | None,
        typer.Option(help="Behind cut-outs: transparent (the default), blur, #rrggbb or a colour name."),
    ] = None,
    device: DeviceOption = "cpu",
    runtime: EngineOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never fetch a model.")] = False,
    json_lines: Annotated[
        bool,
        typer.Option("--json", help="One JSON line per input on stdout, at the end; of --status one line."),
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Segment many inputs as one job; the same command goes on after any interruption."""
    from maskweave.batch.engine import How
    from maskweave.batch.job import Job
    from maskweave.cli.bulk import one_of, run, show_status
    from maskweave.cli.stopping import interruptible

    one_of(inputs, status, retry_failed)
    if status is not None:
        show_status(status, json_lines=json_lines)
        return
    job = Job(
        inputs=tuple(inputs or ()),
        output=output,
        model=model,
        task=task.value,
        save=names_in(save, "--save"),
        score=score,
        classes=names_in(classes, "--classes") or (),
        size=size,
        recursive=recursive,
        track=track,
        every=every,
        max_pixels=pixels(max_pixels),
        opacity=opacity,
        colour_by=colour_by.value,
        background=background,
        device=device,
        runtime=runtime,
        offline=offline or None,
    )
    how = How(engine.value, workers, memory * 1_000_000, deadline, address, split)
    with interruptible():
        code = run(job, how, retry=retry_failed, json_lines=json_lines)
    raise typer.Exit(code)
