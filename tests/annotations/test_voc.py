import numpy as np
import pytest
from PIL import Image

from maskweave.annotations.convert import detect
from maskweave.annotations.record import Record
from maskweave.errors import InvalidValue
from maskweave.ops.palette import voc_palette
from maskweave.types import SemanticMap
from tests.annotations.scenes import (
    SIZE,
    collected,
    objects,
    plain,
    put_images,
    read,
    rectangle,
    same_objects,
    write,
)

pytestmark = pytest.mark.filterwarnings("error")
BOTH = ["voc", "cvat-masks"]


def test_images_are_as_voc_makes_them(tmp_path):
    before = put_images(tmp_path / "photos", plain("a.jpg", names=("person", "unicorn")))
    write(tmp_path / "out", "voc", before, with_images="copy")
    made = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("[!.]*.*")
    )
    assert made == [
        *("ImageSets/Segmentation/default.txt", "JPEGImages/a.jpg", "SegmentationClass/a.png"),
        *("SegmentationObject/a.png", "labelmap.txt"),
    ]
    classes = Image.open(tmp_path / "out" / "SegmentationClass" / "a.png")
    assert classes.mode == "P"
    assert np.array(classes.getpalette("RGB")).reshape(-1, 3).tolist() == voc_palette().tolist()
    assert sorted(np.unique(classes).tolist()) == [0, 15, 21]  # VOC's person, then the first free number
    ids = Image.open(tmp_path / "out" / "SegmentationObject" / "a.png")
    assert sorted(np.unique(ids).tolist()) == [0, 1, 2]
    (after,) = read(tmp_path / "out")
    assert (after.file_name, after.image) == ("a.jpg", tmp_path / "out" / "JPEGImages" / "a.jpg")


def test_vocs_own_classes_need_no_list(tmp_path):
    write(tmp_path / "out", "voc", [plain(names=("person", "tvmonitor"))])
    assert not (tmp_path / "out" / "labelmap.txt").exists()
    assert read(tmp_path / "out")[0].instances.names == ("person", "tvmonitor")


@pytest.mark.parametrize("separator", ["\x0b", "\x1c", "\x85", "\u2028"])
def test_a_class_name_may_hold_what_unicode_calls_the_end_of_a_line(tmp_path, separator):
    names = ("person", f"one{separator}two")
    write(tmp_path / "out", "voc", [plain(names=names)])
    assert read(tmp_path / "out")[0].instances.names == names


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize(
    ("policy", "areas", "losses"),
    [
        ("score", [64, 25], {"overlaps": (1, 9), "hidden": (1, 0)}),
        ("small", [55, 34 - 4, 4], {"overlaps": (2, 13)}),
    ],
)
def test_what_overlaps_cost_is_measured_and_the_policy_decides(tmp_path, form, policy, areas, losses):
    dense = np.stack([rectangle(0, 0, 8, 8), rectangle(5, 5, 11, 11)[:, :] & True, rectangle(6, 6, 8, 8)])
    dense[1, 10, 10] = dense[1, 5, 10] = False
    before = Record("a.png", objects(dense, scores=[0.9, 0.5, 0.4], class_ids=[0, 0, 0]))
    report = write(tmp_path / "out", form, [before], overlaps=policy)
    scores = report.losses.pop("scores")
    assert (scores, report.losses) == ((3, 0), losses)
    assert sorted(read(tmp_path / "out")[0].instances.masks.areas.tolist()) == sorted(areas)
    told = "1 of 3 objects lost 9 pixels" if policy == "score" else "2 of 3 objects lost 13 pixels"
    assert f"{form}: {told} under others" in report.lines()


def test_of_equal_scores_the_small_object_is_in_front(tmp_path):
    small, large = rectangle(2, 2, 5, 5), rectangle(0, 0, 9, 9)
    for name, dense in (("a", [small, large]), ("b", [large, small])):
        report = write(tmp_path / name, "voc", [Record("a.png", objects(dense))])
        assert report.losses == {"overlaps": (1, 9)}


@pytest.mark.parametrize("form", BOTH)
def test_overlaps_can_be_refused(tmp_path, form):
    over = Record("a.png", objects(np.stack([rectangle(0, 0, 8, 8), rectangle(5, 5, 11, 11)])))
    with pytest.raises(Exception, match=r"a\.png: objects overlap by 9 pixels"):
        write(tmp_path / "out", form, [over], overlaps="refuse")
    write(tmp_path / "out", form, [plain()], overlaps="refuse")


@pytest.mark.parametrize("form", BOTH)
def test_void_and_classes_without_objects_are_kept(tmp_path, form):
    classes = np.zeros(SIZE, int)
    classes[9:, :5], classes[0, :] = 1, 255
    before = Record("a.png", plain().instances, semantic=SemanticMap(classes, ("background", "sky")))
    write(tmp_path / "out", form, [before])
    (after,) = read(tmp_path / "out")
    assert same_objects(before, after)
    np.testing.assert_array_equal(after.semantic.mask("sky"), classes == 1)
    np.testing.assert_array_equal(after.semantic.class_map == 255, classes == 255)


@pytest.mark.parametrize("form", BOTH)
def test_classes_alone_are_a_class_map(tmp_path, form):
    write(tmp_path / "out", form, [plain()])
    for image in (tmp_path / "out" / "SegmentationObject").iterdir():
        image.unlink()
    (after,) = read(tmp_path / "out")
    assert len(after.instances) == 0
    assert set(after.semantic.present()) == {"background", "person", "car"}


@pytest.mark.parametrize("form", BOTH)
def test_objects_alone_have_no_class(tmp_path, form):
    write(tmp_path / "out", form, [plain()])
    for image in (tmp_path / "out" / "SegmentationClass").iterdir():
        image.unlink()
    (tmp_path / "out" / "SegmentationClass").rmdir()
    (after,) = read(tmp_path / "out")
    assert after.instances.names == ("object", "object")


def test_more_objects_than_numbers_are_left_out_and_told(tmp_path):
    dense = np.zeros((260, 20, 20), bool)
    dense.reshape(260, -1)[np.arange(260), np.arange(260)] = True
    report = write(tmp_path / "out", "voc", [Record("a.png", objects(dense))])
    assert report.losses == {"ids": (6, 0)}
    assert len(read(tmp_path / "out")[0].instances) == 254


def test_images_in_vocs_own_colors_are_read_like_its_palette(tmp_path):
    write(tmp_path / "out", "voc", [plain(names=("person", "car"))])
    for path in (tmp_path / "out").rglob("*.png"):
        Image.open(path).convert("RGB").save(path)
    assert detect(tmp_path / "out")[0].name == "voc"
    assert same_objects(read(tmp_path / "out")[0], plain(names=("person", "car")))


def test_numbers_where_colors_are_needed_are_named(tmp_path):
    write(tmp_path / "out", "cvat-masks", [plain("a.png"), plain("b.png")])
    write(tmp_path / "other", "voc", [plain("b.png")])
    wrong = tmp_path / "other" / "SegmentationObject" / "b.png"
    (tmp_path / "out" / "SegmentationObject" / "b.png").write_bytes(wrong.read_bytes())
    found, (line,) = collected(tmp_path / "out")
    assert [each.stem for each in found] == ["a"]
    assert line.startswith("b: SegmentationObject/b.png: need an image of colors")


@pytest.mark.parametrize("form", BOTH)
def test_images_that_do_not_fit_each_other_are_named(tmp_path, form):
    write(tmp_path / "out", form, [plain("a.png"), plain("b.png"), plain("c.png"), plain("d.png")])
    classes, ids = (tmp_path / "out" / f"Segmentation{each}" for each in ("Class", "Object"))
    with Image.open(ids / "a.png") as image:
        small = image.crop((0, 0, 5, 5))
    small.save(ids / "a.png")
    (ids / "b.png").write_bytes(b"no image")
    (classes / "c.png").write_bytes((ids / "c.png").read_bytes()[:90])
    Image.new("L" if form == "voc" else "RGB", SIZE[::-1]).save(classes / "d.png")
    found, lines = collected(tmp_path / "out")
    assert found == []
    assert [line.split(":")[0] for line in lines] == ["a", "b", "c", "d"]
    assert "need 16 x 12 pixels like the rest, got 5 x 5" in lines[0]
    assert "object 1 has no pixel of a class" in lines[3]


def test_unknown_classes_and_colors_are_named(tmp_path):
    write(tmp_path / "out", "voc", [plain()])
    (tmp_path / "out" / "labelmap.txt").write_text("background:::\nperson:1,2,3::\n")
    _, (line,) = collected(tmp_path / "out")
    assert line == "a: need classes 0 to 1 or 255, got 15"
    write(tmp_path / "rgb", "cvat-masks", [plain()])
    (tmp_path / "rgb" / "labelmap.txt").write_text("background:0,0,0::\nperson:1,2,3::\n")
    _, (line,) = collected(tmp_path / "rgb")
    assert line == "a: SegmentationClass/a.png: need colors of its labels, got 128,0,0"


def test_the_colors_of_the_label_map_count(tmp_path):
    write(tmp_path / "rgb", "cvat-masks", [plain()])
    file = tmp_path / "rgb" / "SegmentationClass" / "a.png"
    values = np.array(Image.open(file))
    values[(values == (128, 0, 0)).all(axis=2)] = (10, 20, 30)
    Image.fromarray(values).save(file)
    text = (tmp_path / "rgb" / "labelmap.txt").read_text()
    (tmp_path / "rgb" / "labelmap.txt").write_text(text.replace("person:128,0,0", "person:10,20,30"))
    assert read(tmp_path / "rgb")[0].instances.names == ("person", "car")


@pytest.mark.parametrize("text", ["", "person:1,2,3::\n", "no colon\n"])
def test_a_label_map_that_says_too_little_is_refused(tmp_path, text):
    write(tmp_path / "out", "voc", [plain()])
    (tmp_path / "out" / "labelmap.txt").write_text(text)
    with pytest.raises(InvalidValue, match=r"labelmap\.txt: need"):
        read(tmp_path / "out")


def test_each_is_recognized_by_its_images(tmp_path):
    for form in BOTH:
        write(tmp_path / form, form, [plain()])
        assert detect(tmp_path / form)[0].name == form
    (tmp_path / "none").mkdir()
    with pytest.raises(InvalidValue, match="need a folder SegmentationClass"):
        read(tmp_path / "none", "voc")
