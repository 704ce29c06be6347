"""The commands and their options. Everything heavy is imported when a command runs, not before."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from maskweave.cli.batch import batch_command
from maskweave.cli.convert import convert_command
from maskweave.cli.evaluate import evaluate_app
from maskweave.cli.options import (
    ColourBy,
    DebugOption,
    DeviceOption,
    EngineOption,
    ModelOption,
    TaskName,
    ThreadsOption,
    names_in,
    pixels,
)
from maskweave.cli.propagate import propagate_command
from maskweave.cli.serve import serve_command
from maskweave.cli.train import train_command
from maskweave.version import __version__

app = typer.Typer(
    name="maskweave",
    help="Pixel-exact masks of every object in photos and videos. Works offline with the model in the package.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would take longer to load than all the rest together
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(
    help="The models: which there are, under which licence, and where.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models")
app.add_typer(evaluate_app, name="evaluate")


class TrackerName(StrEnum):
    """What gives objects their numbers."""

    maskweave = "maskweave"
    bytetrack = "bytetrack"
    botsort = "botsort"


class GeoJsonCrs(StrEnum):
    """Which coordinates GeoJSON has."""

    wgs84 = "wgs84"
    source = "source"


def _version(value: bool) -> None:
    if value:
        typer.echo(f"maskweave {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Pixel-exact masks of every object in photos and videos. Works offline with the model in the package."""


@app.command()
def segment(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Images, videos, folders, 'globs/*.png', - (stdin), camera:0, rtsp://… or https://…"
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the results.  [default: maskweave-out]")
    ] = None,
    model: ModelOption = "built-in",
    task: Annotated[TaskName, typer.Option(help="What to find.")] = TaskName.instances,
    save: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: overlay, side-by-side, masks, foreground, davis, coco, tracks, mots, csv, cutout, "
            "geojson, nrrd. "
            "By default what suits task and input."
        ),
    ] = None,
    score: Annotated[
        float | None, typer.Option(help="Least score, 0 to 1; by default the model's own.")
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Comma-separated class names to keep.")] = None,
    size: Annotated[int | None, typer.Option(help="Long side of the network's input in pixels.")] = None,
    tile: Annotated[
        int | None,
        typer.Option(help="Look at pictures in tiles of so many pixels; lifts --max-pixels for TIFF."),
    ] = None,
    overlap: Annotated[float, typer.Option(help="Share of a tile's side that lies over the next one.")] = 0.2,
    bands: Annotated[
        str | None, typer.Option(help="Of a TIFF, as red, green and blue: 4,3,2; or one for grey.")
    ] = None,
    stretch: Annotated[
        str | None, typer.Option(help="Percentiles of a TIFF's values that become 0 and 255: 2,98.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="Centre and width of a DICOM image's values: 40,400.")
    ] = None,
    geojson_crs: Annotated[
        GeoJsonCrs, typer.Option("--geojson-crs", help="Coordinates of GeoJSON: WGS 84, or the raster's own.")
    ] = GeoJsonCrs.wgs84,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Look into sub-folders too.")] = False,
    as_video: Annotated[bool, typer.Option("--as-video", help="A folder of frames is one video.")] = False,
    track: Annotated[bool, typer.Option(help="In videos, give each object a number that lasts.")] = True,
    every: Annotated[
        int,
        typer.Option(
            min=1,
            help="In videos, show only each N-th frame to the network; in between optical flow carries the objects.",
        ),
    ] = 1,
    tracker: Annotated[
        TrackerName,
        typer.Option(help="What numbers the objects; all but maskweave need the extra [trackers]."),
    ] = TrackerName.maskweave,
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after this many frames.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after this many seconds of video.")
    ] = None,
    fps: Annotated[float, typer.Option(min=0.001, help="Frames per second of a folder --as-video.")] = 25.0,
    reconnect: Annotated[
        float,
        typer.Option(min=0, help="Wait so many seconds for a camera that drops out to come back."),
    ] = 60.0,
    max_pixels: Annotated[
        float, typer.Option(min=0.001, max=1e6, help="Refuse larger images, in millions of pixels.")
    ] = 50.0,
    opacity: Annotated[float, typer.Option(help="Of the masks in overlays, 0 to 1.")] = 0.45,
    colour_by: Annotated[
        ColourBy, typer.Option(help="One colour per object or per class.")
    ] = ColourBy.instance,
    trail: Annotated[
        float, typer.Option(help="In overlays of videos, the way each object came in the last SECONDS.")
    ] = 0.0,
    background: Annotated[
        str | None,
        typer.Option(help="Behind cut-outs: transparent (the default), blur, #rrggbb or a colour name."),
    ] = None,
    refine_edges: Annotated[
        bool,
        typer.Option("--refine-edges", help="Soft edges for cut-outs, without a halo (extra [matting])."),
    ] = False,
    box: Annotated[
        list[str] | None,
        typer.Option(help="In pictures, x1,y1,x2,y2 in pixels around an object that is meant. Repeatable."),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(help="In pictures, x,y on the object that is meant, or x,y,0 beside it. Repeatable."),
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(help="x1,y1,x2,y2[=name] in pixels: count the objects that cross it. Repeatable."),
    ] = None,
    zone: Annotated[
        list[str] | None,
        typer.Option(help="x1,y1,x2,y2,x3,y3,…[=name] in pixels: count the objects in it. Repeatable."),
    ] = None,
    device: DeviceOption = "cpu",
    engine: EngineOption = None,
    threads: ThreadsOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never fetch a model.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON line per input on stdout.")] = False,
    debug: DebugOption = False,
) -> None:
    """Find the objects in images and videos and write their masks."""
    from maskweave.cli.segment import Job, segment_inputs
    from maskweave.cli.stopping import interruptible

    job = Job(
        inputs=inputs,
        output=output,
        task=task.value,
        save=names_in(save, "--save"),
        score=score,
        classes=names_in(classes, "--classes") or (),
        recursive=recursive,
        as_video=as_video,
        track=track,
        every=every,
        tracker=tracker.value,
        frames=frames,
        seconds=seconds,
        fps=fps,
        reconnect=reconnect,
        max_pixels=pixels(max_pixels),
        tile=tile,
        overlap=overlap,
        bands=bands,
        stretch=stretch,
        window=window,
        geojson_crs=geojson_crs.value,
        opacity=opacity,
        colour_by=colour_by.value,
        trail=trail,
        background=background,
        refine_edges=refine_edges,
        boxes=tuple(box or ()),
        points=tuple(point or ()),
        lines=tuple(line or ()),
        zones=tuple(zone or ()),
        json_lines=json_lines,
        debug=debug,
    )
    options = {
        "device": device,
        "engine": engine,
        "threads": threads,
        "size": size,
        "tile": tile,
        "overlap": overlap,
        "offline": offline or None,
    }
    with interruptible():
        code = segment_inputs(job, model, options)
    raise typer.Exit(code)


@models_app.command("list")
def list_models(
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON line per model on stdout.")] = False,
) -> None:
    """List the models with task, size, licence and whether they are on this machine."""
    from maskweave.cli import models

    models.list_all(json_lines=json_lines)


@models_app.command("info")
def model_info(name: str) -> None:
    """Tell everything the catalogue knows of a model."""
    from maskweave.cli import models

    models.info(name)


@models_app.command("inspect")
def inspect_model(
    file: Annotated[Path, typer.Argument(help="An .onnx or .pb file.")],
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON line on stdout.")] = False,
    debug: DebugOption = False,
) -> None:
    """Tell what a model file is taken for and why: tensors, metadata, sidecar, classes, preprocessing."""
    from maskweave.cli import models

    models.inspect(file, json_lines=json_lines)


@models_app.command("pull")
def pull_model(name: str, debug: DebugOption = False) -> None:
    """Fetch a model, check its hash, and keep it in the cache."""
    from maskweave.cli import models
    from maskweave.cli.stopping import interruptible

    with interruptible():
        models.pull_one(name)


@models_app.command("import")
def import_model(
    graph: Annotated[Path, typer.Argument(help="A frozen graph (.pb) of Mask R-CNN inception v2.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The .onnx file.  [default: beside the graph]")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Make an ONNX model of a TensorFlow graph, for engines that are faster than OpenCV."""
    from maskweave.cli import models
    from maskweave.cli.stopping import interruptible

    with interruptible():
        models.import_one(graph, output)


@models_app.command("verify")
def verify_models() -> None:
    """Check the hash of every model on this machine."""
    from maskweave.cli import models

    raise typer.Exit(models.verify_all())


app.command("batch")(batch_command)
app.command("convert")(convert_command)
app.command("propagate")(propagate_command)
app.command("train")(train_command)
app.command("serve")(serve_command)


@app.command()
def doctor(debug: DebugOption = False) -> None:
    """Show versions, engines, devices and models, and segment one test picture."""
    from maskweave.cli.doctor import examine

    raise typer.Exit(examine())
