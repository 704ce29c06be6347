"""Read the tracks of clips, in any format that has tracks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from maskweave.annotations.convert import detect_name, read_records
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.store import RecordStore
from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.evaluation.base import Metric
from maskweave.evaluation.video_clips import Track, VideoClip
from maskweave.ops.rle import Rle, encode_masks
from maskweave.types.arrays import Size

_SAME = ("pedestrian", "person")
_IGNORED = "ignore"
"""What the reader of KITTI MOTS calls regions in which nothing counts."""


class ClipFile:
    """The clips of a file or folder, kept on the disk until one is asked for.

    Args:
        path: Annotations with videos in any format, or a list of YouTube-VIS results.
        report: Takes down what cannot be used.
        like: The truth, whose clips and classes are meant; without it the file is the truth.

    Attributes:
        class_names: Of all clips.
        names: Of the clips.
        scored: Whether each track has a score, as AP needs.
        counted: Whether the file says how many frames a clip has.

    Raises:
        SourceNotFound: There is no such file.
        InvalidValue: It is of no known format, or has no videos.
    """

    def __init__(self, path: Path, report: Report, *, like: ClipFile | None = None) -> None:
        self.path, self._report = path, report
        if not path.exists():
            raise SourceNotFound(f"{path}: no such annotation file")
        form = detect_name(path, default="youtube-vis")
        form = "youtube-vis" if form == "coco-results" else form  # an empty list
        options = Options(truth=None if like is None or path.suffix != ".json" else like.path)
        self._records = RecordStore()
        self._places: dict[str, list[int]] = {}
        known: dict[str, None] = {}
        self.scored = True
        self.counted = form != "mots"
        for record in read_records(path, form, options=options, report=report):
            if record.frame is None:
                raise InvalidValue(
                    f"{path}: need frames of videos with tracks, got {record.file_name}, a still"
                )
            names = [each for each in record.instances.class_names if each != _IGNORED]
            known |= dict.fromkeys(sorted(names) if form == "mots" else names)
            self.scored &= record.scored or not len(record.instances)
            self._places.setdefault(record.video, []).append(len(self._records))
            self._records.append(record)
        own = tuple(sorted(known) if form == "mots" else known)
        self.class_names: tuple[str, ...] = own if like is None else like.class_names
        self.names: tuple[str, ...] = tuple(self._places)

    def clip(self, name: str) -> VideoClip:
        """One clip."""
        return _Clip(name, self.class_names, f"{self.path}: {name}", self._report).of(
            self._records[place] for place in self._places[name]
        )


class _Clip:
    """Collects the tracks of one clip from its frames."""

    def __init__(self, name: str, class_names: tuple[str, ...], where: str, report: Report) -> None:
        self._name, self._class_names, self._where, self._report = name, class_names, where, report
        self._rles: dict[tuple[int, int], dict[int, Rle]] = {}
        self._scores: dict[tuple[int, int], list[float]] = {}
        self._crowds: dict[tuple[int, int], bool] = {}
        self._ignored: dict[int, tuple[Rle, ...]] = {}
        self._strangers: set[tuple[str, int]] = set()

    def of(self, records: Iterator[Record]) -> VideoClip:
        """The clip; objects that cannot be used are problems."""
        size: Size | None = None
        last = -1
        for record in records:
            size = size or record.size
            if record.size != size:
                self._report.add(
                    f"{self._where}: need frames of one size {size}, got {record.size}; one is left out"
                )
                continue
            frame = record.frame or 0
            last = max(last, frame)
            self._add(frame, record)
        tracks = tuple(
            Track(
                track_id,
                class_id,
                rles,
                _mean(self._scores[class_id, track_id]),
                self._crowds[class_id, track_id],
            )
            for (class_id, track_id), rles in self._rles.items()
        )
        return VideoClip(self._name, size, last + 1, tracks, self._class_names, self._ignored)

    def _add(self, frame: int, record: Record) -> None:
        instances = record.instances
        ids = range(len(instances)) if instances.track_ids is None else instances.track_ids.tolist()
        for row, (rle, track_id) in enumerate(zip(encode_masks(instances.masks), ids, strict=True)):
            name = _known_as(instances.names[row], self._class_names)
            if not instances.masks.areas[row]:
                continue  # many programs write such a mask for each frame in which an object is not seen
            if name == _IGNORED and record.crowds[row]:
                self._ignored[frame] = (*self._ignored.get(frame, ()), rle)
            elif name not in self._class_names:
                if (name, track_id) not in self._strangers:
                    self._report.add(
                        f"{self._where}, track {track_id}: need a class of the truth, got {name!r}; it is left out"
                    )
                self._strangers.add((name, track_id))
            else:
                self._put(frame, (self._class_names.index(name), track_id), rle, record, row)

    def _put(self, frame: int, key: tuple[int, int], rle: Rle, record: Record, row: int) -> None:
        seen = self._rles.setdefault(key, {})
        if frame in seen:
            self._report.add(
                f"{self._where}, frame {frame}: need each id once a frame, got {key[1]} again; it is left out"
            )
            return
        seen[frame] = rle
        self._scores.setdefault(key, []).append(float(record.instances.scores[row]))
        self._crowds[key] = self._crowds.get(key, False) or bool(record.crowds[row])


def _mean(scores: Sequence[float]) -> float:
    """Of a track's scores; where all are alike that one, to the last digit."""
    return scores[0] if min(scores) == max(scores) else sum(scores) / len(scores)


def add_clips(
    metrics: Sequence[Metric[VideoClip, VideoClip, object]],
    truth: ClipFile,
    results: ClipFile,
    report: Report,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Give each clip of the truth and the results of the same name to ``metrics``; where either side has but one
    clip, its name does not matter. Results that are missing or of another size count as none.

    Raises:
        BadRecord: Something is wrong with a record, and ``report`` is strict.
    """
    single = len(truth.names) == len(results.names) == 1
    for name in () if single else [each for each in results.names if each not in truth.names]:
        report.add(f"{results.path}: need clips of the truth, got {name}; it is left out")
    for done, name in enumerate(truth.names, start=1):
        known = truth.clip(name)
        wanted = results.names[0] if single else name
        found = VideoClip(name, known.size, 0, (), truth.class_names)
        if wanted in results.names:
            named = f"{results.path}: {wanted}"
            found = _fitting(results.clip(wanted), known, found, named, report)
            if truth.counted and results.counted and 0 < found.length != known.length:
                report.add(f"{named}: need {known.length} frames, got {found.length}; others count as empty")
        else:
            report.add(f"{results.path}: clip {name} is missing; its objects count as not found")
        for metric in metrics:
            metric.add(known, found)
        if progress is not None:
            progress(done, len(truth.names))


def _fitting(found: VideoClip, known: VideoClip, nothing: VideoClip, named: str, report: Report) -> VideoClip:
    if known.size is not None and found.size is not None and known.size != found.size:
        report.add(f"{named}: need (height, width) {known.size}, got {found.size}; its tracks are left out")
        return nothing
    return found


def _known_as(name: str, known: Sequence[str]) -> str:
    """The name of a class among the ``known`` ones: KITTI's pedestrians are COCO's persons."""
    if name in known or name not in _SAME:
        return name
    return next((each for each in _SAME if each in known), name)
