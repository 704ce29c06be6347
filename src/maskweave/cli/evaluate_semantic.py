"""`maskweave evaluate semantic`: class maps against the truth."""

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

    from maskweave.evaluation.semantic import SemanticScores


@takes_options()
def evaluate_semantic_command(
    to: ReportOptions,
    truth: Annotated[
        Path, typer.Argument(help="Folder of PNG class maps, 8-bit palette or gray; 255: ignore.")
    ],
    results: Annotated[Path, typer.Argument(help="Folder of the results under the same names.")],
    classes: Annotated[
        str | None,
        typer.Option(help="Class names in order of their ids, comma-separated, or a JSON file of them."),
    ] = None,
) -> None:
    """Mean IoU and accuracy of class maps.

    Also frequency-weighted and boundary IoU, in 0..100.
    """
    from maskweave.annotations.report import Report
    from maskweave.evaluation.class_maps import UNNAMED, add_folders, read_class_names
    from maskweave.evaluation.semantic import SemanticMetric

    problems = Report(strict=to.strict)
    metric = SemanticMetric(UNNAMED if classes is None else read_class_names(classes))
    with reporting_problems(problems), progress_bar("measuring", None) as update:
        add_folders(metric, truth, results, problems, progress=update)
        scores = metric.result()
    names = _names(scores, everything=classes is not None)
    report(
        {
            "measure": "semantic",
            **vars(scores),
            "classes": {name: scores.classes[name] for name in names},
            "confusion": {"classes": [*names, "nothing"], "pixels": _confusion(scores, names)},
        },
        [_sheet(scores, names)],
        {} if to.plots is None else _figures(scores, names),
        problems,
        to,
    )


def _names(scores: SemanticScores, *, everything: bool) -> list[str]:
    """The classes to report: all that were asked for, or up to the last one that occurs or was predicted."""
    from maskweave.evaluation.class_maps import seen_classes

    names = list(scores.classes)
    return names if everything else names[: seen_classes(scores.confusion, names)]


def _confusion(scores: SemanticScores, names: list[str]) -> list[list[int]]:
    table: list[list[int]] = scores.confusion[: len(names), [*range(len(names)), -1]].tolist()
    return table


def _sheet(scores: SemanticScores, names: list[str]) -> Sheet:
    pixels = sum(each.pixels for each in scores.classes.values())
    rows = [("mean", (pixels, scores.miou, scores.mean_accuracy, scores.boundary_miou))]
    for name in names:
        each = scores.classes[name]
        rows.append((name, (each.pixels, each.iou, each.accuracy, each.boundary_iou)))
    title = (
        f"{counted(scores.images, 'image')}, in 0..100: pixel accuracy {scores.pixel_accuracy:.1f}, "
        f"frequency-weighted IoU {scores.fw_iou:.1f}"
    )
    return Sheet(title, ("class", "pixels", "IoU", "accuracy", "boundary IoU"), rows)


def _figures(scores: SemanticScores, names: list[str]) -> dict[str, Figure]:
    import numpy as np

    from maskweave.evaluation import plots

    known = [name for name in names if scores.classes[name].pixels]
    columns = {
        "IoU": np.array([scores.classes[name].iou for name in known]),
        "boundary IoU": np.array([scores.classes[name].boundary_iou for name in known]),
    }
    counts = np.array(_confusion(scores, names))
    return {
        "classes": plots.bars(f"mean IoU {scores.miou:.1f}", "IoU in 0..100", known, columns, limit=109),
        "confusion": plots.confusion("Which class is taken for which", names, [*names, "nothing"], counts),
    }
