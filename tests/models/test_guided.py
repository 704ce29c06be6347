"""The guide's layout: prompts become windows and maps, and its answers masks of the whole image."""

import numpy as np
import pytest
from hypothesis import given, settings

import maskweave as mw
from maskweave.errors import EngineError, InvalidValue, UnknownLayout
from maskweave.models import guided
from maskweave.models.guided import OldMask
from maskweave.models.loading import load_model, recognize
from maskweave.ops.guidance import INSIDE, MASK, OUTSIDE, Window
from maskweave.runtimes.base import TensorSpec
from maskweave.runtimes.onnxruntime import OnnxRuntime
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prompt import Box, Point, Prompt
from tests.models.guides import guide
from tests.models.maps import iou, rectangle_image
from tests.models.rectangles import rectangles
from tests.models.tiny import save_tiny_model
from tests.runtimes.fake import FakeRuntime

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def model():
    return guided.build(OnnxRuntime(guide()), name="guide")


SPECS = (TensorSpec("image", (None, 8, 8, 3), "uint8"), TensorSpec("guidance", (None, 8, 8, 4), "uint8"))


def answering(logit):
    """A guide that says the same of every pixel of every look."""

    def answer(inputs):
        return {"masks": np.full((len(inputs["image"]), 1, 8, 8), logit, np.float32)}

    return guided.build(FakeRuntime(answer, inputs=SPECS), name="fake")


def instances(*masks, size=(40, 60)):
    dense = np.zeros((len(masks), *size), bool)
    for plane, (x1, y1, x2, y2) in zip(dense, masks, strict=True):
        plane[y1:y2, x1:x2] = True
    found = Masks.from_dense(dense)
    count = len(masks)
    return Instances(found, found.boxes, np.linspace(0.9, 0.5, count), np.arange(count) % 2, ("cat", "dog"))


def test_it_is_recognized(model):
    family, reason = recognize(model.runtime.describe())
    assert family == "guided"
    assert "guidance" in reason


@settings(max_examples=15, deadline=None)
@given(scene=rectangles())
def test_a_rectangle_in_a_box_lands_where_it_was(model, scene):
    size, (x1, y1, x2, y2) = scene
    image = rectangle_image(size, (x1, y1, x2, y2))
    found = model.prompt(image, Prompt(boxes=(Box(x1, y1, x2, y2),)))
    assert iou(found.masks.union(), image[..., 0] > 0) >= 0.9


def test_a_click_on_something_small_is_zoomed_in_on(model):
    """Seen whole, one pixel of the network's input is eight of the image; the answer is right to one."""
    image = rectangle_image((300, 512), (200, 100, 232, 120))
    found = model.prompt(image, Prompt(points=(Point(210, 110),)))
    assert iou(found.masks.union(), image[..., 0] > 0) > 0.97
    assert found.names == ("object",)
    assert found.scores[0] > 0.8
    np.testing.assert_array_equal(found.boxes, found.masks.boxes)


def test_every_box_is_an_object_of_its_own_in_one_batch():
    fake = answering(5)
    found = fake.prompt(
        np.zeros((40, 60, 3), np.uint8), Prompt(boxes=(Box(2, 3, 12, 9), Box(30, 20, 50, 38)))
    )
    assert len(found) == 2
    (sent,) = fake.runtime.seen
    assert sent["image"].shape == (4, 8, 8, 3)  # each and its mirror image
    np.testing.assert_array_equal(sent["guidance"][2:], sent["guidance"][:2, :, ::-1])


def test_the_answer_to_a_mirrored_window_is_mirrored_back():
    def left_half(inputs):  # whatever is shown, the left half of it
        logits = np.full((len(inputs["image"]), 1, 8, 8), -1.0, np.float32)
        logits[..., :4] = 3.0
        return {"masks": logits}

    fake = guided.build(FakeRuntime(left_half, inputs=SPECS), name="fake")
    look = guided.Look(Window(0, 0, 8), box=Box(0, 0, 8, 8))
    (answer,) = fake.answer(np.zeros((8, 8, 3), np.uint8), [look], mirrored=True)
    np.testing.assert_array_equal(answer.logits, np.ones((8, 8)))


def test_clicks_go_into_the_maps_of_their_kind():
    fake = answering(5)
    points = (Point(15, 15), Point(20, 11, inside=False))
    fake.prompt(np.zeros((40, 60, 3), np.uint8), Prompt(boxes=(Box(10, 10, 22, 20),), points=points))
    maps = fake.runtime.seen[0]["guidance"][0]
    assert maps[..., INSIDE].any()
    assert maps[..., OUTSIDE].any()


def test_a_click_beside_takes_away_what_is_under_it(model):
    image = rectangle_image((64, 64), (8, 8, 56, 56))
    whole = image[..., 0] > 0
    found = model.correct(image, whole, (Point(12, 12), Point(50, 50, inside=False)))
    assert found[12, 12]
    assert not found[50, 50]
    assert iou(found, whole) > 0.8


def test_a_corrected_mask_agrees_with_every_click_whatever_the_network_says():
    image = np.zeros((40, 60, 3), np.uint8)
    mask = instances((10, 10, 30, 30)).masks.union()
    points = (Point(5.5, 5.5), Point(20.5, 20.5, inside=False))
    found = answering(5).correct(image, mask, points)
    assert found[5, 5]
    assert not found[20, 20]


@pytest.mark.parametrize(
    ("click", "left", "middle", "right"),
    [
        (Point(65, 10), False, True, True),
        (Point(45, 10, inside=False), False, False, False),
        (Point(35, 10), False, True, False),
    ],
)
def test_a_click_changes_what_it_touches_and_nothing_far_away(click, left, middle, right):
    """The network would add a piece at the left and one at the right, and take one away in the middle."""
    mask, drawn = np.zeros((2, 20, 90), bool)
    mask[5:15, 30:60] = True
    drawn[5:15, 20:40] = drawn[5:15, 50:70] = True
    found = guided.near_clicks(mask, drawn, [click], reach=3)
    assert (found[10, 25], found[10, 45], found[10, 65]) == (left, middle, right)
    assert found[10, 35]
    assert not found[0].any()


def test_without_clicks_a_mask_stays_as_it_is():
    fake = answering(5)
    mask = instances((10, 10, 30, 30)).masks.union()
    assert np.array_equal(fake.correct(np.zeros((40, 60, 3), np.uint8), mask, ()), mask)
    assert fake.runtime.seen == []


def test_contradictory_and_very_many_clicks_get_an_answer(model):
    image = rectangle_image((64, 80), (10, 10, 50, 50))
    rng = np.random.default_rng(0)
    many = tuple(Point(*place, inside=bool(rng.random() < 0.5)) for place in rng.uniform(0, 64, (500, 2)))
    same = (Point(20, 20), Point(20, 20, inside=False), Point(30, 30))
    for points in (many, same):
        found = model.prompt(image, Prompt(points=points))
        assert found.masks.areas[0] > 0
        assert 0 <= found.scores[0] <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1)])
def test_images_a_pixel_high_or_wide(model, size):
    image = np.full((*size, 3), 255, np.uint8)
    for prompt in (Prompt(points=(Point(0.5, 0.5),)), Prompt(boxes=(Box(0, 0, size[1], size[0]),))):
        assert model.prompt(image, prompt).masks.areas[0] > 0


def test_a_box_may_hang_over_the_edge_but_not_lie_outside(model):
    image = rectangle_image((60, 80), (0, 10, 30, 50))
    found = model.prompt(image, Prompt(boxes=(Box(-20, 10, 30, 50),)))
    assert iou(found.masks.union(), image[..., 0] > 0) > 0.95
    with pytest.raises(InvalidValue, match="need a box within 80x60"):
        model.prompt(image, Prompt(boxes=(Box(90, 10, 99, 20),)))


@pytest.mark.parametrize("prompt", [Prompt(boxes=(Box(5, 5, 20, 20),)), Prompt(points=(Point(9, 9),))])
def test_where_nothing_stands_out_it_says_so(model, prompt):
    with pytest.raises(InvalidValue, match="nothing stands out there; draw a mask, or another box or points"):
        model.prompt(np.zeros((40, 40, 3), np.uint8), prompt)


def test_coarse_masks_get_the_borders_of_their_objects(model):
    image = np.maximum(rectangle_image((40, 60), (5, 6, 25, 34)), rectangle_image((40, 60), (36, 4, 56, 20)))
    coarse = instances((7, 9, 24, 31), (34, 6, 54, 19))
    refined = model.redraw(image, coarse)
    exact = instances((5, 6, 25, 34), (36, 4, 56, 20))
    for row in range(2):
        assert iou(refined.masks[row].union(), exact.masks[row].union()) > 0.9
    assert refined.names == coarse.names
    np.testing.assert_array_equal(refined.scores, coarse.scores)
    np.testing.assert_array_equal(refined.boxes, coarse.boxes)


@pytest.mark.parametrize("logit", [-5, 5])
def test_an_object_of_which_the_network_makes_another_stays_as_it_is(logit):
    found = instances((10, 10, 20, 12))
    refined = answering(logit).redraw(np.zeros((40, 60, 3), np.uint8), found)
    assert refined.masks == found.masks


def test_objects_by_the_dozen_are_few_batches():
    boxes = [(x, y, x + 6, y + 6) for x in range(0, 48, 8) for y in range(0, 32, 8)]
    fake = answering(-5)
    fake.redraw(np.zeros((40, 60, 3), np.uint8), instances(*boxes))
    assert [len(sent["image"]) for sent in fake.runtime.seen] == [4] * 6


def test_nothing_found_is_nothing_to_refine():
    fake = answering(5)
    assert len(fake.redraw(np.zeros((40, 60, 3), np.uint8), instances())) == 0
    assert fake.runtime.seen == []


def test_an_old_mask_is_seen_where_it_lies():
    masks = instances((20, 10, 40, 30)).masks
    seen = OldMask.of(masks).seen_in(Window(10, 0, 40), 80)
    inner = np.zeros((80, 80), bool)
    inner[20:60, 20:60] = True
    assert iou(seen > 127, inner) > 0.98
    assert MASK == 0


def test_other_networks_and_answers_are_refused():
    other = (TensorSpec("image", (1, 3, 8, 8), "float32"),)
    with pytest.raises(UnknownLayout, match=r"x: need inputs image \(N, S, S, 3\) and guidance"):
        guided.build(FakeRuntime({}, inputs=other), name="x")
    with pytest.raises(UnknownLayout, match="need one class name"):
        guided.build(FakeRuntime({}, inputs=SPECS), name="x", class_names=("a", "b"))
    wrong = guided.build(FakeRuntime({"masks": np.zeros((1, 8, 8))}, inputs=SPECS), name="x")
    with pytest.raises(EngineError, match=r"need masks \(2, 1, 8, 8\), got masks \(1, 8, 8\)"):
        wrong.prompt(np.zeros((9, 9, 3), np.uint8), Prompt(boxes=(Box(1, 1, 5, 5),)))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model of instances, and a guide."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "guide.onnx").write_bytes(guide())
    return save_tiny_model(folder / "tiny.onnx"), folder / "guide.onnx"


def test_a_guide_beside_another_model_answers_its_prompts(files):
    tiny, file = files
    image = rectangle_image((60, 80), (30, 10, 50, 30))
    with mw.load(tiny, guide=file) as segmenter:
        found = segmenter.prompt(image, points=[(40, 20)]).instances
        assert iou(found.masks.union(), image[..., 0] > 0) > 0.9


@pytest.mark.parametrize(
    ("points", "taken"),
    [
        ((Point(15, 20),), True),
        ((Point(15, 20), Point(45, 10, inside=False)), False),
        ((Point(2, 2),), False),
    ],
)
def test_a_known_object_that_has_all_points_right_is_what_is_meant(model, points, taken):
    """Two bright things are one object for the other model; the guide alone sees them apart from what is dark."""
    image = np.maximum(rectangle_image((40, 60), (5, 6, 25, 34)), rectangle_image((40, 60), (36, 4, 56, 20)))
    known = instances((5, 6, 56, 34))
    looks, ask = [], model.answer
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            model, "answer", lambda image, given, **named: looks.extend(given) or ask(image, given, **named)
        )
        try:
            found = model.find_prompted(image, Prompt(points=points), known)
        except InvalidValue:
            found = None
    assert (looks[0].old is not None) == taken
    if taken:
        assert iou(found.masks.union(), image[..., 0] > 0) > 0.9


@pytest.mark.parametrize(("box", "taken"), [(Box(4, 6, 26, 34), True), (Box(5, 6, 15, 34), False)])
def test_a_known_object_of_the_same_box_tells_the_network_its_mask(model, box, taken):
    look = model._look_at_box(box, (), instances((5, 6, 25, 34)))
    assert (look.old is not None) == taken


def test_a_mask_is_corrected_by_points_and_without_any_gets_its_border(files):
    tiny, file = files
    image = rectangle_image((60, 80), (30, 10, 50, 30))
    exact = image[..., 0] > 0
    coarse = np.zeros((60, 80), bool)
    coarse[12:28, 32:54] = True
    with mw.load(tiny, guide=file) as segmenter:
        drawn = segmenter.prompt(image, mask=coarse).instances
        corrected = segmenter.prompt(image, mask=coarse, points=[(45, 25), (52, 20, 0)]).instances
    assert iou(drawn.masks.union(), exact) > 0.9
    assert iou(corrected.masks.union(), exact) > 0.9


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (
            np.zeros((8, 8), bool),
            r"need a bool mask of the image's size \(8, 8\) with an object, got an empty one",
        ),
        (np.ones((9, 8), bool), r"got \(9, 8\) bool"),
        (np.ones((8, 8)), r"got \(8, 8\) float64"),
    ],
)
def test_a_mask_that_does_not_fit_the_image_is_refused(model, mask, message):
    with pytest.raises(InvalidValue, match=message):
        model.prompt_mask(np.zeros((8, 8, 3), np.uint8), mask)


def test_points_beside_the_image_correct_nothing(model):
    with pytest.raises(InvalidValue, match="need points within 8x8, got 9,1"):
        model.prompt_mask(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), bool), (Point(9, 1),))


def test_a_guide_is_a_file_of_a_guide(files):
    tiny, file = files
    image = rectangle_image((60, 80), (30, 10, 50, 30))
    with pytest.raises(InvalidValue, match="tiny: need a guide beside it for prompts and borders, got none"):
        load_model(tiny).prompt(image, Prompt(points=(Point(40, 20),)))
    with mw.load(tiny, guide=file) as segmenter:
        plain, refined = (segmenter(image, refine=each).instances for each in (False, True))
        assert refined.names == plain.names
    with mw.load(tiny, guide=tiny) as segmenter, pytest.raises(UnknownLayout, match="need a guide's file"):
        segmenter.prompt(image, points=[(40, 20)])
