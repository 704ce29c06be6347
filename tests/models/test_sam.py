"""SAM, MobileSAM, SAM 2 and EfficientSAM in two files: what is pointed at lands on the source's pixels."""

import shutil
from contextlib import closing

import numpy as np
import pytest
from hypothesis import assume, given, settings

from maskweave.catalog import download
from maskweave.catalog.entries import all_entries, find
from maskweave.errors import EngineError, InvalidValue, NotAModel, UnknownLayout
from maskweave.models import sam
from maskweave.models._pairs import with_partner
from maskweave.models.loading import load_model, recognize
from maskweave.runtimes.base import TensorSpec
from maskweave.runtimes.pair import PairRuntime
from maskweave.types.prompt import Box, Point, Prompt
from tests.models.maps import iou, rectangle_image
from tests.models.promptable import MOBILE_SAM, PAIRS, PUBLISHED, SAM, SOURCE_SIZED, SPLIT
from tests.models.rectangles import rectangles
from tests.runtimes.fake import FakeRuntime

CLASSIC = "mask_rcnn_tf"
EVERY = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.encoder.removesuffix(".onnx"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the files of each pair lie, in a folder of their own."""
    folder = tmp_path_factory.mktemp("pairs")
    for pair in PAIRS:
        (folder / pair.encoder).mkdir()
        pair.write(folder / pair.encoder)
    return folder


@pytest.fixture(scope="module")
def models(folder):
    loaded = {pair: load_model(folder / pair.encoder / pair.encoder) for pair in PAIRS}
    yield loaded
    for model in loaded.values():
        model.close()


def bright(image):
    return image[..., 0] > 127


@EVERY
def test_it_is_recognized_by_either_half(models, folder, pair):
    family, reason = recognize(models[pair].runtime.describe())
    assert family == pair.family
    assert "SAM" in reason
    with closing(load_model(folder / pair.encoder / pair.decoder)) as model:
        assert model.runtime.describe().inner == models[pair].runtime.describe().inner
        assert "1024x1024" in model.preprocessing


@EVERY
@settings(max_examples=6, deadline=None)
@given(scene=rectangles())
def test_a_rectangle_lands_where_it_was(models, pair, scene):
    size, (x1, y1, x2, y2) = scene
    assume(max(size) <= 4 * min(size) and min(size) > 40)
    image = rectangle_image(size, (x1, y1, x2, y2))
    found = models[pair].prompt(image, Prompt(points=(Point((x1 + x2) / 2, (y1 + y2) / 2),)))
    assert iou(found.masks.union(), bright(image)) >= 0.97
    np.testing.assert_array_equal(found.boxes, found.masks.boxes)


@EVERY
@pytest.mark.parametrize(
    "size", [(120, 300), (300, 120), (1400, 1050)], ids=["landscape", "portrait", "large"]
)
def test_boxes_and_points_mean_what_lies_under_them(models, pair, size):
    """Each box is an object; points inside and outside are one."""
    model, (height, width) = models[pair], size
    box = (width // 10, height // 8, width // 2, height // 2)
    image = rectangle_image(size, box)
    lit, dark = Box(*box), Box(width * 0.6, height * 0.6, width * 0.9, height * 0.9)
    found = model.prompt(image, Prompt(boxes=(lit, dark)))
    assert iou(found.masks.dense()[0], bright(image)) > 0.98
    assert iou(found.masks.dense()[1], ~bright(image)) > 0.98
    assert (found.scores > 0.95).all()
    inside, outside = Point(width * 0.2, height * 0.3), Point(width * 0.7, height * 0.8, inside=False)
    for prompt in (Prompt(points=(inside, outside)), Prompt(boxes=(lit,), points=(inside, outside))):
        (mask,) = model.prompt(image, prompt).masks.dense()
        assert iou(mask, bright(image)) > 0.98


@EVERY
@pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1)])
def test_images_a_pixel_high_or_wide(models, pair, size):
    image = np.zeros((*size, 3), np.uint8)
    image[size[0] // 2 :, size[1] // 2 :] = 255
    found = models[pair].prompt(image, Prompt(points=(Point(size[1] - 0.5, size[0] - 0.5),)))
    assert (found.masks.union() != bright(image)).mean() < 0.02


@EVERY
def test_a_click_outside_of_the_image_is_refused(models, pair):
    image = np.zeros((30, 40, 3), np.uint8)
    with pytest.raises(InvalidValue, match="need points within 40x30, got 40,3"):
        models[pair].prompt(image, Prompt(points=(Point(40, 3),)))
    with pytest.raises(InvalidValue, match="needs a box or points on the object"):
        models[pair].predict(image)


@pytest.mark.parametrize("size", [(120, 300), (300, 120), (900, 700)])
@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair.old_mask], ids=lambda pair: pair.encoder)
def test_an_old_mask_lies_where_it_was(models, pair, size):
    """The network adds what is bright to the mask that it is told: here two rectangles that touch."""
    height, width = size
    top = height // 8
    image = rectangle_image(size, (width // 2, top, width * 3 // 4, height // 2))
    old = bright(rectangle_image(size, (width // 8, top, width // 2, height // 2)))
    click = Point(width * 0.6, height * 0.3)
    found = models[pair].prompt_mask(image, old, (click,)).masks.union()
    assert iou(found, old | bright(image)) > 0.98
    assert iou(found & (np.arange(width) < width // 2), old) > 0.98


@pytest.mark.parametrize(
    "name", [entry.name for entry in all_entries() if len(entry.files) == 2 and entry.family != CLASSIC]
)
def test_a_pair_of_the_catalog_is_loaded_by_its_name(folder, monkeypatch, name):
    pair, entry = PUBLISHED[name], find(name)
    files = tuple(folder / pair.encoder / file for file in (pair.encoder, pair.decoder))
    monkeypatch.setattr(download, "pull", lambda entry, **options: files)
    with closing(load_model(name)) as model:
        assert (model.name, entry.family) == (name, pair.family)


def test_an_image_is_encoded_once(folder):
    model = load_model(folder / MOBILE_SAM.encoder / MOBILE_SAM.encoder)
    encoder = model.runtime._encoder
    seen = []
    run = encoder.run
    encoder.run = lambda inputs: seen.append(inputs) or run(inputs)
    image = rectangle_image((40, 60), (10, 10, 30, 30))
    for prompt in (Prompt(points=(Point(20, 20),)), Prompt(boxes=(Box(10, 10, 30, 30), Box(40, 5, 55, 20)))):
        model.prompt(image.copy(), prompt)
    assert len(seen) == 1
    model.prompt(image[:, ::-1].copy(), Prompt(points=(Point(20, 20),)))
    assert len(seen) == 2
    model.close()


def fake(masks, ious, *, encoder=(1, 3, 1024, 1024), points=None, low_res=False):
    """A model of SAM's layout whose decoder always answers alike, and the inputs that its decoder was given."""
    embedding = np.zeros((1, 256, 64, 64), np.float32)
    masks = np.array(masks, np.float32)[None]
    answer = {"masks": masks, "iou_predictions": np.array(ious, np.float32)[None]}
    if low_res:
        answer["low_res_masks"] = masks
    asked = {
        "image_embeddings": (1, 256, 64, 64),
        "point_coords": (1, points, 2),
        "point_labels": (1, points),
        "mask_input": (1, 1, 256, 256),
        "has_mask_input": (1,),
        "orig_im_size": (2,),
    }
    decoder = FakeRuntime(answer, inputs=tuple(TensorSpec(*each, "float32") for each in asked.items()))
    first = FakeRuntime(
        {"image_embeddings": embedding}, inputs=(TensorSpec("input_image", encoder, "float32"),)
    )
    return sam.build(PairRuntime(first, decoder), name="sam"), first.seen, decoder.seen


LEFT, RIGHT, ALL = [[1.0, -1.0]], [[-1.0, 1.0]], [[1.0, 1.0]]
IMAGE = np.full((32, 64, 3), 255, np.uint8)


def test_the_networks_are_told_as_published():
    model, images, told = fake([LEFT], [0.5])
    model.prompt(IMAGE, Prompt(boxes=(Box(4, 5, 20, 30),), points=(Point(8, 9), Point(30, 9, inside=False))))
    model.prompt(IMAGE, Prompt(points=(Point(8, 9),)))
    (image,) = images
    planes = image["input_image"]
    assert planes.shape == (1, 3, 1024, 1024)
    assert np.allclose(planes[0, :, 511, 1023], (1 - np.array((0.485, 0.456, 0.406))) / (0.229, 0.224, 0.225))
    assert not planes[0, :, 512:].any()  # beside the image, after it was normalized
    assert told[0]["point_labels"].tolist() == [[1, 0, 2, 3]]
    assert told[0]["point_coords"].tolist() == [[[128, 144], [480, 144], [64, 80], [320, 480]]]
    assert told[1]["point_labels"].tolist() == [[1, -1]]  # no box: an end
    assert not told[1]["point_coords"][0, 1].any()
    assert told[1]["orig_im_size"].tolist() == [32, 64]
    assert not told[1]["has_mask_input"].any()
    assert not told[1]["mask_input"].any()


def test_an_old_mask_is_told_as_logits_over_the_square():
    model, _, told = fake([ALL], [0.5])
    model.guide = None
    old = np.zeros((32, 64), bool)
    old[:, :40] = True
    model.correct(IMAGE, old, (Point(50, 9),))
    logits = told[0]["mask_input"][0, 0]
    assert told[0]["has_mask_input"].tolist() == [1]
    assert np.allclose(logits[:128, :157], 6.9)  # of 160 cells; between pixels it is in between
    assert np.allclose(logits[:128, 163:], -6.9)
    assert not logits[128:].any()  # beside the image
    assert told[0]["point_labels"].tolist() == [[1, -1]]


def test_raw_images_are_not_padded_and_fixed_ones_are():
    model, images, _ = fake([LEFT], [0.5], encoder=(None, None, 3))
    model.prompt(IMAGE, Prompt(points=(Point(1, 1),)))
    assert images[0]["input_image"].shape == (512, 1024, 3)
    assert (images[0]["input_image"] == 255).all()
    model, images, told = fake([LEFT], [0.5], encoder=(684, 1024, 3))
    model.prompt(IMAGE[:, :32], Prompt(points=(Point(16, 16),)))
    assert images[0]["input_image"].shape == (684, 1024, 3)
    assert not images[0]["input_image"][:, 684:].any()
    assert told[0]["point_coords"][0, 0].tolist() == [342, 342]


def test_inputs_of_a_fixed_number_of_points_are_filled_up():
    model, _, told = fake([LEFT], [0.5], points=3)
    assert model.max_points == 3
    model.prompt(IMAGE, Prompt(points=(Point(1, 1),)))
    assert told[0]["point_labels"].tolist() == [[1, -1, -1]]
    with pytest.raises(InvalidValue, match="at most 3 points for sam, a box counting as two; got 4"):
        model.prompt(IMAGE, Prompt(points=tuple(Point(x, 1) for x in range(4))))


def test_of_four_candidates_the_first_answers_more_than_a_click():
    masks, ious = [ALL, LEFT, RIGHT, LEFT], [0.2, 0.5, 0.9, 0.4]

    def area(**prompt):
        return fake(masks, ious)[0].prompt(IMAGE, Prompt(**prompt)).masks.areas.tolist()

    assert area(points=(Point(50, 9),)) == [1024]  # the right half
    assert area(points=(Point(50, 9), Point(8, 9))) == area(boxes=(Box(0, 0, 64, 32),)) == [2048]
    found = fake(masks, ious)[0].prompt(IMAGE, Prompt(points=(Point(8, 9), Point(50, 9, inside=False))))
    assert found.scores.tolist() == [0.5]
    assert found.masks.union()[:, :32].all()


def test_masks_over_the_square_are_read_where_there_are_any():
    """Half of the square lies below the image."""
    model, _, told = fake([[[1.0], [-1.0]]], [0.5], low_res=True)
    found = model.prompt(IMAGE, Prompt(points=(Point(1, 1),)))
    assert found.masks.areas.tolist() == [2048]
    assert told[0]["orig_im_size"].tolist() == [128, 256]


def test_what_does_not_fit_is_told():
    with pytest.raises(
        EngineError, match=r"need masks \(1, M, h, w\) and iou_predictions \(1, M\), got masks"
    ):
        fake([LEFT], [0.5, 0.6])[0].prompt(IMAGE, Prompt(points=(Point(1, 1),)))
    with pytest.raises(UnknownLayout, match="need an encoder that gives image_embeddings or image_embed"):
        sam.build(FakeRuntime({}), name="x")
    with pytest.raises(UnknownLayout, match="need one class name, got a, b"):
        sam.build(fake([LEFT], [0.5])[0].runtime, name="x", class_names=("a", "b"))
    with pytest.raises(UnknownLayout, match=r"need an image \(1, 3, H, W\) or \(H, W, 3\)"):
        fake([LEFT], [0.5], encoder=(1, 3))


def test_a_half_without_the_other_is_told(folder, tmp_path):
    half = shutil.copy(folder / SAM.encoder / SAM.encoder, tmp_path)
    with pytest.raises(
        NotAModel, match=r"half of a promptable model, the encoder; put sam_decoder.onnx .*\(0 files"
    ):
        load_model(half)
    shutil.copy(folder / MOBILE_SAM.encoder / MOBILE_SAM.decoder, tmp_path)
    shutil.copy(folder / SPLIT.encoder / SPLIT.decoder, tmp_path)
    with pytest.raises(NotAModel, match=r"\(2 files with decoder in their names are there\)"):
        load_model(half)


def test_a_half_of_another_name_is_found_where_it_is_the_only_one(folder):
    assert load_model(folder / SOURCE_SIZED.encoder / SOURCE_SIZED.decoder).name == "sam_mask_decoder_multi"


def test_what_is_opened_is_closed_when_the_halves_do_not_fit(tmp_path):
    def half(inputs=(), outputs=()):
        specs = [tuple(TensorSpec(name, (1,), "float32") for name in names) for names in (inputs, outputs)]
        return FakeRuntime({}, inputs=specs[0], outputs=specs[1])

    encoder, decoder = half(outputs=["image_embed"]), half(inputs=["image_embeddings"])
    (tmp_path / "a_decoder.onnx").touch()
    with pytest.raises(UnknownLayout, match="takes image_embed, got one that takes image_embeddings"):
        with_partner(tmp_path / "a_encoder.onnx", encoder, lambda path: decoder)
    assert encoder.closed
    assert decoder.closed
