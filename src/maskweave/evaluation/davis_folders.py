"""Folders in DAVIS's layout: one folder a sequence, one PNG of object ids a frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from maskweave.errors import InvalidValue, SourceNotFound, UnreadableImage
from maskweave.evaluation.davis import DavisMetric, ObjectScores
from maskweave.types.arrays import IntArray


def evaluate_davis(annotations: Path, results: Path, *, skip_ends: bool) -> Iterator[list[ObjectScores]]:
    """Score every sequence of ``annotations`` with the masks in ``results``; yields one sequence at a time.

    Both folders hold ``<sequence>/<frame>.png`` (``annotations`` may also be the benchmark's folder above
    ``480p``). Where the truth knows one object only, every non-zero pixel of a result belongs to it.

    Raises `SourceNotFound` for a missing folder, sequence or frame, and `InvalidValue` for another size.
    """
    for folder in _sequences(annotations):
        frames = sorted(folder.glob("*.png"))
        found = results / folder.name
        if not found.is_dir():
            raise SourceNotFound(
                f"{found}: need the results of sequence {folder.name}, there is no such folder"
            )
        yield _evaluate_sequence(folder.name, frames, found, skip_ends=skip_ends)


def read_id_map(path: Path) -> IntArray:
    """(H, W) object ids of a PNG: palette, grey or 1-bit; a picture of 0 and 255 alone is one object."""
    try:
        with Image.open(path) as picture:
            ids = np.asarray(picture).astype(np.int64)
    except FileNotFoundError as error:
        raise SourceNotFound(f"{path}: need this frame, there is no such file") from error
    except (UnidentifiedImageError, OSError) as error:
        raise UnreadableImage(f"{path}: need a PNG of object ids ({error})") from error
    if ids.ndim != 2:
        raise InvalidValue(f"{path}: need a PNG of object ids (one channel), got {ids.shape}")
    return np.where(ids == 255, 1, ids) if set(np.unique(ids).tolist()) <= {0, 255} else ids


def _sequences(annotations: Path) -> list[Path]:
    if not annotations.is_dir():
        raise SourceNotFound(f"{annotations}: need a folder of sequences, there is none of that name")
    inner = annotations / "480p"
    root = inner if inner.is_dir() else annotations
    folders = sorted(path for path in root.iterdir() if path.is_dir() and any(path.glob("*.png")))
    if not folders:
        raise SourceNotFound(f"{root}: need folders with PNG masks, one a sequence; found none")
    return folders


def _evaluate_sequence(name: str, frames: list[Path], found: Path, *, skip_ends: bool) -> list[ObjectScores]:
    truths = [read_id_map(path) for path in frames]
    object_ids = sorted({int(each) for truth in truths for each in np.unique(truth)} - {0, 255})
    metric = DavisMetric(skip_ends=skip_ends)
    for path, truth in zip(frames, truths, strict=True):
        predicted = read_id_map(found / path.name)
        if len(object_ids) == 1:
            predicted = np.where(predicted != 0, object_ids[0], 0)
        metric.add(truth, predicted, sequence=name, object_ids=object_ids)
    return metric.result()
