import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from maskweave.annotations.id_images import read_class_map
from maskweave.annotations.report import Report
from maskweave.errors import BadRecord, InvalidValue, SourceNotFound
from maskweave.evaluation.class_maps import add_folders, read_class_names
from maskweave.evaluation.semantic import SemanticMetric, boundary
from maskweave.types.semantic import IGNORE, SemanticMap

NAMES = ("sky", "road", "car")


def measure(*pairs, names=NAMES):
    metric = SemanticMetric(names)
    for truth, found in pairs:
        metric.add(SemanticMap(np.array(truth), names), SemanticMap(np.array(found), names))
    return metric.result()


def test_by_hand():
    """Sky 3 of 4 right, road 2 of 2 but one of sky besides, car never; the ignored pixel counts nowhere."""
    scores = measure(([[0, 0, 0, 0, IGNORE], [1, 1, 2, 2, 2]], [[0, 0, 0, 1, 2], [1, 1, 0, 0, IGNORE]]))
    assert scores.confusion.tolist() == [[3, 1, 0, 0], [0, 2, 0, 0], [2, 0, 0, 1]]
    sky, road, car = scores.classes.values()
    assert (sky.iou, road.iou, car.iou) == pytest.approx((100 * 3 / 6, 100 * 2 / 3, 0))
    assert (sky.accuracy, road.accuracy, car.accuracy) == pytest.approx((75, 100, 0))
    assert scores.miou == pytest.approx(100 * (1 / 2 + 2 / 3 + 0) / 3)
    assert scores.pixel_accuracy == pytest.approx(100 * 5 / 9)
    assert scores.mean_accuracy == pytest.approx(175 / 3)
    assert scores.fw_iou == pytest.approx(100 * (4 / 9 * 1 / 2 + 2 / 9 * 2 / 3))
    assert (sky.pixels, scores.images) == (4, 1)


def test_counts_are_added_up_before_shares_are_taken():
    scores = measure(([[0, 0, 0]], [[0, 0, 0]]), ([[0, 1]], [[1, 1]]))
    assert scores.classes["sky"].iou == pytest.approx(75)
    assert np.isnan(scores.classes["car"].iou)
    assert scores.miou == pytest.approx((75 + 50) / 2)


def plain_boundary(mask):
    """The authors' definition for one mask: what an erosion takes away, the image's edge being a border too."""
    thickness = max(1, round(0.02 * np.hypot(*mask.shape)))
    padded = np.pad(mask, 1).astype(np.uint8)
    kept = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=thickness)[1:-1, 1:-1]
    return mask & (kept == 0)


class_maps = arrays.arrays(
    np.uint8,
    st.tuples(st.integers(1, 40), st.integers(1, 90)),
    elements=st.sampled_from([0, 0, 0, 0, 0, 1, 255]),
)


@given(class_maps)
def test_boundaries_are_the_papers(class_map):
    near = boundary(class_map)
    for class_id in (0, 1):
        mask = class_map == class_id
        np.testing.assert_array_equal(near & mask, plain_boundary(mask))


def test_boundary_iou_by_masks():
    rng = np.random.default_rng(0)
    truth, found = (np.zeros((60, 80), np.uint8) for _ in range(2))
    for image in (truth, found):
        for class_id in (1, 2, 1):
            x, y = rng.integers(0, 50), rng.integers(0, 40)
            image[y : y + 25, x : x + 30] = class_id
    truth[:3] = IGNORE
    scores = measure((truth, found))
    found = np.where(truth == IGNORE, IGNORE, found)
    for class_id, name in enumerate(NAMES):
        one, other = (plain_boundary(image == class_id) for image in (truth, found))
        assert scores.classes[name].boundary_iou == pytest.approx(
            100 * (one & other).sum() / (one | other).sum()
        )
    assert scores.boundary_miou == pytest.approx(
        np.mean([each.boundary_iou for each in scores.classes.values()])
    )


def test_what_cannot_be_added_is_told():
    metric = SemanticMetric(NAMES)
    one = SemanticMap(np.zeros((2, 3), int), NAMES)
    with pytest.raises(InvalidValue, match="predicted: need classes"):
        metric.add(one, SemanticMap(np.zeros((2, 3), int), ("a",)))
    with pytest.raises(InvalidValue, match=r"\(2, 3\), got \(3, 3\)"):
        metric.add(one, SemanticMap(np.zeros((3, 3), int), NAMES))
    with pytest.raises(InvalidValue, match="labeled pixel"):
        metric.result()


@pytest.fixture
def folders(tmp_path):
    """Two right images, one in a sub-folder; the results of one are named as ours are."""
    for folder, ending in (("truth", ".png"), ("results", ".semantic.png")):
        (tmp_path / folder / "town").mkdir(parents=True)
        for name in ("one", "town/two"):
            image = Image.fromarray(np.eye(3, dtype=np.uint8))
            image.putpalette([0, 0, 0, 200, 30, 30])
            image.save(tmp_path / folder / f"{name}{ending}")
    return tmp_path


def add(folders, *, strict=False):
    metric, problems = SemanticMetric(NAMES), Report(strict=strict)
    add_folders(metric, folders / "truth", folders / "results", problems)
    return metric.result(), problems


def test_folders(folders):
    scores, problems = add(folders)
    assert (scores.miou, scores.images, problems.problems) == (100, 2, 0)


def spoil_with_colors(path):
    Image.open(path).convert("RGB").save(path)


def spoil_with_16_bits(path):
    Image.fromarray(np.full((3, 3), 300, np.uint16)).save(path)


WRONG = {
    "need a palette or gray image of numbers, got colors (RGB)": spoil_with_colors,
    "got 16 bits": spoil_with_16_bits,
    "need (height, width) (3, 3), got (4, 4)": lambda path: Image.new("L", (4, 4)).save(path),
    "need 0..2 or 255 (ignore), got 7": lambda path: Image.new("L", (3, 3), 7).save(path),
    "need a PNG": lambda path: path.write_bytes(b"nothing"),
    "it is missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize(("message", "spoil"), WRONG.items(), ids=WRONG)
def test_a_bad_result_is_named_and_counts_as_nothing_found(folders, message, spoil):
    spoil(folders / "results" / "one.semantic.png")
    scores, problems = add(folders)
    (told,) = problems.messages
    assert message in told
    assert "results/one." in told
    assert scores.pixel_accuracy == 50
    with pytest.raises(BadRecord, match="one"):
        add(folders, strict=True)


def test_a_bad_truth_is_named_and_left_out(folders):
    spoil_with_colors(folders / "truth" / "one.png")
    scores, problems = add(folders)
    assert (scores.images, scores.miou) == (1, 100)
    assert "truth/one.png: need a palette or gray image" in problems.messages[0]


def test_results_of_other_images_are_named(folders):
    Image.new("L", (3, 3)).save(folders / "results" / "three.semantic.png")
    assert "need an image of the truth, there is no three.png" in add(folders)[1].messages[0]


def test_missing_folders(tmp_path):
    metric = SemanticMetric(NAMES)
    with pytest.raises(SourceNotFound, match="need a folder of class maps"):
        add_folders(metric, tmp_path / "none", tmp_path, Report())
    with pytest.raises(SourceNotFound, match="need PNG class maps"):
        add_folders(metric, tmp_path, tmp_path, Report())
    with pytest.raises(SourceNotFound):
        read_class_map(tmp_path / "none.png")
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(BadRecord):
        read_class_map(tmp_path / "cut.png")


@pytest.mark.parametrize(
    "data",
    [
        ["sky", "road", "car"],
        {"0": "sky", "1": "road", "2": "car"},
        {"car": 2, "sky": 0, "road": 1},
        {"categories": [{"id": 2, "name": "car"}, {"id": 0, "name": "sky"}, {"id": 1, "name": "road"}]},
    ],
)
def test_class_names_from_a_file(tmp_path, data):
    (tmp_path / "names.json").write_text(json.dumps(data))
    assert read_class_names(str(tmp_path / "names.json")) == NAMES


def test_class_names_from_words_and_what_is_none(tmp_path):
    assert read_class_names("sky, road,car") == NAMES
    with pytest.raises(InvalidValue, match="a name of its own"):
        read_class_names("a,a")
    for text in ("3", '{"a": "b"}', '{"a": 300}', "[]"):
        (tmp_path / "names.json").write_text(text)
        with pytest.raises(InvalidValue, match=r"names\.json: need"):
            read_class_names(str(tmp_path / "names.json"))
