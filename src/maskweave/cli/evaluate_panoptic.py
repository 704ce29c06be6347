"""`maskweave evaluate panoptic`: panoptic segments against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskweave.cli.console import counted, progress_bar
from maskweave.cli.evaluate_report import (
    ReportOptions,
    Sheet,
    report,
    reporting_problems,
)
from maskweave.cli.options import takes_options

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from maskweave.evaluation.panoptic import ClassQuality, PanopticQuality, PanopticScores

_MAX_BARS = 40


@takes_options()
def evaluate_panoptic_command(
    to: ReportOptions,
    truth: Annotated[Path, typer.Argument(help="COCO panoptic file with the truth.")],
    results: Annotated[Path, typer.Argument(help="COCO panoptic file with the results.")],
    truth_folder: Annotated[
        Path | None, typer.Option(help="PNG of the truth.  [default: the file's name without .json]")
    ] = None,
    results_folder: Annotated[
        Path | None, typer.Option(help="PNG of the results.  [default: the file's name without .json]")
    ] = None,
) -> None:
    """Panoptic quality (PQ) of things and stuff.

    With its parts, segmentation (SQ) and recognition quality (RQ), in 0..100.
    """
    from maskweave.annotations.report import Report
    from maskweave.evaluation.panoptic import PanopticMetric
    from maskweave.evaluation.panoptic_files import PanopticFile, add_files

    problems = Report(strict=to.strict)
    with reporting_problems(problems), progress_bar("measuring", None) as update:
        known = PanopticFile(truth, problems, folder=truth_folder)
        found = PanopticFile(results, problems, folder=results_folder, like=known)
        metric = PanopticMetric(known.class_names, known.is_thing)
        add_files(metric, known, found, problems, progress=update)
        scores = metric.result()
    report(
        {"measure": "panoptic", **vars(scores)},
        [_sheet(scores)],
        {} if to.plots is None else _figures(scores),
        problems,
        to,
    )


def _known(scores: PanopticScores) -> dict[str, ClassQuality]:
    """The classes of which there is something."""
    return {name: each for name, each in scores.classes.items() if each.pq == each.pq}


def _sheet(scores: PanopticScores) -> Sheet:
    def row(name: str, quality: PanopticQuality, counts: list[int]) -> tuple[str, list[float | int]]:
        return name, [quality.pq, quality.sq, quality.rq, *counts]

    classes = _known(scores)
    kinds = {"all": list(classes), "things": [], "stuff": []}
    for name in classes:
        kinds["things" if scores.is_thing[name] else "stuff"].append(name)
    rows = []
    for kind, names in kinds.items():
        counts = [sum(column) for column in zip(*(_counts(classes[name]) for name in names), strict=True)]
        rows.append(row(kind, getattr(scores, kind), counts or [0, 0, 0]))
    for name, quality in classes.items():
        rows.append(row(name, quality, _counts(quality)))
    title = f"{counted(scores.images, 'image')}, in 0..100"
    return Sheet(title, ("class", "PQ", "SQ", "RQ", "right", "surplus", "missed"), rows)


def _counts(quality: ClassQuality) -> list[int]:
    return [quality.true_positives, quality.false_positives, quality.false_negatives]


def _figures(scores: PanopticScores) -> dict[str, Figure]:
    import numpy as np

    from maskweave.evaluation import plots

    best = sorted(_known(scores).items(), key=lambda pair: -pair[1].pq)
    shown = best[:_MAX_BARS]
    if not shown:
        return {}
    names = [name + ("" if scores.is_thing[name] else " (stuff)") for name, _ in shown]
    columns = {
        "PQ": np.array([each.pq for _, each in shown]),
        "SQ": np.array([each.sq for _, each in shown]),
    }
    title = f"PQ {scores.all.pq:.1f}" + (
        f", the best {len(shown)} of {len(best)}" if len(best) > len(shown) else ""
    )
    return {"classes": plots.bars(title, "in 0..100", names, columns, limit=109)}
