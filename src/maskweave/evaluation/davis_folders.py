"""Read folders in DAVIS's layout: a folder for each sequence, a PNG of object ids for each frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from maskweave.annotations.davis import videos
from maskweave.annotations.id_images import read_id_map
from maskweave.annotations.report import Report
from maskweave.errors import InvalidValue, SourceError, SourceNotFound
from maskweave.evaluation.davis import DavisFrame, DavisMetric, ObjectScores
from maskweave.types.arrays import IntArray


def evaluate_davis(
    annotations: Path, results: Path, *, skip_ends: bool, problems: Report | None = None
) -> Iterator[list[ObjectScores]]:
    """Score every sequence of ``annotations`` with the masks in ``results``; yields one sequence at a time.

    Both folders are in any layout that the format "davis" reads: a folder for each sequence, with or without those of
    the benchmark above it, or one sequence alone, whose name then does not matter.
    Where the truth knows one object only, every non-zero pixel of a result belongs to it. ``problems``
    takes down sequences and frames that cannot be used; results that cannot count as frames without objects.

    Raises `SourceNotFound` for a missing folder, and `BadRecord` at the first problem without ``problems``.
    """
    problems = problems or Report(strict=True)
    if not results.is_dir():
        raise SourceNotFound(f"{results}: need a folder of results, but it does not exist")
    known, found = dict(videos(annotations)), dict(_results(results))
    if len(known) == len(found) == 1:
        found = dict(zip(known, found.values(), strict=True))
    for other in [name for name in found if name not in known]:
        problems.add(f"{results}: need sequences of the truth, there is no {other}; it is left out")
    for name, files in known.items():
        with problems.record(name):
            if name not in found:
                problems.add(f"{results}: need the results of sequence {name}, but it does not exist")
            yield _evaluate_sequence(name, files, found.get(name), problems, skip_ends=skip_ends)


def _results(path: Path) -> Iterator[tuple[str, list[Path]]]:
    """The sequences of a folder of results, which may be empty."""
    with suppress(SourceNotFound):
        yield from videos(path)


def _evaluate_sequence(
    name: str, frames: list[Path], found: list[Path] | None, problems: Report, *, skip_ends: bool
) -> list[ObjectScores]:
    # twice through the files, since all frames of a long sequence may not fit into memory
    object_ids = sorted({int(each) for path in frames for each in np.unique(read_id_map(path))} - {0, 255})
    metric = DavisMetric(skip_ends=skip_ends)
    by_name = {path.name: path for path in found or ()}
    for path in frames:
        truth = DavisFrame(read_id_map(path), name, object_ids)
        predicted = np.zeros_like(truth.id_map)
        if found is not None:
            missing = (found[0] if found else Path(name)).parent / path.name
            predicted = _found(by_name.get(path.name, missing), truth, problems)
        metric.add(truth, predicted)
    return metric.result()


def _found(path: Path, truth: DavisFrame, problems: Report) -> IntArray:
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
