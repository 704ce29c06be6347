"""`maskweave evaluate davis`: masks of videos against the truth, as the DAVIS benchmark does."""

from __future__ import annotations

from enum import StrEnum
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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from maskweave.evaluation.davis import ObjectScores

_NAMES = ("j_mean", "j_recall", "j_decay", "f_mean", "f_recall", "f_decay", "jf_mean")
_HEAD = ("sequence, object", "J mean", "recall", "decay", "F mean", "recall", "decay", "J&F")
_MAX_BARS = 40


class DavisTask(StrEnum):
    """Whether the first mask was given."""

    unsupervised = "unsupervised"
    semi_supervised = "semi-supervised"


@takes_options()
def evaluate_davis_command(
    to: ReportOptions,
    truth: Annotated[Path | None, typer.Argument(help="Folder of the truth: <sequence>/<frame>.png.")] = None,
    results: Annotated[Path | None, typer.Argument(help="Folder of the results in the same layout.")] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="The truth, as an option instead of an argument.")
    ] = None,
    results_option: Annotated[
        Path | None, typer.Option("--results", help="The results, as an option instead of an argument.")
    ] = None,
    task: Annotated[
        DavisTask, typer.Option(help="semi-supervised skips the first and the last frame.")
    ] = DavisTask.unsupervised,
) -> None:
    """J, F and J&F of the masks of a video's objects.

    Means, recall and decay, of every object and over all, in 0..100.
    """
    from maskweave.annotations.davis import videos
    from maskweave.annotations.report import Report
    from maskweave.errors import InvalidValue
    from maskweave.evaluation.davis_folders import evaluate_davis

    truth, results = truth or annotations, results or results_option
    if truth is None or results is None:
        raise typer.BadParameter("need the folder of the truth and that of the results")
    problems = Report(strict=to.strict)
    scores: list[ObjectScores] = []
    with reporting_problems(problems), progress_bar("measuring", None) as update:
        total = sum(1 for _ in videos(truth))
        skip_ends = task is DavisTask.semi_supervised
        for done, sequence in enumerate(
            evaluate_davis(truth, results, skip_ends=skip_ends, problems=problems), start=1
        ):
            scores += sequence
            update(done, total)
        if not scores:
            raise InvalidValue(f"{truth}: need at least one object in a sequence that can be used, got none")
    values = [_values(each) for each in scores]
    mean = [sum(column) / len(column) for column in zip(*values, strict=True)]
    names = [f"{each.sequence} {each.object_id}" for each in scores]
    report(
        {"measure": "davis", "mean": _named(mean), "objects": [_record(each) for each in scores]},
        [
            Sheet(
                f"{counted(total, 'sequence')}, in 0..100",
                _HEAD,
                [("mean", mean), *zip(names, values, strict=True)],
            )
        ],
        {} if to.plots is None else _figures(names, values, mean),
        problems,
        to,
    )


def _values(scores: ObjectScores) -> list[float]:
    """J mean, recall, decay, F mean, recall, decay, J&F; in 0..100."""
    regions, contours = scores.regions, scores.contours
    shares = (regions.mean, regions.recall, regions.decay, contours.mean, contours.recall, contours.decay)
    return [100 * share for share in (*shares, scores.jf_mean)]


def _record(scores: ObjectScores) -> dict[str, Any]:
    return {"sequence": scores.sequence, "object_id": scores.object_id, **_named(_values(scores))}


def _named(values: list[float]) -> dict[str, float]:
    return dict(zip(_NAMES, (round(each, 4) for each in values), strict=True))


def _figures(names: list[str], values: list[list[float]], mean: list[float]) -> dict[str, Figure]:
    import numpy as np

    from maskweave.evaluation import plots

    table = np.array(values)
    shown = np.argsort(table[:, -1], kind="stable")[:_MAX_BARS]
    columns = {"J": table[shown, 0], "F": table[shown, 3]}
    title = f"J&F {mean[-1]:.1f}" + (
        f", the worst {len(shown)} of {len(names)}" if len(shown) < len(names) else ""
    )
    return {"objects": plots.bars(title, "in 0..100", [names[row] for row in shown], columns, limit=109)}
