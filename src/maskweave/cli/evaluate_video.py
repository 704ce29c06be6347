"""`maskweave evaluate video`: tracks of clips against the truth."""

from __future__ import annotations

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

    from maskweave.evaluation.base import Metric
    from maskweave.evaluation.tracking import TrackingResult, TrackingScores
    from maskweave.evaluation.video_ap import TrackPrecision, VideoPrecision
    from maskweave.evaluation.video_clips import VideoClip


@takes_options()
def evaluate_video_command(
    to: ReportOptions,
    truth: Annotated[
        Path,
        typer.Argument(help="Truth: YouTube-VIS .json, KITTI MOTS .txt, or a folder with one .txt per clip."),
    ],
    results: Annotated[
        Path,
        typer.Argument(
            help="Results: the same formats, MaskWeave's .tracks.json, or a list of YouTube-VIS results."
        ),
    ],
) -> None:
    """HOTA, IDF1 and MOTA of tracked masks.

    Also their AP through time, where tracks have scores; all in 0..100.
    """
    from maskweave.annotations.report import Report
    from maskweave.evaluation.tracking import TrackingMetric
    from maskweave.evaluation.video_ap import VideoAP
    from maskweave.evaluation.video_files import ClipFile, add_clips

    problems = Report(strict=to.strict)
    with reporting_problems(problems), progress_bar("measuring", None) as update:
        known = ClipFile(truth, problems)
        found = ClipFile(results, problems, like=known)
        tracking = TrackingMetric(known.class_names)
        precision = VideoAP(known.class_names) if found.scored else None
        metrics: list[Metric[VideoClip, VideoClip, object]] = [tracking, *([precision] if precision else [])]
        add_clips(metrics, known, found, problems, progress=update)
        scores = tracking.result()
        ap = None if precision is None else precision.result()
    clips = counted(len(known.names), "clip")
    report(
        _record(len(known.names), scores, ap),
        [_sheet(clips, scores, ap)],
        {} if to.plots is None else _figures(scores, ap),
        problems,
        to,
    )


_SHARES = ("hota", "det_a", "ass_a", "idf1", "mota")


def _percent(result: TrackingResult) -> dict[str, Any]:
    shares = {name: 100 * getattr(result, name) for name in _SHARES}
    curves = {name.lower(): [100 * value for value in values] for name, values in result.curves.items()}
    return {**shares, "switches": result.switches, "by_iou": curves}


def _record(clips: int, scores: TrackingScores, ap: VideoPrecision | None) -> dict[str, Any]:
    return {
        "measure": "video",
        "clips": clips,
        "tracking": _percent(scores.all),
        "tracking_per_class": {name: _percent(each) for name, each in scores.classes.items()},
        "masks": None if ap is None else vars(ap.mean),
        "masks_per_class": None if ap is None else {name: vars(each) for name, each in ap.classes.items()},
    }


def _sheet(clips: str, scores: TrackingScores, ap: VideoPrecision | None) -> Sheet:
    def row(name: str, result: TrackingResult, masks: TrackPrecision | None) -> tuple[str, list[float | int]]:
        shares = [100 * float(getattr(result, each)) for each in _SHARES]
        more = [] if masks is None else [masks.ap, masks.ap50, masks.ap75, masks.ar_1, masks.ar_10]
        return name, [*shares, result.switches, *more]

    rows = [row("all", scores.all, None if ap is None else ap.mean)]
    rows += [
        row(name, each, None if ap is None else ap.classes[name]) for name, each in scores.classes.items()
    ]
    columns = ["class", "HOTA", "DetA", "AssA", "IDF1", "MOTA", "switches"]
    without = "; no AP, since the results have no scores" if ap is None else ""
    columns += [] if ap is None else ["mask AP", "AP50", "AP75", "AR@1", "AR@10"]
    return Sheet(f"{clips}, in 0..100{without}", columns, rows)


def _figures(scores: TrackingScores, ap: VideoPrecision | None) -> dict[str, Figure]:
    import numpy as np

    from maskweave.evaluation import plots
    from maskweave.evaluation.tracking import ALPHAS

    curves = {f"{name} {100 * np.mean(each):.1f}": np.array(each) for name, each in scores.all.curves.items()}
    title = f"HOTA {100 * scores.all.hota:.1f}"
    labels = ("IoU from which on masks count as the same object", "share")
    figures = {"hota": plots.lines(title, curves, across=ALPHAS, labels=labels)}
    if ap is not None:
        figures["precision-recall"] = plots.precision_recall({"tracks": ap.curves})
    return figures
