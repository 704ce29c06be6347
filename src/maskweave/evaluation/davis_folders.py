"""Folders in DAVIS's layout: one folder a sequence, one PNG of object ids a frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from maskweave.errors import InvalidValue, SourceError, SourceNotFound
from maskweave.evaluation.davis import DavisFrame, DavisMetric, ObjectScores
from maskweave.evaluation.pictures import opened_picture
from maskweave.evaluation.problems import Problems
from maskweave.types.arrays import IntArray


def evaluate_davis(
    annotations: Path, results: Path, *, skip_ends: bool, problems: Problems | None = None
) -> Iterator[list[ObjectScores]]:
    """Score every sequence of ``annotations`` with the masks in ``results``; yields one sequence at a time.

    Both folders hold ``<sequence>/<frame>.png`` (``annotations`` may also be the benchmark's folder above
    ``480p``). Where the truth knows one object only, every non-zero pixel of a result belongs to it. ``problems``
    takes down sequences and frames that cannot be used; results that cannot count as frames without objects.

    Raises `SourceNotFound` for a missing folder, and `BadRecord` at the first problem without ``problems``.
    """
    problems = problems or Problems(strict=True)
    if not results.is_dir():
        raise SourceNotFound(f"{results}: need a folder of results, there is none of that name")
    folders = davis_sequences(annotations)
    names = {folder.name for folder in folders}
    for other in sorted(path for path in results.iterdir() if path.is_dir() and path.name not in names):
        problems.add(f"{other}: need sequences of the truth, there is no {other.name}; it is left out")
    for folder in folders:
        with problems.naming(f"{folder}"):
            yield _evaluate_sequence(folder, results / folder.name, problems, skip_ends=skip_ends)


def read_id_map(path: Path) -> IntArray:
    """(H, W) object ids of a PNG: palette, grey or 1-bit; a picture of 0 and 255 alone is one object."""
    with opened_picture(path, called="this frame", needed="a PNG of object ids") as picture:
        ids = np.asarray(picture).astype(np.int64)
    if ids.ndim != 2:
        raise InvalidValue(f"{path}: need a PNG of object ids (one channel), got {ids.shape}")
    return np.where(ids == 255, 1, ids) if set(np.unique(ids).tolist()) <= {0, 255} else ids


def davis_sequences(annotations: Path) -> list[Path]:
    """The folders of a benchmark's sequences, by name; raises `SourceNotFound` where there are none."""
    if not annotations.is_dir():
        raise SourceNotFound(f"{annotations}: need a folder of sequences, there is none of that name")
    inner = annotations / "480p"
    root = inner if inner.is_dir() else annotations
    folders = sorted(path for path in root.iterdir() if path.is_dir() and any(path.glob("*.png")))
    if not folders:
        raise SourceNotFound(f"{root}: need folders with PNG masks, one a sequence; found none")
    return folders


def _evaluate_sequence(
    folder: Path, found: Path, problems: Problems, *, skip_ends: bool
) -> list[ObjectScores]:
    frames = sorted(folder.glob("*.png"))
    # twice through the files, since all frames of a long sequence may not fit into memory
    object_ids = sorted({int(each) for path in frames for each in np.unique(read_id_map(path))} - {0, 255})
    metric = DavisMetric(skip_ends=skip_ends)
    if not found.is_dir():
        problems.add(f"{found}: need the results of sequence {folder.name}, there is no such folder")
    for path in frames:
        truth = DavisFrame(read_id_map(path), folder.name, object_ids)
        predicted = np.zeros_like(truth.id_map)
        if found.is_dir():
            predicted = _found(found / path.name, truth, problems)
        metric.add(truth, predicted)
    return metric.result()


def _found(path: Path, truth: DavisFrame, problems: Problems) -> IntArray:
    """The ids in a result; none where it cannot be used."""
    try:
        predicted = read_id_map(path)
        if predicted.shape != truth.id_map.shape:
            raise InvalidValue(
                f"{path}: need a result of the truth's size {truth.id_map.shape}, got {predicted.shape}"
            )
    except (SourceError, InvalidValue) as error:
        problems.add(f"{error}; it counts as empty")
        return np.zeros_like(truth.id_map)
    if len(truth.object_ids) == 1:
        return np.where(predicted != 0, truth.object_ids[0], 0)
    return predicted
