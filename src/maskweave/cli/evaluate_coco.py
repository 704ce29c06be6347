"""`maskweave evaluate coco`: the AP of a model, or of results in a file, on images whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskweave.cli.console import counted, progress_bar
from maskweave.cli.evaluate_report import (
    Destination,
    JsonOption,
    OutputOption,
    PlotsOption,
    Sheet,
    StrictOption,
    report,
    telling,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from maskweave.evaluation.coco_ap import CocoScores
    from maskweave.evaluation.coco_errors import CocoErrorCosts
    from maskweave.evaluation.coco_truth import CocoTruth, CocoTruthFile
    from maskweave.types.instances import Instances

_LOWEST_SCORE = 0.02  # weaker predictions change AP by less than 0.1
_MOST_BARS = 40


def evaluate_coco_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    truth: Annotated[Path, typer.Argument(help="COCO instances file with the truth.")],
    results: Annotated[
        Path | None,
        typer.Argument(help="COCO results (a list, an instances file with scores, or a folder of these)."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Instead of results: folder of the images, for a model to look at.")
    ] = None,
    model: Annotated[
        str, typer.Option("-m", "--model", help="built-in, a catalogue name, or a file.")
    ] = "built-in",
    sources: Annotated[
        str | None, typer.Option(help="Comma-separated: only images whose `source` is one of these.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Long side of the network's input in pixels.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the engine.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many images.")] = None,
    max_objects: Annotated[
        int, typer.Option(min=11, help="Most predictions that count for an image and class.")
    ] = 100,
    errors: Annotated[
        bool, typer.Option("--errors", help="Also tell what each kind of error costs.")
    ] = False,
    output: OutputOption = None,
    plots: PlotsOption = None,
    json_lines: JsonOption = False,
    strict: StrictOption = False,
) -> None:
    """Mask and box AP as COCO defines them; classes an image does not list as labelled do not count there."""
    from maskweave.evaluation.coco_ap import CocoAP, add_images
    from maskweave.evaluation.coco_errors import CocoErrors
    from maskweave.evaluation.coco_truth import CocoTruthFile
    from maskweave.evaluation.problems import Problems

    if (results is None) == (images is None):
        raise typer.BadParameter("need either a file of results or --images for a model to look at")
    problems = Problems(strict=strict)
    names = None if sources is None else [name.strip() for name in sources.split(",")]
    with ExitStack() as stack:
        stack.enter_context(telling(problems))
        known = CocoTruthFile(truth, problems=problems, sources=names)
        known.images = known.images[:limit]
        opened = (
            _from_model(known, images, model, size, threads)
            if results is None
            else _from_file(known, results)
        )
        finder = stack.enter_context(opened)
        update = stack.enter_context(progress_bar("measuring", len(known.images)))
        precision = CocoAP(finder.class_names, max_objects=max_objects, masks=finder.masks)
        costs = (
            CocoErrors(finder.class_names, max_objects=max_objects, masks=finder.masks) if errors else None
        )
        add_images(
            [precision] if costs is None else [precision, costs],
            known.truths(finder.class_names),
            finder.predict,
            progress=lambda done: update(done, len(known.images)),
        )
        scores, wrong = precision.result(), None if costs is None else costs.result()
    report(
        _record(scores, wrong),
        [_sheet(scores), *([] if wrong is None else [_errors_sheet(wrong)])],
        {} if plots is None else _figures(scores, wrong),
        problems,
        Destination(output, plots, json_lines),
    )


@dataclass(frozen=True)
class _Finder:
    """Who says what is in an image, in which classes, with masks or only boxes."""

    predict: Callable[[CocoTruth], Instances]
    class_names: tuple[str, ...]
    masks: bool


@contextmanager
def _from_file(known: CocoTruthFile, results: Path) -> Iterator[_Finder]:
    from maskweave.evaluation.coco_predictions import CocoPredictions

    found = CocoPredictions(results, known)
    yield _Finder(found.of, known.class_names, known.has_masks and found.masked)


@contextmanager
def _from_model(
    known: CocoTruthFile, images: Path | None, model: str, size: int | None, threads: int | None
) -> Iterator[_Finder]:
    from maskweave.errors import SourceError
    from maskweave.models.loading import EngineOptions, load_model
    from maskweave.sources.images import read_image
    from maskweave.types.instances import Instances

    loaded = load_model(model, size=size, options=EngineOptions(threads=threads))
    names = loaded.class_names

    def predict(truth: CocoTruth) -> Instances:
        try:
            image = read_image((images or Path()) / truth.file_name)
        except SourceError as error:
            known.problems.add(f"{error}; its objects count as not found")
            return Instances.empty(truth.instances.size, names)
        found = loaded.predict(image, score=_LOWEST_SCORE, every_class=True)
        if not isinstance(found, Instances):
            raise typer.BadParameter(
                f"{model} finds no instances; AP needs a model that does", param_hint="--model"
            )
        if found.size != truth.instances.size:
            known.problems.add(
                f"{truth.file_name}: need an image of (height, width) {truth.instances.size}, got {found.size}"
            )
            return Instances.empty(truth.instances.size, names)
        return found

    try:
        yield _Finder(predict, names, known.has_masks)
    finally:
        loaded.close()


def _record(scores: CocoScores, wrong: CocoErrorCosts | None) -> dict[str, Any]:
    record: dict[str, Any] = {
        "measure": "coco",
        **{key: value for key, value in vars(scores).items() if not key.endswith("curves")},
    }
    return record if wrong is None else {**record, "errors": vars(wrong)}


def _sheet(scores: CocoScores) -> Sheet:
    columns = (
        "class",
        "objects",
        "mask AP",
        "AP50",
        "AP75",
        "small",
        "medium",
        "large",
        "AR",
        "box AP",
        "AP50",
    )
    rows = [("mean", sum(scores.objects.values()), scores.masks, scores.boxes)]
    rows += [
        (name, objects, scores.masks_per_class[name], scores.boxes_per_class[name])
        for name, objects in scores.objects.items()
        if objects
    ]
    table = [
        (
            name,
            (objects, masks.ap, masks.ap50, masks.ap75, masks.ap_small, masks.ap_medium, masks.ap_large,
             masks.ar, boxes.ap, boxes.ap50),
        )
        for name, objects, masks, boxes in rows
    ]  # fmt: skip
    without = len(scores.objects) + 1 - len(rows)
    title = f"{counted(scores.images, 'image')}, in 0..100"
    return Sheet(title + (f"; {without} classes have no object" if without else ""), columns, table)


def _errors_sheet(wrong: CocoErrorCosts) -> Sheet:
    from maskweave.evaluation.coco_errors import ERRORS

    kinds = [each for each in (wrong.masks, wrong.boxes) if each is not None]
    words = ("mask", "box") if wrong.masks is not None else ("box",)
    nan = float("nan")
    rows: list[tuple[str, list[float | int]]] = [
        ("none: AP50 as it is", [number for each in kinds for number in (nan, each.ap50)])
    ]
    rows += [
        (name, [number for each in kinds for number in (each.counts[name], each.costs[name])])
        for name in ERRORS
    ]
    rows.append(("all false positives", [number for each in kinds for number in (nan, each.false_positives)]))
    rows.append(("all false negatives", [number for each in kinds for number in (nan, each.false_negatives)]))
    columns = ["error", *(title for word in words for title in (f"{word} errors", f"{word} AP50 lost"))]
    return Sheet("What errors cost (TIDE)", columns, rows)


def _figures(scores: CocoScores, wrong: CocoErrorCosts | None) -> dict[str, Figure]:
    import numpy as np

    from maskweave.evaluation import plots
    from maskweave.evaluation.coco_errors import ERRORS

    masks = not np.isnan(scores.mask_curves).all()
    curves = {"masks": scores.mask_curves} if masks else {}
    figures = {"precision-recall": plots.precision_recall({**curves, "boxes": scores.box_curves})}
    what, classes = ("mask", scores.masks_per_class) if masks else ("box", scores.boxes_per_class)
    known = [(name, each) for name, each in classes.items() if not np.isnan(each.ap)]
    known.sort(key=lambda pair: -pair[1].ap)
    names = [name for name, _ in known[:_MOST_BARS]]
    if names:
        columns = {
            key: np.array([getattr(each, key) for _, each in known[:_MOST_BARS]]) for key in ("ap", "ap50")
        }
        named = {"AP": columns["ap"], "AP50": columns["ap50"]}
        title = f"{what} AP by class" + (
            f", the best {len(names)} of {len(known)}" if len(known) > len(names) else ""
        )
        figures["classes"] = plots.bars(title, "AP in 0..100", names, named, limit=109)
    if wrong is not None:
        kinds = {"masks": wrong.masks, "boxes": wrong.boxes}
        costs = {
            name: np.array([each.costs[kind] for kind in ERRORS])
            for name, each in kinds.items()
            if each is not None
        }
        figures["errors"] = plots.bars("What errors cost", "points of AP50 lost", ERRORS, costs, limit=None)
    return figures
