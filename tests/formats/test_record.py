import numpy as np
import pytest

from maskweave.errors import BadRecord, InvalidValue
from maskweave.formats.base import Options
from maskweave.formats.convert import convert, read_records
from maskweave.formats.ledger import Ledger
from maskweave.formats.places import checked_size, safe_name
from maskweave.formats.record import Record
from maskweave.types import SemanticMap
from tests.formats.scenes import plain, read, write


@pytest.mark.parametrize(
    ("name", "more", "stem", "picture", "group"),
    [
        ("a.png", {}, "a", "a.png", "video"),
        ("trip/a.b.jpg", {}, "trip/a.b", "trip/a.b.jpg", "trip"),
        ("clip/00007.jpg", {"video": "clip", "frame": 7}, "clip/00007", "clip/00007.jpg", "clip"),
        ("film.mp4", {"video": "film", "frame": 7}, "film/00007", "film/00007.png", "film"),
        ("film.mp4", {}, "film", "film.mp4", "video"),
    ],
)
def test_names_of_pictures_and_frames(name, more, stem, picture, group):
    record = Record(name, plain().instances, **more)
    assert (record.stem, record.picture_name, record.group) == (stem, picture, group)


def test_what_does_not_fit_the_objects_is_told():
    with pytest.raises(InvalidValue, match="crowd: need"):
        Record("a.png", plain().instances, crowd=[True])
    with pytest.raises(InvalidValue, match="class map: need the picture's size"):
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


@pytest.mark.parametrize("sides", [(0, 3), (-1, 3), ("x", 3), (None, 3), (2.5, 3), (True, 3), (10**9, 3)])
def test_sizes_that_are_none_are_refused(sides):
    with pytest.raises(BadRecord, match="need a height and a width"):
        checked_size(*sides)
    assert checked_size("12", 16.0) == (12, 16)


def test_a_video_segmented_by_maskweave_becomes_a_data_set(tmp_path):
    """The frames of a COCO file of ours share the video's name."""
    frames = [Record("film.mp4", plain().instances, video="film", frame=number) for number in range(2)]
    write(tmp_path / "film.json", "coco", frames)
    for form in ("labelme", "voc", "npz", "supervisely", "davis", "mots"):
        convert(tmp_path / "film.json", tmp_path / form, to=form)
        found = read(tmp_path / form)
        assert [each.stem.startswith("film/0") for each in found] == [True, True]


def test_without_a_ledger_the_first_problem_is_raised(tmp_path):
    write(tmp_path / "a.json", "labelme", [plain("x.png"), plain("y.png")])
    (tmp_path / "a.json" / "x.json").write_text("{")
    with pytest.raises(BadRecord, match=r"x\.json"):
        list(read_records(tmp_path / "a.json", "labelme"))


def test_a_loss_of_a_record_that_is_left_out_does_not_count():
    ledger = Ledger()
    with ledger.record("a"):
        ledger.lost("scores", 2)
        raise BadRecord("broken")
    with ledger.record("b"):
        ledger.lost("scores", 3)
    assert (ledger.losses, ledger.problems) == ({"scores": (3, 0)}, 1)
    assert Options().affine is None
