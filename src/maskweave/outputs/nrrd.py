"""Write the labels of a series as one NRRD volume with its place in space, for 3D Slicer, ITK-SNAP and ITK.

Source: http://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from maskweave.errors import OutputError
from maskweave.files import NRRD_MARK, atomic_file, output_errors
from maskweave.ops.masks_png import instance_id_map
from maskweave.outputs.base import Target, Writer
from maskweave.types.arrays import Array, Size
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction
from maskweave.types.result import FrameResult
from maskweave.types.volume import Vector

_MAX_ID = 65535


class NrrdFile(Writer):
    """``<name>.nrrd``: object ids (16 bits), class ids, or foreground as 0 and 1 (8 bits), a slice for each frame.

    Spacing, directions and origin are those of the source where it has them; where it has several volumes, they are
    the fourth axis. The class of each number is in the
    header as ``class_of_NUMBER``; nothing else of the source's own header is.

    Raises `OutputError` for ids above 65535, frames of different sizes, or a file that MaskWeave did not write.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._path = target.path(".nrrd")
        self._size: Size | None = None
        self._count = 0
        self._classes: dict[int, str] = {}

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def begin(self) -> None:
        """Open the file, and a nameless one for the labels: how many there are stands before them."""
        self._part = self.files.enter_context(atomic_file(self._path, only_own=True))
        with output_errors(self._path):
            self._labels = self.files.enter_context(TemporaryFile(dir=self._path.parent))  # noqa: SIM115
            self._packed = self.files.enter_context(gzip.GzipFile("", "wb", 6, self._labels, mtime=0))

    def write(self, result: FrameResult) -> None:
        """Add a slice."""
        labels = self._numbered(result.prediction)
        if labels.shape != (self._size or labels.shape):
            raise OutputError(f"{self._path}: need slices of one size {self._size}, got {labels.shape}")
        self._size = result.prediction.size
        self._count += 1
        with output_errors(self._path):
            self._packed.write(np.ascontiguousarray(labels).tobytes())

    def finish(self) -> None:
        """Put the header before the labels."""
        self._packed.close()
        with output_errors(self._path), self._part.open("wb") as file:
            file.write(self._header().encode())
            self._labels.seek(0)
            shutil.copyfileobj(self._labels, file)

    def _numbered(self, prediction: Prediction) -> Array:
        if not isinstance(prediction, Instances):
            self._classes |= dict(enumerate(prediction.class_names))
            return prediction.class_map
        numbers = instance_id_map(prediction)
        if numbers.max(initial=0) > _MAX_ID:
            raise OutputError(f"{self._path}: need ids up to {_MAX_ID}, got {numbers.max()}")
        ids = range(1, len(prediction) + 1) if prediction.track_ids is None else prediction.track_ids.tolist()
        self._classes |= dict(zip(ids, prediction.names, strict=True))
        return numbers.astype("<u2")

    def _header(self) -> str:
        height, width = self._size or (0, 0)
        grid = self.target.info.grid
        depth = grid.depth if grid is not None else None
        volumes, rest = divmod(self._count, depth) if depth else (1, 0)
        is_series = volumes > 1 and not rest
        lines = [
            "NRRD0005",
            NRRD_MARK,
            f"type: {'uint16' if self.target.task == 'instances' else 'uint8'}",
            f"dimension: {4 if is_series else 3}",
        ]
        if grid is not None:
            steps = " ".join(_written(each) for each in (grid.columns, grid.rows, grid.slices))
            lines += ["space: left-posterior-superior"]
        lines += [f"sizes: {width} {height} {f'{depth} {volumes}' if is_series else self._count}"]
        if grid is not None:
            none, kind = (" none", " list") if is_series else ("", "")
            lines += [f"space directions: {steps}{none}", f"kinds: domain domain domain{kind}"]
        lines += ["endian: little", "encoding: gzip"]
        if grid is not None:
            lines += [f"space origin: {_written(grid.origin)}"]
        lines += [f"class_of_{number}:={name}" for number, name in sorted(self._classes.items())]
        return "\n".join(lines) + "\n\n"


def _written(vector: Vector) -> str:
    return "(" + ",".join(f"{each:.12g}" for each in vector) + ")"
