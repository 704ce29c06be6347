import numpy as np
import pytest

from maskweave.annotations.convert import convert, read_records
from maskweave.annotations.options import Options
from maskweave.annotations.places import checked_size, image_file, safe_name
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.errors import BadRecord, InvalidValue
from maskweave.types import SemanticMap
from tests.annotations.scenes import plain, read, write


@pytest.mark.parametrize(
    ("name", "more", "stem", "image", "group"),
    [
        ("a.png", {}, "a", "a.png", "video"),
        ("trip/a.b.jpg", {}, "trip/a.b", "trip/a.b.jpg", "trip"),
        ("clip/00007.jpg", {"video": "clip", "frame": 7}, "clip/00007", "clip/00007.jpg", "clip"),
        ("clip.mp4", {"video": "clip", "frame": 7}, "clip/00007", "clip/00007.png", "clip"),
        ("clip.mp4", {}, "clip", "clip.mp4", "video"),
    ],
)
def test_names_of_images_and_frames(name, more, stem, image, group):
    record = Record(name, plain().instances, **more)
    assert (record.stem, record.image_name, record.group) == (stem, image, group)


def test_what_does_not_fit_the_objects_is_told():
    with pytest.raises(InvalidValue, match="crowd: need"):
        Record("a.png", plain().instances, crowd=[True])
    with pytest.raises(InvalidValue, match="class map: need the image's size"):
        Record("a.png", plain().instances, semantic=SemanticMap(np.zeros((3, 3), int), ("background",)))


@pytest.mark.parametrize(
    "name",
    [
        "../a.png",
        "a/../../b.png",
        "/etc/passwd",
        "C:\\a.png",
        "..\\a.png",
        "",
        " ",
        None,
        3,
        "a\0b",
        ".",
        "..",
    ],
)
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(BadRecord, match="need a file name"):
        safe_name(name)


def test_an_image_that_lay_elsewhere_is_its_last_part_and_never_outside(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").write_bytes(b"")
    options, report = Options(images=tmp_path / "in"), Report()
    for name in ("../secret.png", "%2e%2e/secret.png", "..%2fsecret.png", str(tmp_path / "secret.png")):
        assert image_file(name, options, report=report)[1] is None
    assert report.warnings == [
        "names of images say where they lay on another machine; their last parts are taken"
    ]


@pytest.mark.parametrize("sides", [(0, 3), (-1, 3), ("x", 3), (None, 3), (2.5, 3), (True, 3), (10**9, 3)])
def test_sizes_that_are_none_are_refused(sides):
    with pytest.raises(BadRecord, match="need a height and a width"):
        checked_size(*sides)
    assert checked_size("12", 16.0) == (12, 16)


def test_a_video_segmented_by_maskweave_becomes_a_data_set(tmp_path):
    """The frames of a COCO file of ours share the video's name."""
    frames = [Record("clip.mp4", plain().instances, video="clip", frame=number) for number in range(2)]
    write(tmp_path / "clip.json", "coco", frames)
    for form in ("labelme", "voc", "npz", "supervisely", "davis", "mots"):
        convert(tmp_path / "clip.json", tmp_path / form, to=form)
        found = read(tmp_path / form)
        assert [each.stem.startswith("clip/0") for each in found] == [True, True]


def test_without_a_ledger_the_first_problem_is_raised(tmp_path):
    write(tmp_path / "a.json", "labelme", [plain("x.png"), plain("y.png")])
    (tmp_path / "a.json" / "x.json").write_text("{")
    with pytest.raises(BadRecord, match=r"x\.json"):
        list(read_records(tmp_path / "a.json", "labelme"))


def test_a_loss_of_a_record_that_is_left_out_does_not_count():
    report = Report()
    with report.record("a"):
        report.lost("scores", 2)
        raise BadRecord("broken")
    with report.record("b"):
        report.lost("scores", 3)
    assert (report.losses, report.problems) == ({"scores": (3, 0)}, 1)
    assert Options().affine is None
