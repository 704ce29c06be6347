"""DAVIS, YouTube-VIS and MOTS."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskweave.annotations.mots import class_name
from maskweave.annotations.numbering import FrameNumbers, TrackNumbers
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.evaluation.davis_folders import evaluate_davis
from maskweave.ops.palette import voc_palette
from tests.annotations.scenes import SIZE, collected, objects, plain, read, rectangle, same_objects, write

VIDEO = ["youtube-vis", "mots", "mots-png", "davis"]
SUFFIX = {"youtube-vis": ".json"}


def video_records(name="clip", count=3, ids=(4, 9), names=("person", "car"), size=SIZE):
    """Two objects that move to the right."""
    return [
        Record(
            f"{name}/{number:05d}.jpg",
            objects(
                [rectangle(number, 1, number + 3, 5, size), rectangle(number + 5, 3, number + 9, 11, size)],
                names=names,
                track_ids=ids,
            ),
            video=name,
            frame=number,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("form", VIDEO)
def test_videos_are_told_apart_and_keep_their_tracks(tmp_path, form):
    given_records = [*video_records("one"), *video_records("two", ids=(9, 4))]
    place = tmp_path / f"out{SUFFIX.get(form, '')}"
    write(place, form, given_records)
    found = read(place)
    assert [(each.video, each.frame) for each in found] == [
        (name, number) for name in ("one", "two") for number in range(3)
    ]
    for before, after in zip(given_records, found, strict=True):
        ours = dict(
            zip(before.instances.track_ids.tolist(), before.instances.masks.corners.tolist(), strict=True)
        )
        theirs = dict(
            zip(after.instances.track_ids.tolist(), after.instances.masks.corners.tolist(), strict=True)
        )
        assert ours == theirs
        assert form == "davis" or same_objects(before, after)


@pytest.mark.parametrize("form", VIDEO)
def test_frames_of_two_videos_may_come_in_turns(tmp_path, form):
    mixed = [each for pair in zip(video_records("one"), video_records("two"), strict=True) for each in pair]
    place = tmp_path / f"out{SUFFIX.get(form, '')}"
    write(place, form, mixed)
    found = read(place)
    assert [each.video for each in found] == ["one"] * 3 + ["two"] * 3
    assert [len(each.instances) for each in found] == [2] * 6


@pytest.mark.parametrize("form", VIDEO)
def test_stills_without_ids_are_a_video_of_their_own(tmp_path, form):
    place = tmp_path / f"out{SUFFIX.get(form, '')}"
    write(place, form, [plain("a.png"), plain("b.png")])
    found = read(place)
    videos = [("a", 0), ("b", 0)] if form == "youtube-vis" else [("video", 0), ("video", 1)]
    assert [(each.video, each.frame) for each in found] == videos
    assert all(len(each.instances) == 2 for each in found)


def test_davis_is_what_its_benchmark_reads(tmp_path):
    write(tmp_path / "out", "davis", video_records("bear"))
    root = tmp_path / "out" / "Annotations"
    image = Image.open(root / "480p" / "bear" / "00001.png")
    assert (image.mode, sorted(np.unique(image).tolist())) == ("P", [0, 4, 9])
    assert np.array(image.getpalette("RGB")).reshape(-1, 3).tolist() == voc_palette().tolist()
    image.close()
    (scores,) = evaluate_davis(root, root / "480p", skip_ends=False)
    assert {(each.object_id, each.jf_mean) for each in scores} == {(4, 1.0), (9, 1.0)}
    for place in (tmp_path / "out", root, root / "480p", root / "480p" / "bear"):
        assert [len(each.instances) for each in read(place, "davis")] == [2, 2, 2]


def test_a_image_of_colors_is_named_and_the_rest_goes_on(tmp_path):
    write(tmp_path / "out", "davis", video_records("bear"))
    Image.new("RGB", (16, 12)).save(tmp_path / "out" / "Annotations" / "480p" / "bear" / "00001.png")
    found, (line,) = collected(tmp_path / "out")
    assert [each.frame for each in found] == [0, 2]
    assert line.startswith("bear/00001.png: ")
    assert "need a palette or gray image of numbers" in line


def test_youtube_vis_keeps_the_ids_of_one_video_and_numbers_those_of_several(tmp_path):
    for videos, ids in ((("one",), [4, 9]), (("one", "two"), [1, 2, 3, 4])):
        path = tmp_path / f"{len(videos)}.json"
        write(path, "youtube-vis", [each for name in videos for each in video_records(name)])
        data = json.loads(path.read_text())
        assert [each["id"] for each in data["annotations"]] == ids
        assert [each["track_id"] for each in data["annotations"]] == [4, 9] * len(videos)
        assert [each["id"] for each in data["videos"]] == list(range(1, len(videos) + 1))


def first(data):
    return data["annotations"][0]


DAMAGES = {
    "no names": (lambda d: d["videos"][0].update(file_names=None), "video 1: need file_names", [3]),
    "size": (lambda d: d["videos"][0].update(width=-1), "video 1: need a height and a width", [3]),
    "other size": (
        lambda d: first(d)["segmentations"][1].update(size=[1, 1]),
        "frame 1, track 1: rle 0: need size",
        [3, 3],
    ),
    "category": (lambda d: first(d).update(category_id=55), "track 1: need a known category", [3, 3]),
    "a frame more": (
        lambda d: d["videos"][0]["file_names"].insert(0, "/home/me/one/00009.png"),
        "need 4 segmentations, one a frame, got 3",
        [4, 3],
    ),
    "same id": (lambda d: d["annotations"][1].update(id=1), "annotations 1: its id is another", [3, 3]),
    "no video": (
        lambda d: first(d).update(video_id="x"),
        "video x: 1 annotations are of no video of the file",
        [3, 3],
    ),
    "no object": (lambda d: d["annotations"].append(7), "annotations: need objects, got 7", [3, 3]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_broken_track_is_named_and_the_rest_goes_on(tmp_path, name):
    change, message, frames = DAMAGES[name]
    path = tmp_path / "a.json"
    write(path, "youtube-vis", [*video_records("one"), *video_records("two")])
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    found, lines = collected(path)
    assert any(message in line for line in lines)
    assert [len([each for each in found if each.video == video]) for video in ("one", "two")][
        -len(frames) :
    ] == frames
    with pytest.raises(Exception, match=message):
        read(path)


def test_class_numbers_of_mots_mean_what_our_writer_means(tmp_path):
    assert [class_name(number) for number in (1, 2, 118, 110)] == ["car", "person", "dog", "traffic light"]
    report = write(tmp_path / "out", "mots", video_records(names=("unicorn", "dog")))
    assert report.losses == {"classes": (3, 0)}
    assert read(tmp_path / "out")[0].instances.names == ("class 201", "dog")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x", "need 'frame id class_id height width rle'"),
        ("0 1001 1 12 16 zz", "rle"),
        ("0 5001 1 12 16 PP", "need frame, id, class and size"),
        ("0 1001 1 0 16 PP", "need frame, id, class and size"),
        ("0 1001 1 99 16 PPYo1", "rle"),
        ("é", "need 'frame"),
    ],
)
def test_a_broken_line_is_named_and_the_rest_goes_on(tmp_path, line, message):
    write(tmp_path / "out", "mots", video_records())
    file = tmp_path / "out" / "clip.txt"
    file.write_text(f"{file.read_text()}{line}\n", encoding="utf-8")
    found, (told,) = collected(tmp_path / "out")
    assert [len(each.instances) for each in found] == [2, 2, 2]
    assert told.startswith("clip.txt, line 7: ")
    assert message in told


def test_regions_to_ignore_are_crowds(tmp_path):
    write(tmp_path / "out", "mots-png", video_records(count=1))
    file = tmp_path / "out" / "instances" / "clip" / "000000.png"
    with Image.open(file) as image:
        values = np.array(image)
    assert sorted(np.unique(values).tolist()) == [0, 1009, 2004]
    values[values == 1009] = 10000
    Image.fromarray(values.astype(np.uint16)).save(file)
    (record,) = read(tmp_path / "out")
    assert (record.instances.names, record.crowds.tolist()) == (("person", "ignore"), [False, True])
    values[0, 0] = 7
    Image.fromarray(values.astype(np.uint16)).save(file)
    _, (line,) = collected(tmp_path / "out")
    assert line == "clip/000000.png: need pixels of class x 1000 + id, got 7"


def test_more_tracks_than_numbers_are_left_out_and_told(tmp_path):
    dense = np.zeros((256, 20, 20), bool)
    dense.reshape(256, -1)[np.arange(256), np.arange(256)] = True
    crowded = Record("a/0.png", objects(dense, track_ids=np.arange(256) + 1000), video="a", frame=0)
    report = write(tmp_path / "out", "davis", [crowded])
    assert report.losses["ids"] == (2, 0)
    (after,) = read(tmp_path / "out")
    assert len(after.instances) == 254


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, 9), unique=True, max_size=3)), max_size=6
    )
)
@settings(max_examples=40)
def test_a_track_has_one_number_and_a_number_one_track(frames):
    numbers, report = TrackNumbers(first=1, last=4), Report()
    given_out = {}
    for group, ids in frames:
        record = replace(
            plain(), instances=objects(np.zeros((len(ids), 2, 2), bool), track_ids=np.array(ids, int))
        )
        for track_id, number in zip(
            ids, numbers.of(record, [group] * len(ids), report).tolist(), strict=True
        ):
            assert number == -1 or 1 <= number <= 4
            if number != -1:
                assert given_out.setdefault((group, track_id), number) == number
    assert len({(group, number) for (group, _), number in given_out.items()}) == len(given_out)


def test_frames_count_where_they_have_no_number():
    frames = FrameNumbers()
    assert [frames.of(plain(name)) for name in ("a/x.png", "b/x.png", "a/y.png")] == [0, 0, 1]
    assert frames.of(video_records()[2]) == 2


@pytest.mark.parametrize("form", ["davis", "mots", "mots-png"])
def test_an_empty_folder_is_told(tmp_path, form):
    with pytest.raises((InvalidValue, SourceNotFound), match="found none"):
        read(tmp_path, form)
