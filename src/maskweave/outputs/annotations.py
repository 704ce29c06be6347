"""Write results in any annotation format: a record for each frame goes to the writer of the format."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maskweave.annotations.base import Format, Put, drop_unsupported
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Loss, Report
from maskweave.annotations.table import format_named
from maskweave.errors import InvalidValue
from maskweave.outputs.base import Target, Writer
from maskweave.types.counts import Counts
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prediction import Prediction
from maskweave.types.result import FrameResult

_WORTH_A_WARNING: frozenset[Loss] = frozenset({"ids", "names"})


class AnnotationWriter(Writer):
    """One annotation file or folder of one source, in the format ``form``.

    Raises `OutputError` when something is in its place that MaskWeave did not write: annotation tools put their files
    beside the photo under the same name.
    """

    def __init__(self, target: Target, form: Format, name: str) -> None:
        super().__init__(target)
        self._form, self._name = form, name
        self._report = Report(name, strict=True)
        self._video = target.info.kind != "image"
        shared = form.name == "davis" and target.is_flat
        self._options = Options(
            model=target.model,
            facts=target.video_facts,
            crs=target.geojson_crs,
            source=target.source,
            frames="shared" if shared else "own" if self._video else "named",
        )
        self._path = target.folder if shared else target.path(form.suffix or f".{name}")

    @property
    def path(self) -> Path:
        """The file or folder."""
        return self._path

    @property
    def warnings(self) -> list[str]:
        """What did not fit into the format."""
        return self._report.lines(_WORTH_A_WARNING)

    def begin(self) -> None:
        """Open the file or folder."""
        self._put: Put = self.files.enter_context(self._form.write(self._path, self._options, self._report))

    def write(self, result: FrameResult) -> None:
        """Add one frame's objects."""
        record = self._record(result)
        if self._form.needs_tracks and len(record.instances) and record.instances.track_ids is None:
            raise InvalidValue(f"{self._name}: need objects with track ids, got none; leave tracking on")
        self._put(drop_unsupported(record, self._form, self._options, self._report))
        self._report.commit()
        self._report.objects += len(record.instances)

    def _record(self, result: FrameResult) -> Record:
        return record_of(
            result.frame,
            _objects(result.prediction, self._name),
            file_name=self.target.file_name(result.frame),
            video=self.target.info.name if self._video else "",
            counts=result.counts,
        )


def record_of(
    frame: Frame,
    instances: Instances,
    *,
    file_name: str = "",
    video: str = "",
    counts: Counts | None = None,
) -> Record:
    """A frame and its objects as a record; ``video`` is the name of the video that it is of, "" for a still."""
    return Record(
        file_name=file_name or frame.file_name or frame.source,
        instances=instances,
        video=video,
        frame=frame.index if video else None,
        time=round(float(frame.time), 6) if video else None,
        pixels=frame.image if frame.windows is None else None,
        geo=frame.geo,
        scored=True,
        counts=counts,
    )


def save_record(path: Path, form: str, frame: Frame, instances: Instances, *, model: str) -> None:
    """Write one image's objects to a file of the format called ``form``, whatever was there."""
    options, report = Options(model=model, overwrite=True), Report(form, strict=True)
    with format_named(form).write(path, options, report) as put:
        put(record_of(frame, instances))


def _objects(prediction: Prediction, name: str) -> Instances:
    """The objects; a foreground is one."""
    if isinstance(prediction, Instances):
        return prediction
    if "foreground" not in prediction.class_names:
        raise InvalidValue(f"{name}: need instances, got a semantic map; use --task instances")
    masks = Masks.from_dense(prediction.mask("foreground")[None])
    masks = masks if masks.areas[0] else masks[:0]
    count = len(masks)
    return Instances(
        masks,
        masks.boxes,
        np.ones(count),
        np.zeros(count, np.int64),
        ("foreground",),
        np.ones(count, np.int64),
    )
