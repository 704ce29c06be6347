"""The page's own arithmetic on masks agrees with the library's."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from maskweave.annotations.table import format_named, save_names
from maskweave.ops.palette import object_color
from maskweave.ops.polygons import rings_to_mask
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.outputs import format_names
from maskweave.types import Masks
from tests.serving.page import scene

SIZES = ((1, 1), (7, 5), (40, 31), (64, 80))


def _random_masks():
    random = np.random.default_rng(5)
    masks = []
    for height, width in SIZES:
        masks += [random.random((height, width)) < share for share in (0.02, 0.5, 0.98)]
        masks += [np.zeros((height, width), bool), np.ones((height, width), bool)]
        blob = np.zeros((height, width), bool)
        blob[height // 4 : height // 2 + 1, width // 3 : width // 2 + 1] = True
        masks.append(blob)
    return [*masks, *scene.MASKS]


MASKS = _random_masks()
RLES = [dict(encode_masks(Masks.from_dense(mask[None]))[0]) for mask in MASKS]


@pytest.fixture(scope="module")
def page(browser, stand_in):
    """One page for all: nothing here changes it."""
    page = browser.new_page()
    page.goto(stand_in.url)
    yield page
    page.close()


def run(page, script, value):
    """Call an async function of (modules, value) in the page."""
    return page.evaluate(
        f"""async (value) => {{
          const load = (name) => import(`/static/js/masks/${{name}}.js`);
          const names = ["rle", "raster", "outline", "idbuffer", "palette", "brush", "parts", "polygon"];
          const parts = await Promise.all(names.map(load));
          return ({script})(Object.assign({{}}, ...parts), value);
        }}""",
        value,
    )


def test_run_lengths_decode_and_encode_as_the_library_does(page):
    script = """(m, rles) => rles.map((rle) => {
      const spans = m.spansOf(rle);
      const crop = m.rasterise(spans, rle.size);
      return [m.rleOf(spans, rle.size).counts, m.areaOf(spans), m.boxOf(spans, rle.size[0]),
              [crop.x, crop.y, crop.width, crop.height], [...crop.data]];
    })"""
    for mask, rle, (counts, area, box, place, pixels) in zip(
        MASKS, RLES, run(page, script, RLES), strict=True
    ):
        assert counts == rle["counts"]
        assert area == mask.sum()
        assert box == (scene.found(mask)["box"] if mask.any() else None)
        x, y, width, height = place
        shown = np.zeros(mask.shape, bool)
        shown[y : y + height, x : x + width] = np.array(pixels, bool).reshape(height, width)
        assert np.array_equal(shown, mask)


def test_unions_are_exact(page):
    pairs = [
        (one, other)
        for one in range(len(MASKS))
        for other in (one + 1, one + 2)
        if other < len(MASKS) and MASKS[one].shape == MASKS[other].shape
    ]
    script = """(m, {rles, pairs}) => pairs.map(([one, other]) =>
      m.rleOf(m.unionOf([m.spansOf(rles[one]), m.spansOf(rles[other])]), rles[one].size).counts)"""
    unions = run(page, script, {"rles": RLES, "pairs": pairs})
    assert unions == [scene.rle_of(MASKS[one] | MASKS[other])["counts"] for one, other in pairs]


@pytest.mark.parametrize("counts", ["", "5", "PP1`0b0O1", "~~", "o" * 20], ids=repr)
def test_damaged_run_lengths_are_refused(page, counts):
    script = "(m, rle) => { try { m.spansOf(rle); return null; } catch (error) { return error.name; } }"
    assert run(page, script, {"size": [48, 64], "counts": counts[:7]}) == "RangeError"


def test_outlines_enclose_just_the_pixels(page):
    script = """(m, rles) => rles.map((rle) => {
      const crop = m.rasterise(m.spansOf(rle), rle.size);
      const loops = m.loopsOf(crop);
      const area = loops.map((loop) => {
        let sum = 0;
        for (let i = 0; i < loop.length; i += 2) {
          const [x, y, nextX, nextY] = [...loop, ...loop].slice(i, i + 4);
          sum += (x * nextY - nextX * y) / 2;
        }
        return sum;
      });
      const canvas = new OffscreenCanvas(rle.size[1], rle.size[0]);
      const context = canvas.getContext("2d");
      context.fill(m.pathOf(loops));
      const drawn = context.getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 3);
      return [area, [...drawn]];
    })"""
    for mask, (areas, drawn) in zip(MASKS, run(page, script, RLES), strict=True):
        assert sum(areas) == mask.sum()  # holes count less than nothing, as they go the other way
        assert np.array_equal(np.array(drawn).reshape(mask.shape) > 127, mask)


def test_a_scaled_mask_keeps_its_share_and_never_vanishes(page):
    dot = np.zeros((400, 600), bool)
    dot[201, 301] = True
    disc = np.hypot(*(np.mgrid[:400, :600] - np.array([180, 320])[:, None, None])) < 90
    script = """(m, rles) => rles.map((rle) => {
      const crop = m.rasterise(m.spansOf(rle), rle.size, 0.1);
      return [crop.x, crop.y, crop.data.reduce((sum, pixel) => sum + pixel, 0)];
    })"""
    small, large = run(page, script, [scene.rle_of(dot), scene.rle_of(disc)])
    assert small == [30, 20, 1]
    assert large[2] == pytest.approx(disc.sum() / 100, rel=0.02)


def test_the_smaller_object_is_hit_and_holes_are_not(page):
    script = """(m, [outer, inner]) => {
      const buffer = new m.IdBuffer(60, 40);
      const crop = (rle) => m.rasterise(m.spansOf(rle), rle.size);
      buffer.paint([{id: 9, crop: crop(inner)}, {id: 4, crop: crop(outer)}]);
      return [buffer.at(1, 1), buffer.at(25.9, 15.2), buffer.at(5, 35), buffer.at(-1, 3), buffer.at(60, 3)];
    }"""
    outer, inner = np.ones((40, 60), bool), np.zeros((40, 60), bool)
    outer[30:, :10] = False
    inner[10:20, 20:30] = True
    assert run(page, script, [scene.rle_of(outer), scene.rle_of(inner)]) == [4, 9, 0, 0, 0]


def test_every_format_is_explained(page):
    script = """async ([names, titles]) => {
      const { wordsOf } = await import('/static/js/page/save.js');
      return names.filter((name) => !wordsOf(name, {titles}));
    }"""
    titles = {name: format_named(form).title for name, form in save_names().items()}
    assert page.evaluate(script, [list(format_names()), titles]) == []


def test_colors_are_those_of_the_overlays(page):
    colors = run(page, "(m, count) => [...Array(count).keys()].map(m.objectColor)", 40)
    ours = [object_color(key) for key in range(40)]
    assert np.abs(np.array(colors) - np.array(ours)).max() <= 1


def test_a_stroke_covers_what_lies_within_the_radius_of_its_way(page):
    """The pixels whose centers are no farther from the way than the radius, also beyond the image's edge."""
    random = np.random.default_rng(11)
    size = (48, 64)
    ways = [
        (random.uniform(-8, 70, (count, 2)).tolist(), float(radius))
        for count, radius in ((1, 0.6), (1, 9.0), (2, 3.5), (2, 14.0), (5, 2.0), (9, 6.25))
    ]
    ways += [([[10.5, 10.5], [10.5, 40.5]], 3.0), ([[5.0, 20.0], [60.0, 20.0]], 4.0)]
    script = """(m, [ways, size]) => ways.map(
      ([points, radius]) => m.rleOf(m.strokeSpans(points, radius, size), size)
    )"""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    for (points, radius), rle in zip(ways, run(page, script, [ways, size]), strict=True):
        distance = np.min([_distance(x, y, *pair) for pair in _pairs(points)], axis=0)
        assert np.array_equal(decode_masks([rle], size).dense()[0], distance <= radius)


def _pairs(points):
    return list(pairwise(points)) or [(points[0], points[0])]


def _distance(x, y, start, end):
    along = np.subtract(end, start)
    length = along @ along
    share = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length, 0, 1) if length else 0
    return np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1])


def test_erasing_leaves_what_the_other_mask_does_not_hold(page):
    pairs = [(one, other) for one, other in pairwise(RLES) if one["size"] == other["size"]]
    script = """(m, pairs) => pairs.map(
      ([one, other]) => m.rleOf(m.differenceOf(m.spansOf(one), m.spansOf(other)), one.size)
    )"""
    for (one, other), left in zip(pairs, run(page, script, pairs), strict=True):
        before, gone, after = decode_masks([one, other, left], tuple(one["size"])).dense()
        assert np.array_equal(after, before & ~gone)


def test_the_parts_of_a_mask_are_its_connected_ones(page):
    script = """(m, rles) => rles.map(
      (rle) => m.partsOf(m.spansOf(rle), rle.size[0]).map((part) => m.rleOf(part, rle.size))
    )"""
    for mask, parts in zip(MASKS, run(page, script, RLES), strict=True):
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
        found = decode_masks(parts, mask.shape).dense()
        areas = found.sum(axis=(1, 2)).tolist()
        assert areas == sorted(areas, reverse=True)
        wanted = {(labels == label).tobytes() for label in range(1, count)}
        assert {part.tobytes() for part in found} == wanted


def _rings():
    """Rings of all kinds: on pixel borders, between them, crossing themselves, beyond the image's edges."""
    random = np.random.default_rng(3)
    rings = [
        [[3, 2], [9, 2], [9, 8], [3, 8]],
        [[3.5, 2.5], [9.5, 2.5], [9.5, 8.5]],
        [[0, 0], [30, 30], [30, 0], [0, 30]],
    ]
    for count in (3, 4, 7, 20):
        rings.append(random.uniform(-10, 50, (count, 2)).tolist())
        rings.append(random.integers(-4, 44, (count, 2)).astype(float).tolist())
    return rings


def test_a_ring_encloses_the_pixels_that_the_library_says(page):
    size = (31, 40)
    script = "(m, [rings, size]) => rings.map((ring) => m.rleOf(m.ringSpans(ring, size), size))"
    rings = _rings()
    for ring, rle in zip(rings, run(page, script, [rings, size]), strict=True):
        assert np.array_equal(
            decode_masks([rle], size).dense()[0], rings_to_mask([np.array(ring, float)], size)
        )


def test_moving_a_point_changes_only_what_lies_between_the_two_outlines(page):
    """Also where the points are too few to say where the mask ends; the ring of a hole works the other way."""
    size = scene.SIZE
    before = [[20, 60], [70, 60], [70, 110], [20, 110]]
    after = [[10, 50], [70, 60], [60, 100], [20, 110]]
    script = """(m, [rle, before, after, size]) => [false, true].map((isHole) =>
      m.rleOf(m.reshaped(m.spansOf(rle), before, after, size, { isHole }), size))"""
    mask = scene.MASKS[2]
    outer, hole = decode_masks(run(page, script, [scene.rle_of(mask), before, after, size]), size).dense()
    old, now = (rings_to_mask([np.array(ring, float)], size) for ring in (before, after))
    assert np.array_equal(outer, (mask & ~(old & ~now)) | (now & ~old))
    assert np.array_equal(hole, (mask & ~(now & ~old)) | (old & ~now))


@pytest.mark.parametrize("tolerance", [0, 0.75, 3])
def test_fewer_points_stay_within_the_tolerance(page, tolerance):
    script = """(m, [rles, tolerance]) => rles.map((rle) => {
      const loops = m.loopsOf(m.rasterise(m.spansOf(rle), rle.size));
      return [m.ringsOf(loops, tolerance), loops.map((loop) => loop.length / 2)];
    })"""
    rles = [scene.rle_of(mask) for mask in scene.MASKS]
    for mask, (rings, counts) in zip(scene.MASKS, run(page, script, [rles, tolerance]), strict=True):
        filled = rings_to_mask([np.array(ring["points"], float) for ring in rings], mask.shape)
        border = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) - cv2.erode(
            mask.astype(np.uint8), np.ones((3, 3))
        )
        reach = cv2.distanceTransform((border == 0).astype(np.uint8), cv2.DIST_L2, 5)
        assert not (filled != mask)[reach > tolerance + 1].any()
        assert [ring["isHole"] for ring in rings].count(True) == int(mask is scene.MASKS[2])
        if tolerance == 0:
            assert np.array_equal(filled, mask)
        else:
            assert sum(len(ring["points"]) for ring in rings) <= sum(counts)
