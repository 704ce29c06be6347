"""`maskweave evaluate coco`: the AP of a model, or of results in a file, on images whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskweave.cli.console import counted, progress_bar
from maskweave.cli.evaluate_report import (
    ReportOptions,
    Sheet,
    report,
    reporting_problems,
)
from maskweave.cli.options import takes_options
from maskweave.option_fields import option
from maskweave.options import ModelOptions
from maskweave.parsing import names_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from maskweave.evaluation.coco_ap import CocoScores
    from maskweave.evaluation.coco_errors import CocoErrorCosts
    from maskweave.evaluation.coco_truth import CocoTruth, CocoTruthFile
    from maskweave.types.instances import Instances

_LOWEST_SCORE = 0.02  # weaker predictions change AP by less than 0.1
_MAX_BARS = 40


@dataclass(frozen=True)
class CocoOptions:
    """What is measured, and on which images."""

    sources: tuple[str, ...] | None = option(
        None,
        "Use only images whose `source` is one of these, comma-separated.",
        kind=str | None,
        parse=names_in,
    )
    limit: int | None = option(None, "Use only the first N images.", min=1)
    max_objects: int = option(100, "Maximum number of predictions per image and class.", min=11)
    errors: bool = option(False, "Also report how much AP each kind of error costs.")


@takes_options(without=("tile", "overlap"))
def evaluate_coco_command(
    model: ModelOptions,
    what: CocoOptions,
    to: ReportOptions,
    truth: Annotated[Path, typer.Argument(help="COCO instances file with the truth.")],
    results: Annotated[
        Path | None,
        typer.Argument(help="COCO results (a list, an instances file with scores, or a folder of these)."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of images to run the model on, instead of giving results.")
    ] = None,
    refine: Annotated[
        bool, typer.Option("--refine", help="Draw the borders of what the model finds anew with the guide.")
    ] = False,
) -> None:
    """Average precision (AP) of masks and boxes.

    As COCO defines it; classes that an image does not list as labeled do not count there.
    """
    from maskweave.annotations.report import Report
    from maskweave.evaluation.coco_truth import CocoTruthFile

    if (results is None) == (images is None):
        raise typer.BadParameter("need either a file of results or --images for a model to look at")
    problems = Report(strict=to.strict)
    with reporting_problems(problems):
        known = CocoTruthFile(truth, report=problems, sources=what.sources)
        known.images = known.images[: what.limit]
        opened = (
            _from_model(known, images, model, refine=refine)
            if results is None
            else _from_file(known, results)
        )
        with opened as finder:
            scores, wrong = _measured(known, finder, what)
    report(
        _record(scores, wrong),
        [_sheet(scores), *([] if wrong is None else [_errors_sheet(wrong)])],
        {} if to.plots is None else _figures(scores, wrong),
        problems,
        to,
    )


def _measured(
    known: CocoTruthFile, finder: _Finder, what: CocoOptions
) -> tuple[CocoScores, CocoErrorCosts | None]:
    """The scores, and what errors cost where that is asked for."""
    from maskweave.evaluation.coco_ap import CocoAP, add_images
    from maskweave.evaluation.coco_errors import CocoErrors

    precision = CocoAP(finder.class_names, max_objects=what.max_objects, masks=finder.masks)
    costs = (
        CocoErrors(finder.class_names, max_objects=what.max_objects, masks=finder.masks)
        if what.errors
        else None
    )
    with progress_bar("measuring", len(known.images)) as update:
        add_images(
            [precision] if costs is None else [precision, costs],
            known.truths(finder.class_names),
            finder.predict,
            progress=lambda done: update(done, len(known.images)),
        )
    return precision.result(), None if costs is None else costs.result()


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
    known: CocoTruthFile, images: Path | None, options: ModelOptions, *, refine: bool
) -> Iterator[_Finder]:
    from maskweave.errors import SourceError
    from maskweave.networks import open_model
    from maskweave.sources.images import read_image
    from maskweave.types.instances import Instances

    loaded = open_model(options)
    names, guide = loaded.class_names, loaded.check_guided() if refine else None

    def predict(truth: CocoTruth) -> Instances:
        try:
            image = read_image((images or Path()) / truth.file_name)
        except SourceError as error:
            known.report.add(f"{error}; its objects count as not found")
            return Instances.empty(truth.instances.size, names)
        found = loaded.predict(image, score=_LOWEST_SCORE, multi_label=True)
        if not isinstance(found, Instances):
            raise typer.BadParameter(
                f"{options.model} finds no instances; AP needs a model that does", param_hint="--model"
            )
        if found.size != truth.instances.size:
            known.report.add(
                f"{truth.file_name}: need an image of (height, width) {truth.instances.size}, got {found.size}"
            )
            return Instances.empty(truth.instances.size, names)
        return found if guide is None else guide.redraw(image, found)

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
    names = [name for name, _ in known[:_MAX_BARS]]
    if names:
        columns = {
            key: np.array([getattr(each, key) for _, each in known[:_MAX_BARS]]) for key in ("ap", "ap50")
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
