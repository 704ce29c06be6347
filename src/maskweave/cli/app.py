"""The commands and their options. Everything heavy is imported when a command runs, not before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maskweave.cli.commands import LateCommands
from maskweave.cli.options import (
    JsonLineOption,
    JsonLinesOption,
    JsonOption,
    LiveOption,
    OpenOption,
    add_common_options,
    takes_options,
)
from maskweave.options import Request
from maskweave.version import __version__

app = typer.Typer(
    name="maskweave",
    cls=LateCommands,
    help="Masks, names and tracks of objects in images and videos, offline, with the model in the package.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would take longer to load than all the rest together
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(
    help="List, download and check models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models")
ModelName = Annotated[str, typer.Argument(help="A name of `maskweave models list`.")]


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
    """Masks, names and tracks of objects in images and videos, offline, with the model in the package."""


@app.command()
@takes_options()
def segment(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Images, videos, folders, 'globs/*.png', - (stdin), camera:0, rtsp://… or https://…"
        ),
    ],
    request: Request,
    live: LiveOption = False,
    open_it: OpenOption = False,
    json_lines: JsonOption = False,
) -> None:
    """Find the objects in images and videos and write their masks."""
    from maskweave.cli.segment import joined_camera, segment_inputs
    from maskweave.cli.signals import interruptible

    if live:
        from maskweave.cli.live import show_live

        show_live(joined_camera(inputs), request, json_lines=json_lines)
        return
    with interruptible():
        code = segment_inputs(inputs, request, open_it=open_it, json_lines=json_lines)
    raise typer.Exit(code)


@models_app.command("list")
def list_models(json_lines: JsonLinesOption = False) -> None:
    """List the models, and which are on this machine."""
    from maskweave.cli import models

    models.list_all(json_lines=json_lines)


@models_app.command("info")
def model_info(name: ModelName, json_lines: JsonLineOption = False) -> None:
    """Show everything the catalog knows of a model."""
    from maskweave.cli import models

    models.info(name, json_lines=json_lines)


@models_app.command("inspect")
def inspect_model(
    name: Annotated[
        str, typer.Argument(help="An .onnx or .pb file, or a model on this machine by its name.")
    ],
    json_lines: JsonLineOption = False,
) -> None:
    """Show how a model would be used, and why.

    With its tensors, metadata, sidecar, classes and preprocessing.
    """
    from maskweave.cli import models

    models.inspect(name, json_lines=json_lines)


@models_app.command("pull")
def pull_model(name: ModelName, json_lines: JsonLineOption = False) -> None:
    """Fetch a model, check its hash, and keep it in the cache."""
    from maskweave.cli import models
    from maskweave.cli.signals import interruptible

    with interruptible():
        models.pull_one(name, json_lines=json_lines)


@models_app.command("import")
def import_model(
    graph: Annotated[Path, typer.Argument(help="A frozen graph (.pb) of Mask R-CNN inception v2.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The .onnx file.  [default: beside the graph]")
    ] = None,
    json_lines: JsonLineOption = False,
) -> None:
    """Make an ONNX model of a TensorFlow graph.

    Engines that are faster than OpenCV run it.
    """
    from maskweave.cli import models
    from maskweave.cli.signals import interruptible

    with interruptible():
        models.import_one(graph, output, json_lines=json_lines)


@models_app.command("verify")
def verify_models(json_lines: JsonLinesOption = False) -> None:
    """Check the hash of every model on this machine."""
    from maskweave.cli import models

    raise typer.Exit(models.verify_all(json_lines=json_lines))


@app.command()
def doctor(
    seconds: Annotated[
        float,
        typer.Option(min=0, help="For measuring each form of the model in the package; 0 measures none."),
    ] = 2.0,
    json_lines: JsonLineOption = False,
) -> None:
    """Show what works on this machine, and what is fastest.

    Versions, runtimes, devices and models; a test image is segmented, and each form of the model measured.
    """
    from maskweave.cli.doctor import examine

    raise typer.Exit(examine(seconds=seconds, json_lines=json_lines))


add_common_options(app)
