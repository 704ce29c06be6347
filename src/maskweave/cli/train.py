"""`maskweave train`: the compact network on a user's own data, in COCO's or YOLO's layout."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskweave.cli.console import say
from maskweave.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskweave.training.run import OnProgress, Progress


def train_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    annotations: Annotated[
        Path | None,
        typer.Argument(
            help="COCO instances file to train on, or the data.yaml of a YOLO segmentation data set."
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images; a data.yaml says it itself.")
    ] = None,
    val: Annotated[
        Path | None,
        typer.Option(
            help="COCO instances file or data.yaml to validate on; by default a data.yaml's val entry."
        ),
    ] = None,
    val_images: Annotated[
        Path | None, typer.Option(help="Folder of the validation images, if another.")
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Comma-separated class names; by default all.")] = None,
    size: Annotated[int, typer.Option(help="Long side of the input that the network is trained for.")] = 320,
    minutes: Annotated[float | None, typer.Option(help="Length by the clock.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Length in passes over the images.")] = None,
    start_from: Annotated[
        str | None, typer.Option("--from", help="built-in, or a .pt file of a run.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder of the run.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="TOML file with all settings of a run.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Folder of a run to continue.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, data order and augmentation.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Loader processes.")] = None,
) -> None:
    """Train the compact network, or --resume a run after any stop."""
    from maskweave import training

    changes: dict[str, Any] = {"minutes": minutes, "epochs": epochs, "device": device, "workers": workers}
    changes = {name: value for name, value in changes.items() if value is not None}
    with _shown() as on_progress:
        if resume is not None:
            if "minutes" in changes or "epochs" in changes:
                changes = {"minutes": None, "epochs": None, **changes}
            say(str(training.resume(resume, on_progress, **changes)))
            return
        val = val or _own_validation(annotations)
        images, val_images = _folder_of(annotations, images), _folder_of(val, val_images)
        paths = {"annotations": annotations, "images": images, "output": output}
        missing = [name for name, value in paths.items() if value is None]
        if missing:
            raise InvalidValue(f"train: need {', '.join(missing)} (or --resume with the folder of a run)")
        changes |= {
            **paths,
            "val_annotations": val,
            "val_images": val_images,
            "classes": None if classes is None else tuple(name.strip() for name in classes.split(",")),
            "start_from": start_from,
        }
        if seed is not None:
            changes["seed"] = seed
        config = training.read_recipe(recipe, **changes) if recipe else _plain_config(changes, size)
        say(str(training.train(config, on_progress)))


def _folder_of(annotations: Path | None, told: Path | None) -> Path | None:
    """The folder of a file's images: what an option told, or what a data.yaml says itself."""
    from maskweave.training.annotations_yolo import is_data_yaml, read_data_yaml

    if told is not None or annotations is None or not is_data_yaml(annotations):
        return told
    return read_data_yaml(annotations).root


def _own_validation(annotations: Path | None) -> Path | None:
    """A data.yaml itself, where it has a val entry; None for anything else."""
    from maskweave.training.annotations_yolo import is_data_yaml, read_data_yaml

    if annotations is None or not is_data_yaml(annotations):
        return None
    return annotations if "val" in read_data_yaml(annotations).entries else None


def _plain_config(changes: dict[str, Any], size: int) -> Any:
    from maskweave.training import TrainConfig

    if "minutes" not in changes and "epochs" not in changes:
        changes["epochs"] = 100
    start_size = max(64, round(size * 0.7 / 32) * 32)
    return TrainConfig(**{**changes, "size": size, "start_size": start_size})


@contextmanager
def _shown() -> Iterator[OnProgress]:
    """A progress bar with time left on stderr; messages get lines of their own."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bars(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("training", total=1.0)

        def show(progress: Progress) -> None:
            if progress.message:
                bars.console.print(
                    f"{progress.minutes:6.1f} min, step {progress.step}: {progress.message}", markup=False
                )
            bars.update(
                task, completed=progress.share, description=f"step {progress.step}, loss {progress.loss:.2f}"
            )

        yield show
