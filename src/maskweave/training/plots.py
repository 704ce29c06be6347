"""Curves of a run, drawn from its CSV files."""

from __future__ import annotations

import csv
from pathlib import Path


def draw_curves(folder: Path) -> Path | None:
    """Draw loss and AP over training minutes into ``curves.png``; None while there is nothing to draw."""
    train, val = read_columns(folder / "log.csv"), read_columns(folder / "val.csv")
    if not train:
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name in ("loss", "classes", "boxes", "masks"):
        left.plot(train["minutes"], train[name], label=name, linewidth=1)
    left.set(xlabel="training minutes", ylabel="loss", ylim=(0, None))
    left.legend()
    for name in ("mask_ap50", "box_ap50", "mask_ap"):
        if val:
            right.plot(val["minutes"], val[name], "o-", label=name)
    right.set(xlabel="training minutes", ylabel="AP on validation images", ylim=(0, 100))
    if val:
        right.legend()
    path = folder / "curves.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path


def read_columns(path: Path) -> dict[str, list[float]]:
    """Columns of a CSV file of numbers by name; empty where there is no file or no complete row."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as source:
        rows = [row for row in csv.DictReader(source) if None not in row.values()]
    return {name: [float(row[name]) for row in rows] for name in rows[0]} if rows else {}
