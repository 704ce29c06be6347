"""Plot scores. Each function returns a matplotlib figure for its caller to save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from maskweave.evaluation.matching import RECALLS, THRESHOLDS
from maskweave.types.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _FAINT = "#22313f", "#d9dee3"
_FIRST, _SECOND = "#2a6f97", "#f4a259"
_LABELED = 40  # so many classes have their names and numbers in an image


def precision_recall(curves: Mapping[str, FloatArray]) -> Figure:
    """Precision over recall at COCO's ten IoU thresholds, one panel for each of ``curves``.

    ``curves``: by what was measured ("masks"), (10, 101) precision in 0..1 at the recalls 0.00, 0.01 … 1.00.
    """
    from matplotlib import colormaps

    figure, panels = _figure(len(curves), width=4.6, height=4.2)
    colors = colormaps["viridis_r"](np.linspace(0.12, 0.95, len(THRESHOLDS)))
    for panel, (what, table) in zip(panels, curves.items(), strict=True):
        for row, (threshold, color) in enumerate(zip(THRESHOLDS, colors, strict=True)):
            ap = 100 * np.mean(table[row])
            panel.plot(RECALLS, table[row], color=color, linewidth=1.6, label=f"{threshold:.2f}   {ap:5.1f}")
        panel.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision", aspect="equal")
        panel.set_title(f"{what}: AP {100 * np.mean(table):.1f}", loc="left", color=_INK, fontsize=11)
        panel.grid(color=_FAINT, linewidth=0.7)
        legend = panel.legend(
            title="IoU      AP", fontsize=7, title_fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5)
        )
        legend.get_frame().set_linewidth(0)
    return figure


def bars(
    title: str, unit: str, names: Sequence[str], columns: Mapping[str, FloatArray], *, limit: float | None
) -> Figure:
    """One row of horizontal bars for each name, in order from the top.

    Args:
        title: What is shown.
        unit: Of the numbers, beside the axis.
        names: N rows.
        columns: By what it is, (N,) numbers; one or two of them. NaN has no bar.
        limit: End of the axis; None takes what is needed.
    """
    figure, (panel,) = _figure(1, width=7.0, height=1.2 + 0.26 * len(names) * len(columns) ** 0.5)
    rows = np.arange(len(names))
    thickness = 0.74 / len(columns)
    limit_shown = limit or max(float(np.nanmax(np.append(each, 1.0))) for each in columns.values()) * 1.12
    for place, ((what, values), color) in enumerate(zip(columns.items(), (_FIRST, _SECOND), strict=False)):
        heights = np.nan_to_num(values)
        at = rows + (place - (len(columns) - 1) / 2) * thickness
        panel.barh(at, heights, height=thickness * 0.94, color=color, label=what)
        for y, value in zip(at, values, strict=True):
            text = "–" if np.isnan(value) else f"{value:.1f}"
            panel.text(
                np.nan_to_num(value) + limit_shown * 0.008, y, text, va="center", fontsize=7, color=_INK
            )
    panel.set_yticks(rows, names, fontsize=8)
    panel.set(xlim=(0, limit_shown), xlabel=unit, ylim=(len(names) - 0.5, -0.5))
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="x", color=_FAINT, linewidth=0.7)
    panel.set_title(title, loc="left", color=_INK, fontsize=11)
    if len(columns) > 1:
        panel.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return figure


def confusion(title: str, rows: Sequence[str], columns: Sequence[str], counts: IntArray) -> Figure:
    """A confusion matrix: for each true class (row) the share of its pixels or objects that each column took.

    ``counts``: (R, C) integers. Numbers are written in where there is room for them.
    """
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0) * 100
    small = max(counts.shape) <= _LABELED
    side = max(4.0, 1.6 + 0.36 * max(counts.shape)) if small else 9.0
    figure, (panel,) = _figure(1, width=side + 1.0, height=side)
    image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    if small:
        panel.set_xticks(
            range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor", fontsize=8
        )
        panel.set_yticks(range(len(rows)), rows, fontsize=8)
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.5:
                color = "white" if share > 55 else _INK
                panel.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=7, color=color)
    panel.tick_params(length=0)
    panel.set(xlabel="predicted", ylabel="true")
    panel.set_title(title, loc="left", color=_INK, fontsize=11)
    bar = figure.colorbar(image, ax=panel, fraction=0.035, pad=0.02, label="% of the true class")
    bar.outline.set_visible(False)
    return figure


def lines(
    title: str, curves: Mapping[str, FloatArray], *, across: FloatArray, labels: tuple[str, str]
) -> Figure:
    """Numbers in 0..1 over ``across``, one line each of ``curves``; ``labels`` of the axes."""
    from matplotlib import colormaps

    figure, (panel,) = _figure(1, width=6.0, height=4.2)
    for number, (what, values) in enumerate(curves.items()):
        panel.plot(
            across, values, "o-", ms=3, linewidth=1.6, label=what, color=colormaps["tab10"](number % 10)
        )
    panel.set(xlim=(across[0], across[-1]), ylim=(0, 1.02), xlabel=labels[0], ylabel=labels[1])
    panel.grid(color=_FAINT, linewidth=0.7)
    panel.legend(fontsize=8, frameon=False)
    panel.set_title(title, loc="left", color=_INK, fontsize=11)
    return figure


def _figure(panels: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure that no window knows of, and its panels side by side."""
    from matplotlib.figure import Figure as Image

    figure = Image(figsize=(width * panels, height), layout="constrained", dpi=130)
    found: Any = figure.subplots(1, panels, squeeze=False)[0]
    for panel in found:
        panel.set_axisbelow(True)
        for edge in ("top", "right", "left"):
            panel.spines[edge].set_visible(False)
        panel.spines["bottom"].set_color(_FAINT)
        panel.tick_params(colors=_INK, labelsize=8)
        for axis in (panel.xaxis, panel.yaxis):
            axis.label.set(color=_INK, fontsize=9)
    return figure, list(found)
