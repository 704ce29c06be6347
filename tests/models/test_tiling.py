"""Tiles whose model is exact: whatever differs from the image looked at as a whole is a seam."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskweave.errors import InvalidValue
from maskweave.models.tiling import TiledModel
from maskweave.ops.tile_grid import tile_grid
from maskweave.types import Frame
from maskweave.types.semantic import IGNORE
from maskweave.types.windows import ArrayWindows
from tests.models.seeing import ColorModel


def painted(size, boxes):
    """Each box x1 y1 x2 y2 in a color of its own, all of one class."""
    image = np.zeros((*size, 3), np.uint8)
    for number, (x1, y1, x2, y2) in enumerate(boxes, start=1):
        image[y1:y2, x1:x2] = (2, number // 250, number % 250 + 1)
    return image


def keys(found):
    return sorted((x, y, crop.shape, crop.tobytes()) for crop, x, y in found.masks.placed())


def assert_seamless(image, *, tile=64, overlap=0.25, apart=False):
    tiled = TiledModel(ColorModel(apart=apart), tile=tile, overlap=overlap).predict(image)
    whole = ColorModel(apart=apart).predict(image)
    assert keys(tiled) == keys(whole)
    assert sorted(map(tuple, tiled.boxes.tolist())) == sorted(map(tuple, whole.boxes.tolist()))
    assert sorted(tiled.class_ids) == sorted(whole.class_ids)


def test_objects_on_every_seam_and_every_corner_are_whole():
    size = (200, 260)
    tiles = tile_grid(size, 64, 0.25)
    xs = [(left + 64 + right) // 2 for left, right in pairwise(sorted({tile.left for tile in tiles}))]
    ys = [(top + 64 + bottom) // 2 for top, bottom in pairwise(sorted({tile.top for tile in tiles}))]
    assert (len(xs), len(ys)) == (5, 3)
    corners = [(x - 9, y - 9, x + 9, y + 9) for x in xs for y in ys]
    upright = [(x - 12, y - 12, x + 12, y + 12) for x in xs for y in (*(y - 24 for y in ys), ys[-1] + 26)]
    assert_seamless(painted(size, [*upright, *corners]))


def test_an_object_through_all_tiles_is_one():
    ring = painted((300, 300), [(3, 3, 297, 297)])
    ring[20:280, 20:280] = 0
    ring[130:150, 40:260] = (2, 0, 99)
    assert_seamless(ring)


def test_touching_objects_stay_apart_wherever_they_touch():
    boxes = [(x, y, x + 21, y + 17) for x in range(0, 250, 21) for y in range(0, 180, 17)]
    assert_seamless(painted((200, 260), boxes))


def test_arms_that_meet_in_another_tile_are_one_object():
    image = np.zeros((64, 112, 3), np.uint8)
    image[10:20, 10:100] = image[40:50, 10:100] = image[10:50, 90:100] = (2, 0, 9)
    tiled = TiledModel(ColorModel(apart=True), tile=64, overlap=0.25).predict(image)
    assert keys(tiled) == keys(ColorModel().predict(image))


@settings(max_examples=25)
@given(st.data())
def test_any_boxes_are_found_as_without_tiles(data):
    size = data.draw(st.tuples(st.integers(64, 160), st.integers(64, 160)))
    box = st.tuples(
        st.integers(0, size[1] - 1), st.integers(0, size[0] - 1), st.integers(1, 90), st.integers(1, 90)
    )
    boxes = data.draw(st.lists(box, max_size=8))
    image = painted(size, [(x, y, x + width, y + height) for x, y, width, height in boxes])
    assert_seamless(image, overlap=data.draw(st.sampled_from([0.2, 0.4])))


def test_a_map_of_classes_is_as_without_tiles():
    image = np.random.default_rng(0).integers(0, 255, (150, 170, 3), dtype=np.uint8)
    tiled = TiledModel(ColorModel("semantic"), tile=64).predict(image)
    whole = ColorModel("semantic").predict(image)
    assert (tiled.class_map == whole.class_map).all()
    assert (tiled.mask_probs == whole.mask_probs).all()


def test_a_image_no_larger_than_a_tile_is_looked_at_once():
    model = ColorModel()
    TiledModel(model, tile=100).predict(np.zeros((90, 100, 3), np.uint8))
    assert model.sizes == [(90, 100)]


class WithHoles(ArrayWindows):
    """The left 70 columns hold no data."""

    def valid(self, tile):
        valid = np.arange(tile.left, tile.right) >= 70
        return None if valid.all() else np.broadcast_to(valid, tile.size)


@pytest.mark.parametrize("task", ["instances", "semantic"])
def test_pixels_without_data_are_in_no_result_and_tiles_of_them_not_looked_at(task):
    image = painted((64, 200), [(40, 10, 120, 50)])
    model = ColorModel(task)
    tiled = TiledModel(model, tile=64)
    frame = Frame(np.zeros((16, 50, 3), np.uint8), windows=WithHoles(image))
    prepared = tiled.prepare_frame(frame)
    found = tiled.decode(tiled.infer(prepared.inputs), prepared.letterbox, score=0)
    tiles = [size for size in model.sizes if size == (64, 64)]
    assert len(tiles) == len(tile_grid((64, 200), 64, 0.2)) - 1
    if task == "instances":
        assert found.masks.boxes.tolist() == [[70, 10, 120, 50]]
    else:
        assert (found.class_map[:, :70] == IGNORE).all()
        assert (found.class_map[:, 70:] != IGNORE).all()


class PartsModel(ColorModel):
    """Takes a part of something larger than 64 pixels for another thing: a network that has not seen it whole."""

    def decode(self, outputs, letterbox, *, score):
        found = super().decode(outputs, letterbox, score=score)
        boxes = found.masks.boxes
        touches = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) >= 50
        torn = touches & (max(letterbox.source_size) <= 64)
        return found.replace(class_ids=np.where(torn, 1, found.class_ids))


def test_what_is_too_large_for_a_tile_is_found_in_the_whole_and_its_parts_are_not():
    image = painted((180, 180), [(20, 20, 170, 170), (60, 60, 75, 75)])
    tiled = TiledModel(PartsModel(), tile=64, overlap=0.25).predict(image)
    assert keys(tiled) == keys(ColorModel().predict(image))
    assert tiled.names == ("house", "house")


def test_a_image_read_piece_by_piece_needs_tiles():
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(InvalidValue, match="--tile"):
        ColorModel().prepare_frame(Frame(image, windows=ArrayWindows(image)))


def test_the_wrapped_model_is_closed_and_keeps_its_name():
    model = ColorModel()
    tiled = TiledModel(model, tile=64)
    assert (tiled.name, tiled.class_names, tiled.task) == (model.name, model.class_names, model.task)
    tiled.close()
    assert model.runtime.closed
