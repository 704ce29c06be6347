"""The page's own arithmetic on masks agrees with the library's."""

import numpy as np
import pytest

from maskweave.ops.rle import encode_masks
from maskweave.outputs import format_names
from maskweave.outputs.palette import object_colour
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
          const parts = await Promise.all(["rle", "raster", "outline", "idbuffer", "palette"].map(load));
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
    words = page.evaluate("async () => (await import('/static/js/page/save.js')).FORMAT_WORDS")
    assert set(words) == set(format_names())


def test_colours_are_those_of_the_overlays(page):
    colours = run(page, "(m, count) => [...Array(count).keys()].map(m.objectColour)", 40)
    ours = [object_colour(key) for key in range(40)]
    assert np.abs(np.array(colours) - np.array(ours)).max() <= 1
