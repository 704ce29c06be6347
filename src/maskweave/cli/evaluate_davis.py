"""`maskweave evaluate davis`: masks of videos against the truth, as the DAVIS benchmark does."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskweave.cli.console import emit

if TYPE_CHECKING:
    from maskweave.evaluation.davis import ObjectScores

_HEAD = (
    f"{'sequence':<22}{'J mean':>8}{'recall':>8}{'decay':>8}{'F mean':>9}{'recall':>8}{'decay':>8}{'J&F':>9}"
)


class DavisTask(StrEnum):
    """Whether the first mask was given."""

    unsupervised = "unsupervised"
    semi_supervised = "semi-supervised"


def evaluate_davis_command(
    annotations: Annotated[Path, typer.Option(help="Folder of the truth: <sequence>/<frame>.png.")],
    results: Annotated[Path, typer.Option(help="Folder of the results in the same layout.")],
    task: Annotated[
        DavisTask, typer.Option(help="semi-supervised leaves out the first and the last frame.")
    ] = DavisTask.unsupervised,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON line per object on stdout.")] = False,
) -> None:
    """J and F (mean, recall, decay) and J&F of every object and their mean, in percent."""
    from maskweave.evaluation.davis_folders import evaluate_davis

    scores: list[ObjectScores] = []
    for sequence in evaluate_davis(annotations, results, skip_ends=task is DavisTask.semi_supervised):
        if not scores and not json_lines:
            typer.echo(_HEAD)
        scores += sequence
        for each in sequence:
            if json_lines:
                emit(_record(each))
            else:
                typer.echo(_row(f"{each.sequence} {each.object_id}", _values(each)))
    if not json_lines:
        columns = zip(*(_values(each) for each in scores), strict=True)
        typer.echo(_row("mean", [sum(column) / len(scores) for column in columns]))


def _values(scores: ObjectScores) -> list[float]:
    """J mean, recall, decay, F mean, recall, decay, J&F; in percent."""
    regions, contours = scores.regions, scores.contours
    shares = (regions.mean, regions.recall, regions.decay, contours.mean, contours.recall, contours.decay)
    return [100 * share for share in (*shares, scores.jf_mean)]


def _row(name: str, values: list[float]) -> str:
    return f"{name:<22}" + "".join(f"{each:>{9 if at in (3, 6) else 8}.1f}" for at, each in enumerate(values))


def _record(scores: ObjectScores) -> dict[str, Any]:
    names = ("j_mean", "j_recall", "j_decay", "f_mean", "f_recall", "f_decay", "jf_mean")
    values = dict(zip(names, (round(each, 4) for each in _values(scores)), strict=True))
    return {"sequence": scores.sequence, "object_id": scores.object_id, **values}
