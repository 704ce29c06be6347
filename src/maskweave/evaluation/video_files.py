"""Tracks of clips from files: YouTube-VIS JSON (also MaskWeave's ``.tracks.json``) and KITTI MOTS text.

Sources: https://youtube-vos.org/dataset/vis/; https://www.vision.rwth-aachen.de/page/mots, "Annotation Format".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.evaluation.base import Metric
from maskweave.evaluation.coco_truth import load_json
from maskweave.evaluation.problems import Problems
from maskweave.evaluation.video_clips import Track, VideoClip, checked_rle
from maskweave.ops.coco_names import COCO_IDS
from maskweave.ops.mots_rows import FIRST_OTHER, KITTI_IGNORE, parse_row
from maskweave.ops.rle import Rle
from maskweave.types.arrays import Size

_SAME = ("pedestrian", "person")
_KITTI_NAMES = {1: "car", 2: "pedestrian"}
_TEXT = (".mots.txt", ".txt")
_DIGITS = 10
"""A class number of so many is none."""


class VideoFile:
    """The clips of one file, or of a folder of KITTI MOTS files; a clip's masks are looked at when it is asked for.

    Args:
        path: A JSON file (with ``videos``, ``annotations``, ``categories``; or a list of results with ``video_id``),
            a KITTI MOTS file, or a folder of these (one a clip).
        problems: Takes down records that cannot be used.
        like: The truth, whose clips and classes are meant; without it the file is the truth.

    Attributes:
        class_names: Of all clips.
        names: Of the clips.
        scored: Whether each track has a score, as AP needs.
        counted: Whether the file says how many frames a clip has.

    Raises:
        SourceNotFound: There is no such file, or no text file in the folder.
        InvalidValue: It is in neither layout.
    """

    def __init__(self, path: Path, problems: Problems, *, like: VideoFile | None = None) -> None:
        self.path = path
        self._problems = problems
        reader = _JsonClips if path.suffix == ".json" else _TextClips
        self._clips: _JsonClips | _TextClips = reader(path, problems, like)
        self.class_names: tuple[str, ...] = self._clips.class_names if like is None else like.class_names
        self.names: tuple[str, ...] = tuple(self._clips.names)
        self.scored: bool = self._clips.scored
        self.counted = isinstance(self._clips, _JsonClips)

    def clip(self, name: str) -> VideoClip:
        """One clip, all its masks checked."""
        return self._clips.clip(name, self.class_names)


def add_clips(
    metrics: Sequence[Metric[VideoClip, VideoClip, object]],
    truth: VideoFile,
    results: VideoFile,
    problems: Problems,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Give each clip of the truth and the results of the same name to ``metrics``; where either side has but one
    clip, its name does not matter. Results that are missing or of another size count as none.

    Raises:
        BadRecord: Something is wrong with a record, and ``problems`` is strict.
    """
    single = len(truth.names) == len(results.names) == 1
    for name in () if single else [each for each in results.names if each not in truth.names]:
        problems.add(f"{results.path}: need clips of the truth, got {name}; it is left out")
    for done, name in enumerate(truth.names, start=1):
        known = truth.clip(name)
        wanted = results.names[0] if single else name
        found = VideoClip(name, known.size, 0, (), truth.class_names)
        if wanted in results.names:
            named = f"{results.path}: {wanted}"
            found = _fitting(results.clip(wanted), known, found, named, problems)
            if truth.counted and results.counted and 0 < found.length != known.length:
                problems.add(
                    f"{named}: need {known.length} frames, got {found.length}; others count as empty"
                )
        else:
            problems.add(f"{results.path}: clip {name} is missing; its objects count as not found")
        for metric in metrics:
            metric.add(known, found)
        if progress is not None:
            progress(done, len(truth.names))


def _fitting(
    found: VideoClip, known: VideoClip, nothing: VideoClip, named: str, problems: Problems
) -> VideoClip:
    if known.size is not None and found.size is not None and known.size != found.size:
        problems.add(f"{named}: need (height, width) {known.size}, got {found.size}; its tracks are left out")
        return nothing
    return found


class _JsonClips:
    """A JSON file: records checked at once, masks clip by clip."""

    def __init__(self, path: Path, problems: Problems, like: VideoFile | None) -> None:
        self._path, self._problems = path, problems
        data = load_json(path, "a YouTube-VIS file")
        truth = like._clips if like is not None else None
        if isinstance(data, list):
            if not isinstance(truth, _JsonClips):
                raise InvalidValue(
                    f"{path}: a list of results needs a truth in JSON, with videos and categories"
                )
            videos, names, records = truth.videos, truth.categories, data
        else:
            wanted = ("videos", "annotations", "categories")
            if not isinstance(data, dict) or not all(isinstance(data.get(key), list) for key in wanted):
                raise InvalidValue(
                    f"{path}: need the YouTube-VIS lists {', '.join(wanted)}, got none or not all"
                )
            videos, names, records = (
                self._videos(data["videos"]),
                self._categories(data["categories"]),
                data["annotations"],
            )
        self.videos: dict[str, Mapping[str, Any]] = videos
        self.categories: dict[int, str] = names
        if like is not None:
            self.categories = {key: _known_as(name, like.class_names) for key, name in names.items()}
        self.class_names: tuple[str, ...] = tuple(self.categories.values())
        self.names: list[str] = list(videos)
        self._known = self.class_names if like is None else like.class_names
        ids = {int(video["id"]): name for name, video in videos.items()}
        self._tracks: dict[str, list[tuple[str, int, Mapping[str, Any]]]] = {}
        seen: set[int] = set()
        for number, each in enumerate(records):
            named = f"{path}: track {each.get('id', number) if isinstance(each, dict) else number}"
            with problems.naming(named):
                self._sort(named, number, each, ids, seen)
        tracks = [record for rows in self._tracks.values() for _, _, record in rows]
        self.scored: bool = all("score" in record for record in tracks)

    def _sort(
        self, named: str, number: int, record: Mapping[str, Any], ids: Mapping[int, str], seen: set[int]
    ) -> None:
        video, category = int(record["video_id"]), int(record["category_id"])
        track_id = int(record.get("id", number))
        if video not in ids:
            raise InvalidValue(f"need a known video, got {video}; it is left out")
        if self.categories.get(category) not in self._known:
            told = self.categories.get(category, "")
            raise InvalidValue(
                f"need a known category, got {category}{told and f' {told!r}'}; it is left out"
            )
        if track_id in seen:
            raise InvalidValue("need each id once, it comes again; it is left out")
        seen.add(track_id)
        self._tracks.setdefault(ids[video], []).append((named, track_id, record))

    def _videos(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        videos: dict[str, Mapping[str, Any]] = {}
        for number, each in enumerate(records):
            with self._problems.naming(f"{self._path}: video {number}"):
                video_id, name = int(each["id"]), _video_name(each)
                if name in videos or any(int(video["id"]) == video_id for video in videos.values()):
                    raise InvalidValue(f"need each id and name once, got {video_id} ({name}) again")
                if min(int(each["height"]), int(each["width"])) < 1:
                    raise InvalidValue(f"need a size of at least 1, got {each['height']} x {each['width']}")
                _length(each)
                videos[name] = each
        return videos

    def _categories(self, records: Sequence[Mapping[str, Any]]) -> dict[int, str]:
        names: dict[int, str] = {}
        for number, each in enumerate(records):
            with self._problems.naming(f"{self._path}: category {number}"):
                names[int(each["id"])] = str(each["name"])
        return names

    def clip(self, name: str, class_names: tuple[str, ...]) -> VideoClip:
        video = self.videos[name]
        size = (int(video["height"]), int(video["width"]))
        length = _length(video)
        tracks = []
        for named, track_id, record in self._tracks.get(name, []):
            with self._problems.naming(named):
                class_id = class_names.index(self.categories[int(record["category_id"])])
                score = float(record.get("score", 1.0))
                if not 0 <= score <= 1:
                    raise InvalidValue(f"need a score in 0..1, got {score:g}; it is left out")
                rles = _rles(record["segmentations"], size, length)
                tracks.append(Track(track_id, class_id, rles, score, bool(record.get("iscrowd", 0))))
        return VideoClip(name, size, length, tuple(tracks), class_names)


def _length(video: Mapping[str, Any]) -> int:
    return int(video.get("length", len(video.get("file_names", ()))))


def _rles(segmentations: Sequence[Any], size: Size, length: int) -> dict[int, Rle]:
    if length and len(segmentations) != length:
        raise InvalidValue(
            f"need {length} segmentations, one a frame, got {len(segmentations)}; it is left out"
        )
    rles = {}
    for frame, each in enumerate(segmentations):
        if each:
            try:
                rle = checked_rle(each, size)
            except InvalidValue as error:
                raise InvalidValue(f"frame {frame}: {error}; the track is left out") from error
            if rle is not None:
                rles[frame] = rle
    return rles


def _video_name(video: Mapping[str, Any]) -> str:
    """Its own, or the folder of its first frame."""
    if "name" in video:
        return str(video["name"])
    files = video.get("file_names") or [str(video["id"])]
    return str(files[0]).split("/", maxsplit=1)[0]


class _TextClips:
    """KITTI MOTS files, one a clip; a file is read when its clip is asked for."""

    def __init__(self, path: Path, problems: Problems, like: VideoFile | None) -> None:
        self._problems = problems
        self._files = {_stem(file): file for file in _text_files(path)}
        self.names = list(self._files)
        self.scored = False
        self.class_names: tuple[str, ...] = ()
        if like is None:
            found = {
                _class_name(int(words[2]), ())
                for words in self._words()
                if len(words) > 2 and words[2].isdigit() and len(words[2]) < _DIGITS
            }
            self.class_names = tuple(sorted(found - {""}))

    def _words(self) -> Iterator[list[str]]:
        for file in self._files.values():
            for line in _lines(file):
                yield line.split(maxsplit=3)

    def clip(self, name: str, class_names: tuple[str, ...]) -> VideoClip:
        rles: dict[tuple[int, int], dict[int, Rle]] = {}
        ignored: dict[int, tuple[Rle, ...]] = {}
        size: Size | None = None
        last = -1
        for number, line in enumerate(_lines(self._files[name]), start=1):
            if not line.strip():
                continue
            with self._problems.naming(f"{self._files[name]}: line {number}"):
                row = parse_row(line)
                height, width = row.rle["size"]
                rle = checked_rle(row.rle, size or (height, width))
                size = size or (height, width)
                last = max(last, row.frame)
                if rle is None:
                    continue
                if row.class_id == KITTI_IGNORE:
                    ignored[row.frame] = (*ignored.get(row.frame, ()), rle)
                    continue
                told = _class_name(row.class_id, class_names)
                if told not in class_names:
                    raise InvalidValue(
                        f"need a class of the truth, got {row.class_id} ({told}); it is left out"
                    )
                seen = rles.setdefault((class_names.index(told), row.track_id), {})
                if row.frame in seen:
                    raise InvalidValue(f"need each id once a frame, got {row.track_id} again; it is left out")
                seen[row.frame] = rle
        tracks = tuple(Track(track_id, class_id, each) for (class_id, track_id), each in rles.items())
        return VideoClip(name, size, last + 1, tracks, class_names, ignored)


def _text_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(path.glob("*.txt"))
    if not files:
        raise SourceNotFound(
            f"{path}: need a YouTube-VIS .json, a KITTI MOTS .txt or a folder of these, got none"
        )
    return files


def _stem(file: Path) -> str:
    ending = next((each for each in _TEXT if file.name.endswith(each)), "")
    return file.name.removesuffix(ending)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidValue(f"{file}: need a KITTI MOTS file, got no text ({error})") from error


def _class_name(class_id: int, known: Sequence[str]) -> str:
    """What a file's class is called, in the ``known`` words where there are several; "" for regions to ignore."""
    if class_id == KITTI_IGNORE:
        return ""
    if class_id in _KITTI_NAMES:
        return _known_as(_KITTI_NAMES[class_id], known)
    by_id = {coco_id: name for name, coco_id in COCO_IDS.items()}
    return by_id.get(class_id - FIRST_OTHER, f"class {class_id}")


def _known_as(name: str, known: Sequence[str]) -> str:
    """The name of a class among the ``known`` ones: KITTI's pedestrians are COCO's persons."""
    if name in known or name not in _SAME:
        return name
    return next((each for each in _SAME if each in known), name)
