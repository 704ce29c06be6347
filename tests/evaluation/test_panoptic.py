import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskweave.annotations.report import Report
from maskweave.errors import BadRecord, InvalidValue, SourceNotFound
from maskweave.evaluation.panoptic import PanopticMap, PanopticMetric, Segment
from maskweave.evaluation.panoptic_files import PanopticFile, add_files

NAMES, THINGS = ("sky", "car", "dog"), (False, True, True)


def rows(text, **segments):
    """A map drawn in letters, "." for void; ``a=1`` is a segment of class 1, ``a="1c"`` a crowd of it."""
    ids = np.array([[0 if each == "." else ord(each) for each in line] for line in text.split()])
    known = {
        ord(name): Segment(int(str(kind)[0]), str(kind).endswith("c")) for name, kind in segments.items()
    }
    return PanopticMap(ids, {key: each for key, each in known.items() if (ids == key).any()})


def measure(*pairs):
    metric = PanopticMetric(NAMES, THINGS)
    for truth, found in pairs:
        metric.add(truth, found)
    return metric.result()


def test_by_hand():
    """Sky and a car at IoU 6/8, another car missed, a dog and a piece of sky where there is none."""
    scores = measure(
        (
            rows("ssssss saaaab saaaab", s=0, a=1, b=1),
            rows("ssssss xaaaad xaaxxd", s=0, a=1, d=2, x=0),
        )
    )  # s: 6 of 8 pixels; x: 4 pixels, 2 of them sky
    sky, car, dog = scores.classes.values()
    assert (sky.true_positives, sky.false_positives, sky.false_negatives) == (1, 1, 0)
    assert sky.pq == pytest.approx(100 * (6 / 8) / 1.5)
    assert (sky.sq, sky.rq) == pytest.approx((75, 100 / 1.5))
    assert (car.true_positives, car.false_positives, car.false_negatives) == (1, 0, 1)
    assert (car.pq, car.sq) == pytest.approx((100 * (6 / 8) / 1.5, 75))
    assert (dog.pq, dog.sq, dog.rq, dog.false_positives) == (0, 0, 0, 1)
    assert scores.all.pq == pytest.approx((sky.pq + car.pq + dog.pq) / 3)
    assert scores.things.pq == pytest.approx((car.pq + dog.pq) / 2)
    assert (scores.stuff.pq, scores.images) == (sky.pq, 1)


def test_an_iou_of_just_one_half_is_no_match():
    scores = measure((rows("aa..", a=1), rows("ab..", a=1, b=1)))
    assert (scores.classes["car"].true_positives, scores.classes["car"].false_negatives) == (0, 1)


def test_void_is_taken_out_of_the_prediction():
    car = measure((rows("aaa...", a=1), rows("aaaaaa", a=1))).classes["car"]
    assert (car.pq, car.sq) == (100, 100)


def test_predictions_in_void_or_in_a_crowd_of_their_class_are_no_errors():
    truth = rows("....cccc", c="1c")
    assert measure((truth, rows("aa......", a=1))).classes["car"].false_positives == 0
    assert measure((truth, rows("....aa..", a=1))).classes["car"].false_positives == 0
    assert (
        measure((truth, rows("...aaa..", a=1))).classes["car"].false_positives == 0
    )  # void and crowd together
    assert measure((truth, rows("....dd..", d=2))).classes["dog"].false_positives == 1
    half = measure((rows("..ss", s=0), rows(".aa.", a=1)))  # just half of it is not more than half
    assert half.classes["car"].false_positives == 1


def test_a_crowd_is_neither_matched_nor_missed():
    scores = measure((rows("cccc", c="1c"), rows("cccc", c=1)))
    assert np.isnan(scores.classes["car"].pq)
    assert np.isnan(scores.all.pq)


def slow(pairs):  # noqa: C901 - the definition, written out
    """The paper's definition, pixel set by pixel set: IoU, matched, surplus, missed of each class."""
    table = {class_id: [0.0, 0, 0, 0] for class_id in range(len(NAMES))}
    for truth, found in pairs:
        pixels = {
            side: {
                key: {(y, x) for y in range(m.size[0]) for x in range(m.size[1]) if m.id_map[y, x] == key}
                for key in [*m.segments, 0]
            }
            for side, m in (("true", truth), ("found", found))
        }
        void = pixels["true"][0]
        matched_true, matched_found = set(), set()
        for t, true_segment in truth.segments.items():
            for f, found_segment in found.segments.items():
                if true_segment.crowd or true_segment.class_id != found_segment.class_id:
                    continue
                mine, theirs = pixels["true"][t], pixels["found"][f] - void
                iou = len(mine & theirs) / len(mine | theirs)
                if iou > 0.5:
                    table[true_segment.class_id][0] += iou
                    table[true_segment.class_id][1] += 1
                    matched_true.add(t)
                    matched_found.add(f)
        for f, segment in found.segments.items():
            ignored = set(void)
            for t, other in truth.segments.items():
                if other.crowd and other.class_id == segment.class_id:
                    ignored |= pixels["true"][t]
            inside = len(pixels["found"][f] & ignored)
            if f not in matched_found and inside <= len(pixels["found"][f]) / 2:
                table[segment.class_id][2] += 1
        for t, segment in truth.segments.items():
            if t not in matched_true and not segment.crowd:
                table[segment.class_id][3] += 1
    return table


@st.composite
def drawn(draw):
    """A truth of rectangles and the same with each pixel's segment changed now and then."""
    height, width = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    truth = np.zeros((height, width), int)
    for number in range(1, draw(st.integers(1, 6))):
        y, x = rng.integers(0, height), rng.integers(0, width)
        truth[y : y + rng.integers(1, 7), x : x + rng.integers(1, 7)] = number
    found = np.where(
        rng.random(truth.shape) < draw(st.sampled_from([0, 0.1, 0.4])), rng.integers(0, 7), truth
    )
    classes = rng.integers(0, 3, 8)
    other = np.where(rng.random(8) < 0.3, rng.integers(0, 3, 8), classes)

    def as_map(ids, of, crowds):
        present = set(np.unique(ids).tolist()) - {0}
        return PanopticMap(ids, {each: Segment(int(of[each]), bool(crowds[each])) for each in present})

    return as_map(truth, classes, rng.random(8) < 0.2), as_map(found, other, np.zeros(8))


@settings(max_examples=80)
@given(st.lists(drawn(), min_size=1, max_size=3))
def test_the_same_as_pixel_sets(pairs):
    scores, expected = measure(*pairs), slow(pairs)
    for class_id, name in enumerate(NAMES):
        iou, right, surplus, missed = expected[class_id]
        mine = scores.classes[name]
        assert (mine.true_positives, mine.false_positives, mine.false_negatives) == (right, surplus, missed)
        if right + surplus + missed:
            assert mine.pq == pytest.approx(100 * iou / (right + surplus / 2 + missed / 2))
        else:
            assert np.isnan(mine.pq)


def test_what_is_no_panoptic_map():
    with pytest.raises(InvalidValue, match="need ids of segments, got 3"):
        PanopticMap(np.full((2, 2), 3), {})
    with pytest.raises(InvalidValue, match="need ids with pixels, got 3"):
        PanopticMap(np.zeros((2, 2), int), {3: Segment(0)})
    with pytest.raises(InvalidValue, match="need ids from 1"):
        PanopticMap(np.zeros((2, 2), int), {0: Segment(0)})
    with pytest.raises(InvalidValue, match=r"need \(H, W\) integers"):
        PanopticMap(np.zeros(2), {})
    with pytest.raises(InvalidValue, match="need a prediction of"):
        measure((rows("a", a=1), rows("aa", a=1)))
    with pytest.raises(InvalidValue, match="at least one image"):
        measure()
    with pytest.raises(InvalidValue, match="is_thing: need 1"):
        PanopticMetric(("a",), ())


def write(folder, name):
    """Two images with a large id; returns the JSON's content."""
    (folder / name).mkdir()
    annotations = []
    for image_id in (1, 2):
        ids = np.zeros((4, 6), int)
        ids[:2], ids[2:, :3] = 7, 300 + 70_000 * image_id
        colors = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
        Image.fromarray(colors).save(folder / name / f"{image_id}.png")
        segments = [
            {"id": 7, "category_id": 50},
            {"id": 300 + 70_000 * image_id, "category_id": 3, "iscrowd": 0},
        ]
        annotations.append({"image_id": image_id, "file_name": f"{image_id}.png", "segments_info": segments})
    return {
        "annotations": annotations,
        "categories": [{"id": 50, "name": "sky", "isthing": 0}, {"id": 3, "name": "car", "isthing": 1}],
    }


@pytest.fixture
def files(tmp_path):
    return tmp_path, write(tmp_path, "truth"), write(tmp_path, "results")


def add(files, *, strict=False):
    folder, truth, results = files
    problems = Report(strict=strict)
    for name, data in (("truth", truth), ("results", results)):
        (folder / f"{name}.json").write_text(json.dumps(data))
    known = PanopticFile(folder / "truth.json", problems)
    found = PanopticFile(folder / "results.json", problems, like=known)
    metric = PanopticMetric(known.class_names, known.is_thing)
    add_files(metric, known, found, problems)
    return metric.result(), problems


def test_files(files):
    scores, problems = add(files)
    assert (scores.all.pq, scores.images, problems.problems) == (100, 2, 0)
    assert scores.is_thing == {"sky": False, "car": True}


def spoil_mode(folder, data):
    Image.open(folder / "results" / "1.png").convert("P").save(folder / "results" / "1.png")


def spoil_size(folder, data):
    colors = np.zeros((5, 6, 3), np.uint8)
    colors[..., 0] = 7
    data["annotations"][0]["segments_info"].pop()
    Image.fromarray(colors).save(folder / "results" / "1.png")


WRONG = {
    "need an image of colors (RGB), got a palette or gray one": spoil_mode,
    "1.png: need (height, width) (4, 6), got (5, 6)": spoil_size,
    "1.png (id 1) is missing": lambda folder, data: data["annotations"].pop(0),
    "results/1.png: no such file": lambda folder, data: (folder / "results" / "1.png").unlink(),
    "segment 7: need a category of the file, got 99":
        lambda folder, data: data["annotations"][0]["segments_info"][0].update(category_id=99),
    "segment 7: need an id of its own, it comes twice":
        lambda folder, data: data["annotations"][0]["segments_info"].append({"id": 7, "category_id": 50}),
    "segment 8: need pixels of it, got none":
        lambda folder, data: data["annotations"][0]["segments_info"].append({"id": 8, "category_id": 50}),
    "need a segment for each color, got none for id 70300":
        lambda folder, data: data["annotations"][0]["segments_info"].pop(),
}  # fmt: skip


@pytest.mark.parametrize(("message", "spoil"), WRONG.items(), ids=WRONG)
def test_a_bad_result_is_named_and_counts_as_nothing_found(files, message, spoil):
    spoil(files[0], files[2])
    scores, problems = add(files)
    assert message in problems.messages[0]
    # a segment without pixels costs itself alone, anything else its image
    assert scores.all.rq == pytest.approx(100 if "segment 8" in message else 100 * 1 / 1.5)
    with pytest.raises(BadRecord):
        add(files, strict=True)


def test_other_images_repeated_ones_and_a_bad_truth_are_named(files):
    _, truth, results = files
    results["annotations"] += [{**results["annotations"][0], "image_id": 5}, results["annotations"][0]]
    truth["annotations"][1]["segments_info"].pop()
    scores, problems = add(files)
    named = "\n".join(problems.messages)
    assert "truth.json, image 2: need a segment for each color" in named
    assert "results.json, image 1: need each image once, it comes again" in named
    assert "need an image of the truth, got id 5" in named
    assert (scores.images, scores.all.pq) == (1, 100)


def test_what_is_no_panoptic_file(files):
    folder = files[0]
    with pytest.raises(SourceNotFound, match=r"none\.json"):
        PanopticFile(folder / "none.json", Report())
    for text in ("{}", '{"annotations": []}'):
        (folder / "truth.json").write_text(text)
        with pytest.raises(InvalidValue, match="need the COCO list annotations with segments_info"):
            PanopticFile(folder / "truth.json", Report())
