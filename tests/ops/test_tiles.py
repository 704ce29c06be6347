from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.errors import InvalidValue
from maskweave.ops.tile_grid import tile_cores, tile_grid
from maskweave.ops.tiles import merge_tiles
from maskweave.types import Instances, Masks
from maskweave.types.windows import Tile

SIZES = st.tuples(st.integers(1, 400), st.integers(1, 400))
TILES = st.integers(64, 150)
OVERLAPS = st.floats(0, 0.75)


@given(SIZES, TILES, OVERLAPS)
def test_tiles_cover_the_image_and_overlap_as_asked(size, tile, overlap):
    covered = np.zeros(size, int)
    tiles = tile_grid(size, tile, overlap)
    for each in tiles:
        assert each.shared(Tile(0, 0, *size)) == each
        assert each.size == (min(tile, size[0]), min(tile, size[1]))
        covered[each.rows, each.columns] += 1
    assert covered.min() >= 1
    lefts = sorted({(each.left, each.right) for each in tiles})
    for (_, end), (start, _) in pairwise(lefts):
        assert end - start >= overlap * tile - 1


@given(SIZES, TILES, OVERLAPS)
def test_cores_lie_in_their_tiles_and_are_each_pixel_once(size, tile, overlap):
    covered = np.zeros(size, int)
    for whole, core in zip(tile_grid(size, tile, overlap), tile_cores(size, tile, overlap), strict=True):
        assert whole.shared(core) == core
        covered[core.rows, core.columns] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize(
    ("tile", "overlap", "message"), [(63, 0.2, "tile"), (64, 0.76, "overlap"), (64, -0.1, "overlap")]
)
def test_tiles_that_cannot_be(tile, overlap, message):
    with pytest.raises(InvalidValue, match=message):
        tile_grid((100, 100), tile, overlap)


LEFT, RIGHT = Tile(0, 0, 100, 100), Tile(0, 80, 100, 180)
SIZE = (100, 180)


def piece(tile, *boxes, classes=None, scores=None):
    """Filled boxes x1 y1 x2 y2, in image pixels, as the tile shows them."""
    dense = np.zeros((len(boxes), *SIZE), bool)
    for mask, (x1, y1, x2, y2) in zip(dense, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    masks = Masks.from_dense(dense[:, tile.rows, tile.columns])
    count = len(boxes)
    return tile, Instances(
        masks, masks.boxes, scores or [0.5] * count, classes or [0] * count, ("cat", "dog")
    )


def merged(*pieces):
    return merge_tiles(pieces, SIZE, ("cat", "dog"))


def boxes(found):
    return sorted(map(tuple, found.masks.boxes.astype(int).tolist()))


def test_an_object_over_the_seam_is_one_with_the_best_score():
    found = merged(
        piece(LEFT, (40, 10, 150, 50), scores=[0.6]), piece(RIGHT, (40, 10, 150, 50), scores=[0.9])
    )
    assert boxes(found) == [(40, 10, 150, 50)]
    assert found.boxes.tolist() == [[40, 10, 150, 50]]
    assert found.scores.tolist() == [0.9]


def test_an_object_inside_the_band_is_found_once():
    assert boxes(merged(piece(LEFT, (82, 10, 98, 30)), piece(RIGHT, (82, 10, 98, 30)))) == [(82, 10, 98, 30)]


def test_masks_that_agree_roughly_are_one_object():
    found = merged(piece(LEFT, (40, 10, 150, 50)), piece(RIGHT, (40, 14, 150, 54)))
    assert boxes(found) == [(40, 10, 150, 54)]


def test_objects_that_touch_in_the_band_stay_two():
    first, second = (20, 10, 90, 50), (90, 10, 160, 50)
    found = merged(piece(LEFT, first, second), piece(RIGHT, first, second))
    assert boxes(found) == [first, second]


def test_objects_of_two_classes_stay_two():
    found = merged(piece(LEFT, (40, 10, 150, 50)), piece(RIGHT, (40, 10, 150, 50), classes=[1]))
    assert sorted(found.names) == ["cat", "dog"]


def test_a_piece_that_the_border_cuts_joins_what_it_lies_in():
    tall, leg = (85, 5, 150, 95), (85, 5, 150, 25)
    found = merged(piece(LEFT, leg), piece(RIGHT, tall))  # the left tile saw no more than the leg
    assert boxes(found) == [tall]


def test_a_whole_object_before_a_larger_one_stays_its_own():
    small, large = (84, 40, 96, 60), (60, 20, 160, 80)
    found = merged(piece(LEFT, large, small), piece(RIGHT, large, small))
    assert boxes(found) == [large, small]
    assert boxes(merged(piece(LEFT, small), piece(RIGHT, large))) == [(80, 20, 160, 80), small]


def test_nothing_found_is_no_objects():
    assert len(merged(piece(LEFT), piece(RIGHT))) == 0
    assert merged().size == SIZE


def over(*boxes, classes=None):
    """What the image as a whole shows."""
    return piece(Tile(0, 0, *SIZE), *boxes, classes=classes)[1]


def with_overview(overview, *pieces):
    return merge_tiles(pieces, SIZE, ("cat", "dog"), overview=overview)


def test_what_the_tiles_found_as_well_is_not_doubled():
    box = (40, 10, 150, 50)
    found = with_overview(over((40, 12, 150, 52)), piece(LEFT, box), piece(RIGHT, box))
    assert boxes(found) == [box]


def test_a_part_without_its_rest_goes_and_what_is_whole_stays():
    large, part, small = (10, 10, 170, 90), (10, 10, 100, 60), (30, 70, 40, 80)
    found = with_overview(over(large), piece(LEFT, part, small, classes=[1, 1]), piece(RIGHT))
    assert boxes(found) == [large, small]
    assert boxes(merged(piece(LEFT, part, small), piece(RIGHT))) == [part, small]


def test_an_object_over_the_seam_before_a_larger_one_stays():
    large, person = (10, 10, 170, 90), (70, 20, 120, 60)
    found = with_overview(over(large), *(piece(tile, person, classes=[1]) for tile in (LEFT, RIGHT)))
    assert boxes(found) == [large, person]


def test_what_all_tiles_take_for_another_thing_is_what_the_whole_shows():
    box = (20, 10, 160, 50)
    found = with_overview(over(box), *(piece(tile, box, classes=[1]) for tile in (LEFT, RIGHT)))
    assert boxes(found) == [box]
    assert found.names == ("cat",)


def test_without_tiles_finding_anything_the_whole_is_the_result():
    assert boxes(with_overview(over((10, 10, 170, 90)), piece(LEFT), piece(RIGHT))) == [(10, 10, 170, 90)]
    assert boxes(with_overview(over(), piece(LEFT, (5, 5, 20, 20)), piece(RIGHT))) == [(5, 5, 20, 20)]
