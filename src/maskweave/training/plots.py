"""Plot curves of a run from its CSV files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARTS = {
    "loss": "#111827",
    "masks": "#2563eb",
    "classes": "#ea580c",
    "boxes": "#16a34a",
}
_SCORES = {
    "box_ap50": ("box AP50", "#16a34a"),
    "mask_ap50": ("mask AP50", "#2563eb"),
    "mask_ap": ("mask AP", "#93c5fd"),
}
_LEGEND: dict[str, Any] = {
    "frameon": False,
    "fontsize": "small",
    "handlelength": 1.2,
    "columnspacing": 1.2,
    "borderpad": 0,
}
_SMOOTH = 15
"""Logged values that a bold curve is the mean of."""


def draw_curves(folder: Path) -> Path | None:
    """Draw loss and AP over training minutes into ``curves.png``; None while there is nothing to draw."""
    train, val = read_columns(folder / "log.csv"), read_columns(folder / "val.csv")
    if not train:
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    _draw_loss(left, train)
    for name, (label, color) in _SCORES.items() if val else ():
        right.plot(val["minutes"], val[name], "o-", label=label, color=color, markersize=4)
    right.set(xlabel="training minutes", ylabel="AP on the validation images", ylim=(0, None))
    for axes in (left, right):
        axes.set_xlim(0, max([*train["minutes"], *val.get("minutes", [])]) * 1.02)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
        axes.set_axisbelow(True)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=5, **_LEGEND)
    path = folder / "curves.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path


def _draw_loss(axes: Axes, train: dict[str, list[float]]) -> None:
    """Every logged value, pale, under its running mean; dotted lines where the input size changed."""
    for name, color in _PARTS.items():
        values = np.array(train[name])
        axes.plot(train["minutes"], values, color=color, linewidth=0.8, alpha=0.25)
        axes.plot(train["minutes"], running_mean(values, _SMOOTH), color=color, linewidth=1.8, label=name)
    sizes = np.array(train["size"])
    for row in np.flatnonzero(np.diff(sizes)) + 1:
        axes.axvline(train["minutes"][row], color="#6b7280", linestyle=":", linewidth=1)
        axes.annotate(
            f" {sizes[row]:.0f} px",
            (train["minutes"][row], 1),
            xycoords=("data", "axes fraction"),
            color="#6b7280",
            va="top",
            fontsize="small",
        )
    axes.set(xlabel="training minutes", ylabel="loss", ylim=(0, None))


def running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Means over windows of up to ``width`` values around each, shorter towards the ends; as many as there are."""
    edges = np.concatenate([[0.0], np.cumsum(values, dtype=float)])
    at = np.arange(len(values))
    reach = np.minimum(width // 2, np.minimum(at, len(values) - 1 - at))
    means: np.ndarray = (edges[at + reach + 1] - edges[at - reach]) / (2 * reach + 1)
    return means


def read_columns(path: Path) -> dict[str, list[float]]:
    """Columns of a CSV file of numbers by name; empty where there is no file or no complete row."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as source:
        rows = [row for row in csv.DictReader(source) if None not in row.values()]
    return {name: [float(row[name]) for row in rows] for name in rows[0]} if rows else {}
