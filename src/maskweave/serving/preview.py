"""Preview the finished frames of a video while the rest is segmented: a line of JSON each, in a file."""

from __future__ import annotations

import json
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

from maskweave.ops.rle import encode_masks
from maskweave.types.instances import Instances
from maskweave.types.result import FrameResult

FILE_NAME = "frames.ndjson"
MAX_BYTES = 4_000_000
"""Read at once; a single line may be longer."""


class Preview:
    """Writes the frames; use as a context manager. The file is gone at the end, when the results are there."""

    def __init__(self, folder: Path, start: Fraction) -> None:
        self._path, self._start = folder / FILE_NAME, start
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Begin the file."""
        self._stack.callback(self._path.unlink)
        self._file = self._stack.enter_context(self._path.open("wb", buffering=0))
        return self

    def __exit__(self, *details: object) -> None:
        """Remove the file."""
        self._stack.close()

    def add(self, result: FrameResult) -> None:
        """Write one frame whose objects are tracked; other results have no lines."""
        frame, prediction = result.frame, result.prediction
        if not isinstance(prediction, Instances) or prediction.track_ids is None:
            return
        line = {
            "time": float(frame.time + self._start),
            "size": list(frame.size),
            "objects": _objects(prediction, prediction.track_ids.tolist()),
        }
        self._file.write(json.dumps(line).encode() + b"\n")


def _objects(instances: Instances, track_ids: list[int]) -> list[dict[str, Any]]:
    columns = zip(
        track_ids,
        instances.names,
        instances.scores.tolist(),
        instances.boxes.tolist(),
        encode_masks(instances.masks),
        strict=True,
    )
    return [
        {"id": number, "class": name, "score": round(score, 5), "box": box, "rle": rle}
        for number, name, score, box, rle in columns
    ]


def read_frames(folder: Path, offset: int) -> bytes:
    """Whole lines from byte ``offset`` on; nothing where there are none, or no longer."""
    try:
        with (folder / FILE_NAME).open("rb") as file:
            file.seek(offset)
            lines = file.readlines(MAX_BYTES)
    except FileNotFoundError:
        return b""
    return b"".join(line for line in lines if line.endswith(b"\n"))
