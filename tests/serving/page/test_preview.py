"""What a click would do is shown before it is made, and points of outlines are moved."""

import json

import numpy as np

from maskweave.ops.rle import decode_masks
from tests.serving.page import scene
from tests.serving.page.conftest import pick, until, until_true


def asked(stand_in):
    return len(stand_in.asked_for("/v1/refine"))


def shown(page):
    until(page, "(await import('/static/js/main.js')).page.stage.painter.tool.isShowing")


def mask_of(page, number):
    """(H, W) bool of an object as the page has it."""
    rle = page.evaluate(
        """async (number) => {
          const { page } = await import("/static/js/main.js");
          return page.stage.painter.findings.items[number].rle;
        }""",
        number,
    )
    return decode_masks([rle], scene.SIZE).dense()[0]


def test_what_a_click_would_add_is_drawn_and_the_click_makes_just_that(page, stand_in, expect):
    canvas = pick(page)
    page.locator(".object__button", has_text="cat").click()
    page.keyboard.press("a")
    canvas.hover(62, 30)
    shown(page)
    bare = canvas.color(80, 100)
    assert canvas.color(66, 24) != tuple(scene.GROUND)
    assert asked(stand_in) == 1
    assert np.array_equal(mask_of(page, 0), scene.MASKS[0])  # nothing is changed yet
    canvas.click(62, 30)
    expect(page.locator("#undo")).to_be_enabled()
    assert asked(stand_in) == 1  # the answer was there
    assert mask_of(page, 0)[30, 65]
    assert canvas.color(80, 100) == bare
    page.keyboard.press("Control+z")
    assert np.array_equal(mask_of(page, 0), scene.MASKS[0])


def test_escape_takes_a_preview_away_and_leaves_the_tool(page, stand_in, expect):
    canvas = pick(page)
    page.locator(".object__button", has_text="cat").click()
    page.keyboard.press("r")
    canvas.hover(30, 30)
    shown(page)
    page.keyboard.press("Escape")
    until(page, "!(await import('/static/js/main.js')).page.stage.painter.tool.isShowing")
    expect(page.locator("[data-tool=remove]")).to_have_attribute("aria-pressed", "true")
    assert page.locator(".object__button[aria-pressed=true]").count() == 1
    assert asked(stand_in) == 1


def test_one_question_is_on_its_way_and_then_the_latest(page, stand_in):
    canvas = pick(page)
    page.keyboard.press("a")
    held = []
    page.route("**/v1/refine", lambda route: held.append(route))  # noqa: PLW0108 - it is told of one argument
    canvas.hover(20, 60)
    until_asked(page, held, 1)
    for x in (30, 40, 50, 60):
        canvas.hover(x, 60)
    held[0].continue_()
    until_asked(page, held, 2)
    held[1].continue_()
    shown(page)
    page.unroute("**/v1/refine")
    assert [form_point(form) for form in stand_in.asked_for("/v1/refine")] == [20, 60]


def until_asked(page, held, count):
    until_true(page, lambda: len(held) >= count)


def form_point(form):
    return round(json.loads(form["request"])["points"][0][0])


def test_the_crosshair_has_a_preview_too(page, stand_in):
    pick(page)
    page.keyboard.press("a")
    page.locator("#canvas").focus()
    page.keyboard.press("ArrowRight")
    shown(page)
    page.keyboard.press("Enter")
    until(page, "!document.querySelector('#undo').disabled")
    assert asked(stand_in) == 1


# outlines


def test_a_point_of_an_outline_is_dragged(page, expect):
    canvas = pick(page)
    page.locator(".object__button", has_text="cat").click()
    page.keyboard.press("y")
    canvas.drag((60, 50), (75, 58))
    expect(page.locator("#undo")).to_be_enabled()
    mask = mask_of(page, 0)
    assert mask[50, 64]
    assert not mask[5, 5]
    assert np.array_equal(mask & scene.MASKS[0], scene.MASKS[0])
    page.keyboard.press("Control+z")
    assert np.array_equal(mask_of(page, 0), scene.MASKS[0])


def test_a_point_is_added_on_the_line_and_taken_away(page, expect):
    canvas = pick(page)
    page.locator(".object__button", has_text="cat").click()
    page.keyboard.press("y")
    canvas.drag((35, 10), (35, 4))  # the middle of the upper edge
    expect(page.locator("#undo")).to_be_enabled()
    grown = mask_of(page, 0)
    assert grown[7, 35]
    expect(page.locator("#announcements")).to_have_text("Point 2 of 5, at 35, 10")
    page.keyboard.press("Delete")
    expect(page.locator("#announcements")).to_have_text("Point taken away, 4 are left.")
    assert np.array_equal(mask_of(page, 0), scene.MASKS[0])
    expect(page.locator(".object")).to_have_count(3)  # the object itself is still there


def test_keys_alone_move_add_and_take_away_points(page, expect):
    pick(page)
    page.locator(".object__button", has_text="cat").click()
    page.keyboard.press("y")
    page.locator("#canvas").focus()
    page.keyboard.press(".")
    expect(page.locator("#announcements")).to_contain_text("Point 1 of 4, at 10, 10")
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#undo")).to_be_enabled()
    assert mask_of(page, 0).sum() > scene.MASKS[0].sum()
    page.keyboard.press("Enter")
    expect(page.locator("#announcements")).to_contain_text("Point 2 of 5")
    page.keyboard.press("Escape")
    expect(page.locator("[data-tool=outline]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Control+z")
    assert np.array_equal(mask_of(page, 0), scene.MASKS[0])


def test_the_ring_of_a_hole_is_an_outline_too(page, expect):
    canvas = pick(page)
    page.locator(".object__button", has_text="person").click()
    page.keyboard.press("f")
    page.keyboard.press("y")
    points = page.evaluate(
        """async () => {
          const { page } = await import("/static/js/main.js");
          return page.stage.painter.tool.rings.find(({ isHole }) => isHole).points;
        }"""
    )
    x, y = points[0]
    canvas.drag((x, y), (45, 85))
    expect(page.locator("#undo")).to_be_enabled()
    assert mask_of(page, 2).sum() > scene.MASKS[2].sum()  # a smaller hole


def test_elsewhere_a_tap_selects_another_object(page, expect):
    canvas = pick(page)
    page.keyboard.press("y")
    expect(page.locator("#hint")).to_have_text("Select one object to move the points of its outline.")
    canvas.click(110, 40)
    expect(page.locator(".object__button[aria-pressed=true]")).to_contain_text("dog")
    expect(page.locator("#hint")).to_contain_text("Drag a point")
