import json

import numpy as np
import pytest

from maskweave.annotations.mots import MotsRow, format_row
from maskweave.annotations.report import Report
from maskweave.errors import BadRecord, InvalidValue
from maskweave.evaluation.tracking import TrackingMetric
from maskweave.evaluation.video_ap import VideoAP
from maskweave.evaluation.video_clips import Track
from maskweave.evaluation.video_files import ClipFile, add_clips
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.types.masks import Masks
from tests.evaluation.test_coco_ap import SIZE
from tests.evaluation.test_video_ap import clip, seen

pytest.importorskip("trackeval", reason="HOTA needs the library trackeval")


def listed(*columns):
    """Segmentations of a square, one a frame, null where it is not seen."""
    rles = seen(*columns)
    return [rles.get(frame) for frame in range(len(columns))]


def truth_data():
    return {
        "videos": [{"id": i, "height": 60, "width": 80, "length": length, "file_names": [f"{name}/0.jpg"] * length}
                   for i, name, length in ((1, "one", 3), (2, "two", 2))],
        "categories": [{"id": 40, "name": "cat"}, {"id": 41, "name": "dog"}],
        "annotations": [
            {"id": 1, "video_id": 1, "category_id": 40, "segmentations": listed(0, 1, 2)},
            {"id": 2, "video_id": 2, "category_id": 41, "segmentations": listed(None, 30)},
        ],
    }  # fmt: skip


def results():
    return [
        {"video_id": 1, "category_id": 40, "score": 0.9, "segmentations": listed(0, 1, 2)},
        {"video_id": 2, "category_id": 41, "score": 0.8, "segmentations": listed(None, 30)},
    ]


def measure(folder, truth, found, *, strict=False, metric=TrackingMetric):
    """Data are written as JSON, text as it is; returns the metric's result and what was wrong."""
    paths = []
    for name, data in (("truth", truth), ("results", found)):
        path = folder / f"{name}{'.txt' if isinstance(data, str) else '.json'}"
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        paths.append(path)
    problems = Report(strict=strict)
    known = ClipFile(paths[0], problems)
    like = ClipFile(paths[1], problems, like=known)
    collected = metric(known.class_names)
    add_clips([collected], known, like, problems)
    return collected.result(), problems


def test_a_list_of_results(tmp_path):
    scores, problems = measure(tmp_path, truth_data(), results())
    assert (scores.all.hota, scores.all.mota, problems.problems) == pytest.approx((1, 1, 0))
    assert list(scores.classes) == ["cat", "dog"]
    assert measure(tmp_path, truth_data(), results(), metric=VideoAP)[0].mean.ap == pytest.approx(100)


def as_own_file():
    """The results with ids of their own: of videos, categories and tracks; masks without a pixel are no sightings."""
    data = truth_data()
    data["categories"] = [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]
    for video in data["videos"]:
        video["id"] = 3 - video["id"]
    for track in data["annotations"]:
        track |= {"id": 10 + track["id"], "video_id": 3 - track["video_id"], "score": 0.5,
                  "category_id": 42 - track["category_id"]}  # fmt: skip
    empty = encode_masks(Masks([np.zeros((0, 0), bool)], [(0, 0)], SIZE))[0]
    data["annotations"][1]["segmentations"][0] = empty
    return data


def test_a_file_with_videos_and_categories_is_read_by_names(tmp_path):
    scores, problems = measure(tmp_path, truth_data(), as_own_file())
    assert (scores.all.hota, problems.problems) == (pytest.approx(1), 0)


def test_objects_of_another_class_do_not_match(tmp_path):
    found = results()
    found[0]["category_id"] = 41
    scores, _ = measure(tmp_path, truth_data(), found)
    assert (scores.classes["cat"].hota, scores.classes["dog"].det_a) == (0, pytest.approx(1 / 4))


def lines(*rows):
    """Text from (frame, class, number, column)."""
    return "".join(
        format_row(MotsRow(frame, number, kind, seen(column)[0])) + "\n"
        for frame, kind, number, column in rows
    )


def test_text_against_text_and_against_json(tmp_path):
    text = lines((0, 1, 1, 0), (1, 1, 1, 5), (0, 2, 1, 40), (1, 2, 1, 45), (1, 117, 2, 60))
    scores, problems = measure(tmp_path, text, text)
    assert (scores.all.hota, problems.problems) == (pytest.approx(1), 0)
    assert set(scores.classes) == {"car", "person", "cat"}
    data = truth_data()
    data["videos"] = data["videos"][:1]
    data["categories"] = [{"id": 1, "name": "person"}]
    data["annotations"] = [
        {"id": 1, "video_id": 1, "category_id": 1, "score": 0.5, "segmentations": listed(40, 45, None)}
    ]
    persons = lines((0, 2, 1, 40), (1, 2, 1, 45))
    for pair in ((data, persons), (persons, data)):
        scores, problems = measure(tmp_path, *pair)
        assert (scores.all.hota, problems.messages) == (pytest.approx(1), [])


def test_regions_to_ignore(tmp_path):
    text = lines((0, 1, 1, 0), (0, 10, 0, 40))
    scores, problems = measure(tmp_path, text, lines((0, 1, 5, 0), (0, 1, 6, 43)))
    assert (scores.all.mota, problems.problems) == (1, 0)
    scores, _ = measure(tmp_path, text, lines((0, 1, 5, 0), (0, 1, 6, 45)))  # just half of it is inside
    assert scores.all.mota == 0


def test_crowds_are_ignored_for_their_class():
    crowd = Track(2, 0, seen(30, side=30), crowd=True)
    for kind, expected in ((0, 1.0), (1, 0.0)):
        metric = TrackingMetric(("cat", "dog"))
        metric.add(clip(Track(1, 0, seen(0)), crowd), clip(Track(1, 0, seen(0)), Track(2, kind, seen(35))))
        assert metric.result().all.mota == expected


def test_folders_of_text_one_a_clip(tmp_path):
    for folder, ending in (("truth", ".txt"), ("results", ".mots.txt")):
        (tmp_path / folder).mkdir()
        for name in ("0001", "0002"):
            (tmp_path / folder / f"{name}{ending}").write_text(lines((0, 1, 1, 0)))
    problems = Report()
    known = ClipFile(tmp_path / "truth", problems)
    found = ClipFile(tmp_path / "results", problems, like=known)
    metric = TrackingMetric(known.class_names)
    add_clips([metric], known, found, problems)
    assert (metric.result().all.hota, problems.problems, found.scored) == (pytest.approx(1), 0, False)


def changed(number, **keys):
    found = results()
    found.append({**found[number], **keys})
    return found


WRONG_RESULTS = {
    "video 9: 1 annotations are of no video of the file": changed(0, video_id=9),
    "track 2: need a known category, got 7": changed(0, category_id=7),
    "track 2: need 3 segmentations, one a frame, got 2": changed(0, segmentations=listed(0, 1)),
    "frame 1, track 2: rle 0: need size [60, 80], got [9, 9]": changed(
        0, segmentations=[None, {"size": [9, 9], "counts": "Q2"}, None]
    ),
    "frame 0, track 2: rle 0: need run lengths that sum to 4800, got 3": changed(
        0, segmentations=[{"size": [60, 80], "counts": [1, 2]}, None, None]
    ),
    "track 2: need a score in 0..1, got 7": changed(0, score=7),
    "annotations 1: its id is another annotation's, too": [{**each, "id": 1} for each in results()]
    + results()[1:],
}


@pytest.mark.parametrize(("message", "found"), WRONG_RESULTS.items(), ids=WRONG_RESULTS)
def test_a_bad_track_is_named_and_left_out(tmp_path, message, found):
    scores, problems = measure(tmp_path, truth_data(), found)
    assert len(problems.messages) == 1
    assert f"results.json, {message}" in problems.messages[0]
    assert scores.all.mota == pytest.approx(1)
    with pytest.raises(BadRecord):
        measure(tmp_path, truth_data(), found, strict=True)


WRONG_FILES = {
    "need clips of the truth, got three": lambda d: d["videos"][0].update(file_names=["three/0.jpg"] * 3),
    "clip one is missing": lambda d: d["videos"][0].update(file_names=["three/0.jpg"] * 3),
    "video 2: need each id and name once": lambda d: d["videos"].append(d["videos"][0]),
    "one: need (height, width) (60, 80), got (60, 81)": lambda d: (
        d["videos"][0].update(width=81), d["annotations"].pop(0)
    ),
    "one: need 3 frames, got 2; others count as empty": lambda d: (
        d["videos"][0]["file_names"].pop(), d["annotations"][0]["segmentations"].pop()
    ),
    "need a class of the truth, got 'wolf'": lambda d: d["categories"][0].update(name="wolf"),
}  # fmt: skip


@pytest.mark.parametrize(("message", "spoil"), WRONG_FILES.items(), ids=WRONG_FILES)
def test_what_is_wrong_with_a_file_of_its_own_is_named(tmp_path, message, spoil):
    data = as_own_file()
    spoil(data)
    _, problems = measure(tmp_path, truth_data(), data)
    assert any(message in told for told in problems.messages), problems.messages


def test_bad_lines_are_named(tmp_path):
    good = lines((0, 1, 1, 0), (1, 1, 1, 0))
    other = format_row(MotsRow(2, 1, 1, encode_masks(Masks([np.ones((2, 2), bool)], [(0, 0)], (9, 9)))[0]))
    bad = f"{good}nonsense\n\n{lines((1, 1, 1, 0), (0, 3, 1, 0))}{other}\n"
    scores, problems = measure(tmp_path, good, bad)
    assert scores.all.mota == 1
    expected = (
        "line 3: mots: need",
        "frame 1: need each id once a frame, got 1 again",
        "need a class of the truth, got 'class 3'",
        "need frames of one size (60, 80), got (9, 9)",
    )
    assert len(problems.messages) == len(expected)
    assert all(any(words in line for line in problems.messages) for words in expected)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InvalidValue, match="need annotations of a known format"):
        ClipFile(tmp_path, Report())
    with pytest.raises(InvalidValue, match="need the list videos with at least one video"):
        measure(tmp_path, {"videos": []}, [])
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidValue, match="need annotations of a known format"):
        ClipFile(tmp_path / "a.txt", Report())


def test_masks_come_back_as_they_were(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(truth_data()))
    known = ClipFile(tmp_path / "truth.json", Report()).clip("one")
    assert decode_masks([known.tracks[0].rles[2]], SIZE).boxes.tolist() == [[2, 5, 12, 15]]
    assert (known.length, known.size) == (3, SIZE)


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_text_is_scored_as_trackeval_scores_kitti_mots(tmp_path):
    """Its own reader, regions to ignore included; masks of a frame do not overlap, as the format asks."""
    datasets, metrics = pytest.importorskip("trackeval.datasets"), pytest.importorskip("trackeval.metrics")
    rng = np.random.default_rng(1)
    known, found = [], []
    for frame in range(12):
        for number, column in enumerate((0, 20, 40, 60), start=1):
            kind = 10 if number == 4 else 1
            known.append((frame, kind, 0 if kind == 10 else number, column + frame % 3))
            if rng.random() < 0.8:
                changed_number = number + 4 * (frame > 6) if number == 2 else number
                found.append((frame, 1, changed_number, column + int(rng.integers(0, 8))))
    for folder, rows in (("gt/label_02", known), ("tracker/a/data", found)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "0001.txt").write_text(lines(*rows))
    scores, problems = measure(tmp_path, lines(*known), lines(*found))
    places = {"GT_FOLDER": str(tmp_path / "gt"), "TRACKERS_FOLDER": str(tmp_path / "tracker")}
    options = {"SEQ_INFO": {"0001": 12}, "CLASSES_TO_EVAL": ["car"], "PRINT_CONFIG": False}
    reader = datasets.KittiMOTS({**places, **options})
    data = reader.get_preprocessed_seq_data(reader.get_raw_seq_data("a", "0001"), "car")
    hota = metrics.HOTA().eval_sequence(data)
    clear = metrics.CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    identity = metrics.Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    assert data["num_tracker_dets"] < len(found)  # some lie in what is ignored
    mine = scores.classes["car"]
    assert (mine.mota, mine.switches, mine.idf1) == pytest.approx(
        (clear["MOTA"], clear["IDSW"], identity["IDF1"])
    )
    assert (mine.hota, mine.ass_a) == pytest.approx((hota["HOTA"].mean(), hota["AssA"].mean()))
    assert problems.problems == 0
