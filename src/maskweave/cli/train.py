"""`maskweave train`: the compact network or the guide on a user's own data, in COCO's or YOLO's layout."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskweave.cli.console import emit, inform, on_terminal, verbosity, warn
from maskweave.cli.options import takes_options
from maskweave.errors import InvalidValue
from maskweave.option_fields import option
from maskweave.parsing import names_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maskweave.training.stepping import OnProgress, Progress

_EPOCHS = 100
_LINE_SECONDS = 30.0
"""Between two lines of progress where there is no terminal."""


@dataclass(frozen=True)
class TrainOptions:
    """The options of the command; those that a run is configured by have the names that they have there."""

    images: Path | None = option(None, "Folder of the images; a data.yaml names it itself.")
    val_annotations: Path | None = option(
        None,
        "COCO instances file or data.yaml to validate on; by default a data.yaml's val entry.",
        name="val",
    )
    val_images: Path | None = option(None, "Folder of the validation images, if different.")
    task: str | None = option(
        None,
        "compact finds objects of classes; guide answers boxes, clicks and masks.  [default: compact, or what the "
        "recipe is of]",
    )
    classes: tuple[str, ...] | None = option(
        None, "Comma-separated class names; by default all.", kind=str | None, parse=names_in
    )
    size: int | None = option(None, "Long side of the network's input in pixels.  [default: 416; guide: 256]")
    minutes: float | None = option(None, "Training time in minutes.")
    epochs: float | None = option(
        None, "Number of passes over the images.  [default: 100, without --minutes]"
    )
    start_from: str | None = option(
        None,
        "Weights to begin with: built-in (the default without a recipe), none, an exported .onnx file, a .pt file of "
        "a run, or NanoDet-Plus-m-1.5x as published; for a guide EfficientNet-Lite0's, or a run's.",
        name="start",
    )
    teacher: str | None = option(
        None, "Model that labels the classes which the annotations leave open: a catalog name or a file."
    )
    more_annotations: Path | None = option(None, "Another COCO file to train on as well.", name="more")
    more_images: Path | None = option(None, "Folder of its images, if different.")
    soft_objects: Path | None = option(None, "JSON lines of boxes that teacher models found in the images.")
    output: Path | None = option(None, "Folder of the run.", flags=("-o", "--output"))
    recipe: Path | None = option(None, "TOML file with all settings of a run.")
    resume: Path | None = option(None, "Folder of a run to continue.")
    seed: int | None = option(None, "Random seed of weights, data order and augmentation.")
    device: str | None = option(None, "auto, cpu or cuda.")
    workers: int | None = option(None, "Loader processes.", min=0)

    def settings(self, *names: str) -> dict[str, Any]:
        """What is given of a run's settings, all of them or those in ``names``."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return {name: value for name, value in given.items() if name in (names or set(given) - _NO_SETTINGS)}


_NO_SETTINGS = {"task", "recipe", "resume"}


@takes_options()
def train_command(
    options: TrainOptions,
    annotations: Annotated[
        Path | None,
        typer.Argument(
            help="Annotations to train on: a COCO file, the data.yaml of a YOLO data set, or a folder of either."
        ),
    ] = None,
    json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON line on stdout with where the model lies.")
    ] = False,
) -> None:
    """Train a network on your own classes, or a guide.

    --resume goes on with a run that was interrupted.
    """
    from maskweave import training

    folder = options.resume or options.output
    with stops_with_advice(folder), _shown() as on_progress:
        if options.resume is not None:
            changes = options.settings("minutes", "epochs", "device", "workers")
            if "minutes" in changes or "epochs" in changes:
                changes = {"minutes": None, "epochs": None, **changes}
            model = training.resume(options.resume, on_progress, **changes)
        else:
            model = training.train(_config(annotations, options), on_progress)
        _report(model, json_lines=json_lines)


def _config(annotations: Path | None, options: TrainOptions) -> Any:
    """The configuration of a new run, from a recipe where one is given."""
    from maskweave import training

    val = options.val_annotations or _own_validation(annotations)
    given = options.settings() | {
        "annotations": annotations,
        "images": _folder_of(annotations, options.images),
        "output": options.output,
    }
    missing = [name for name in ("annotations", "images", "output") if given[name] is None]
    if missing:
        raise InvalidValue(f"train: need {', '.join(missing)} (or --resume with the folder of a run)")
    given |= {"val_annotations": val, "val_images": _folder_of(val, options.val_images)}
    if options.size is not None:
        given["start_size"] = options.size
    given = {name: value for name, value in given.items() if value is not None}
    if options.recipe is not None:
        return training.read_recipe(options.recipe, task=options.task, **given)
    return _plain_config(options.task or "compact", given)


def _report(folder: Path, *, json_lines: bool) -> None:
    """Report the folder of the run, for machines or for people."""
    if json_lines:
        emit({"output": str(folder)})
    else:
        inform(str(folder))


def _folder_of(annotations: Path | None, images: Path | None) -> Path | None:
    """The folder of the images: from the option, from the data.yaml itself, or the folder of annotations."""
    from maskweave.annotations.data_yaml import read_data_yaml

    if images is not None or annotations is None:
        return images
    data_yaml = _data_yaml(annotations)
    if data_yaml is not None:
        return read_data_yaml(data_yaml).root
    return annotations if annotations.is_dir() else None


def _own_validation(annotations: Path | None) -> Path | None:
    """Annotations themselves, where they have a part to validate on; None for any others."""
    from maskweave.annotations.coco_folders import coco_files
    from maskweave.annotations.data_yaml import read_data_yaml

    if annotations is None:
        return None
    data_yaml = _data_yaml(annotations)
    if data_yaml is not None:
        return annotations if "val" in read_data_yaml(data_yaml).entries else None
    parts = {each.part for each in coco_files(annotations)} if annotations.is_dir() else set()
    return annotations if "val" in parts else None


def _data_yaml(annotations: Path) -> Path | None:
    from maskweave.annotations.data_yaml import data_yaml_in, is_data_yaml

    return annotations if is_data_yaml(annotations) else data_yaml_in(annotations)


def _plain_config(task: str, given: dict[str, Any]) -> Any:
    """The configuration of a run without a recipe."""
    from maskweave.training import make_config

    defaults: dict[str, Any] = {"start_from": "built-in"}
    if task == "compact":
        defaults |= {"size": 416, "start_size": 416}
    if "minutes" not in given and "epochs" not in given:
        defaults["epochs"] = _EPOCHS
    return make_config(task, {**defaults, **given})


@contextmanager
def stops_with_advice(folder: Path | None) -> Iterator[None]:
    """On Ctrl-C and SIGTERM report how to resume the run in ``folder``."""
    from maskweave.cli.signals import interruptible

    try:
        with interruptible(None):
            yield
    except typer.Exit:
        if folder is not None and (folder / "last.pt").is_file():
            warn(f"maskweave: stopped; to go on: maskweave train --resume {folder}")
        else:
            warn("maskweave: stopped before the first checkpoint; give the same command again")
        raise


class ProgressLines:
    """Progress where there is no terminal: a line now and then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._due = clock, clock() + _LINE_SECONDS

    def show(self, progress: Progress) -> None:
        """Print a message at once, and progress every few seconds."""
        now = self._clock()
        if not progress.message and now < self._due:
            return
        self._due = now + _LINE_SECONDS
        text = progress.message or f"{100 * progress.share:.0f} %, loss {progress.loss:.2f}"
        inform(f"{progress.minutes:6.1f} min, step {progress.step}: {text}")


@contextmanager
def _shown() -> Iterator[OnProgress]:
    """A progress bar with time left, and messages above it; without a terminal a line now and then."""
    if not on_terminal():
        yield ProgressLines().show
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Bars(*columns, console=console, disable=verbosity.quiet) as bars:
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
