"""How the page looks and reads: every screen size, light and dark, keyboard, touch and screen reader."""

import json
import re
from pathlib import Path

import pytest

from tests.serving.page.conftest import KEPT, Canvas, pick, until
from tests.serving.page.stand_in import MODEL
from tests.serving.page.test_videos import run

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
SCREENS = {
    "phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "has_touch": True},
    "laptop": {"viewport": {"width": 1280, "height": 800}},
    "4k": {"viewport": {"width": 3840, "height": 2160}},
}


def faults(page):
    """What axe-core finds wrong on the page as it is now."""
    page.evaluate(AXE)
    script = """async () => {
      const { violations } = await axe.run(document, { resultTypes: ["violations"] });
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
    }"""
    return page.evaluate(script)


def too_wide(page):
    """Elements that stand out of the window to the right."""
    return page.evaluate(
        """() => document.documentElement.scrollWidth > innerWidth
          ? [...document.body.querySelectorAll("*")]
              .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
              .map((each) => each.outerHTML.slice(0, 100))
          : []"""
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_is_readable_and_axe_finds_nothing(open_page, stand_in, artefacts, screen, scheme):
    stand_in.models = [
        MODEL,
        {**MODEL, "name": "a-model-of-a-rather-long-name"},
    ]  # the bar is as full as it gets
    page = open_page(color_scheme=scheme, **SCREENS[screen])
    page.screenshot(path=artefacts / f"page-welcome-{screen}-{scheme}.png")
    assert faults(page) == []
    assert too_wide(page) == []
    pick(page)
    page.locator(".object__button").first.click()
    page.screenshot(path=artefacts / f"page-image-{screen}-{scheme}.png")
    assert faults(page) == []
    assert too_wide(page) == []
    font, line = page.evaluate(
        "() => [parseFloat(getComputedStyle(document.body).fontSize), document.body.clientWidth]"
    )
    assert font >= (24 if line > 3000 else 16)


@pytest.mark.parametrize(("screen", "scheme"), [("phone", "light"), ("laptop", "dark"), ("4k", "light")])
def test_the_video_screen_too(open_page, artefacts, video, screen, scheme):
    page = open_page(color_scheme=scheme, **SCREENS[screen])
    run(page, video)
    page.get_by_role("button", name="Line: count").click()
    Canvas(page).drag((10, 50), (120, 50))
    page.screenshot(path=artefacts / f"page-video-{screen}-{scheme}.png")
    assert faults(page) == []
    assert too_wide(page) == []


@pytest.mark.parametrize("width", [390, 360, 320])
def test_the_bar_of_a_phone_takes_two_rows_of_large_targets(open_page, stand_in, width):
    stand_in.models = [MODEL, {**MODEL, "name": "a-model-of-a-rather-long-name"}]
    page = open_page(viewport={"width": width, "height": 844}, is_mobile=True, has_touch=True)
    measure = """() => [...document.querySelectorAll(".bar :is(a, button, select)")]
      .filter((each) => each.checkVisibility())
      .map((each) => each.getBoundingClientRect())
      .map(({ y, width, height }) => [y + height / 2, width, height])"""
    for prepare in (lambda: None, lambda: pick(page)):
        prepare()
        targets = page.evaluate(measure)
        assert len({round(middle) for middle, _, _ in targets}) == 2
        assert min(min(width, height) for _, width, height in targets) >= 44
        assert too_wide(page) == []
        assert faults(page) == []


def test_the_dialogs_too(page, artefacts, expect):
    for name, opener in {
        "help": "Keyboard shortcuts",
        "history": "Earlier results",
        "camera": "Take a photo",
    }.items():
        page.get_by_role("button", name=opener).click()
        expect(page.locator(f"#{name}")).to_be_visible()
        page.screenshot(path=artefacts / f"page-{name}.png")
        assert faults(page) == []
        page.keyboard.press("Escape")
        expect(page.locator(f"#{name}")).to_be_hidden()


def show_comparison(page, stand_in):
    page.keyboard.press("b")


def show_cutout(page, stand_in):
    page.keyboard.press("3")
    page.get_by_label("Background", exact=True).select_option("color")


def show_correction(page, stand_in):
    page.locator(".object__button").first.click()
    page.keyboard.press("a")
    Canvas(page).click(60, 30)
    until(page, "!document.querySelector('#undo').disabled")


def show_renaming(page, stand_in):
    page.locator(".object__button").first.click()
    page.keyboard.press("F2")


def show_hidden_classes(page, stand_in):
    page.locator(".chip").first.click()
    page.get_by_label("Minimum score").fill("1")


def show_earlier_results(page, stand_in):
    until(page, f"(await {KEPT}.keptResults()).length === 1")
    page.get_by_role("button", name="Earlier results").click()
    page.locator("#history .card").first.wait_for()


def show_work(page, stand_in):
    stand_in.gate.clear()
    page.locator("#task").select_option("semantic")
    page.locator("#busy").wait_for()


def show_error(page, stand_in):
    stand_in.failure = (503, "queue: the server is busy", {"Retry-After": "3"})
    page.locator("#task").select_option("semantic")
    page.locator(".note--error").wait_for()


def show_question_for_token(page, stand_in):
    stand_in.token = "sesame"
    page.locator("#task").select_option("semantic")
    page.locator("#token").wait_for()


STATES = (
    *(show_comparison, show_cutout, show_correction, show_renaming, show_hidden_classes),
    *(show_earlier_results, show_work, show_error, show_question_for_token),
)


@pytest.mark.parametrize("show", STATES, ids=lambda show: show.__name__.removeprefix("show_"))
@pytest.mark.parametrize(("screen", "scheme"), [("phone", "dark"), ("laptop", "light")])
def test_axe_finds_nothing_in_what_happens_on_the_way(open_page, stand_in, artefacts, screen, scheme, show):
    page = open_page(color_scheme=scheme, **SCREENS[screen])
    pick(page)
    try:
        show(page, stand_in)
        page.screenshot(path=artefacts / f"page-{show.__name__}-{screen}-{scheme}.png")
        assert faults(page) == []
        assert too_wide(page) == []
    finally:
        stand_in.gate.set()


def test_nothing_speaks_of_dropping_where_fingers_are_all_there_is(open_page, expect):
    page = open_page(is_mobile=True, **SCREENS["phone"])
    expect(page.get_by_role("heading", name="Open an image or a video")).to_be_visible()
    expect(page.get_by_text("or paste one with")).to_be_hidden()
    expect(page.get_by_text("Files go to this server only.")).to_be_visible()


def test_a_box_is_drawn_by_keys(page, stand_in, expect):
    pick(page)
    page.keyboard.press("x")
    page.locator("#canvas").focus()
    for key in ("ArrowLeft", "Enter", *["ArrowRight"] * 5, *["ArrowDown"] * 5, "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".object")).to_have_count(4)
    (asked,) = [json.loads(form["request"]) for form in stand_in.asked_for("/v1/refine")]
    step = 160 / 60
    assert asked["box"] == pytest.approx([80 - step, 60, 80 + 4 * step, 60 + 5.1 * step], abs=0.01)


def test_a_finger_draws_a_box(open_page, stand_in, expect):
    page = open_page(**SCREENS["phone"])
    canvas = pick(page)
    page.locator("[data-tool=box]").tap()
    session = page.context.new_cdp_session(page)
    for kind, place in (("touchStart", (70, 70)), ("touchMove", (80, 90)), ("touchMove", (90, 110))):
        x, y = canvas.place(*place)
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator(".object")).to_have_count(4)
    (asked,) = [json.loads(form["request"]) for form in stand_in.asked_for("/v1/refine")]
    assert asked["box"] == pytest.approx([70, 70, 90, 110], abs=1)


def test_a_finger_moves_the_slider_between_before_and_after(open_page, expect):
    page = open_page(**SCREENS["phone"])
    canvas = pick(page)
    page.locator("#compare").tap()
    session = page.context.new_cdp_session(page)
    for kind, place in (("touchStart", (80, 60)), ("touchMove", (60, 60)), ("touchMove", (40, 60))):
        x, y = canvas.place(*place)
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.get_by_role("slider", name="How much of the original")).to_have_attribute(
        "aria-valuenow", "25"
    )


def test_the_keyboard_is_enough(page, expect):
    pick(page)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_contain_text("Merge the selected ones")
    page.keyboard.press("Escape")
    pressed = page.locator(".object__button[aria-pressed=true] .object__name")
    page.keyboard.press("j")
    expect(pressed).to_have_text(["cat"])
    page.keyboard.press("j")
    expect(pressed).to_have_text(["dog"])
    page.keyboard.press("k")
    expect(pressed).to_have_text(["cat"])
    page.keyboard.press("F2")
    page.keyboard.type("tiger")
    page.keyboard.press("Enter")
    expect(page.locator(".object__name")).to_have_text(["tiger", "dog", "person"])
    page.keyboard.press("a")
    expect(page.locator("#hint")).to_have_text(
        "Click on what belongs to “tiger”; Esc first for a new object."
    )
    page.locator("#canvas").focus()
    page.keyboard.press("ArrowDown")  # a crosshair appears in the middle, at 80, 60
    page.keyboard.press("Enter")
    expect(page.locator(".object").first).to_contain_text("2,400 px")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    expect(page.locator("#objects-none")).to_be_visible()


def test_no_key_does_two_things(page):
    keys = page.evaluate(
        """async () => {
          const { page } = await import("/static/js/main.js");
          const { shortcutsOf } = await import("/static/js/page/shortcut-table.js");
          return shortcutsOf({ page, view: () => null }).flatMap(({ keys }) => keys);
        }"""
    )
    assert sorted(keys) == sorted(set(keys))
    assert len(keys) > 40


def test_single_letters_can_be_switched_off(page, expect):
    pick(page)
    page.keyboard.press("?")
    page.get_by_label("Single letters work as shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(page.locator("[data-tool=select]").first).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()


@pytest.mark.parametrize("root", [".tools", "#class-chips", "#files", "#object-list"])
def test_a_list_is_one_stop_of_the_tab_key_and_arrows_move_in_it(page, expect, root):
    pick(page)
    page.locator(".object__button").first.click()
    stops = page.locator(f"{root} button[tabindex='0']:enabled:visible")
    expect(stops).to_have_count(1)
    stops.first.focus()
    page.keyboard.press("Home")
    first = page.evaluate("() => document.activeElement.outerHTML")
    page.keyboard.press("ArrowDown")
    second = page.evaluate("() => document.activeElement.outerHTML")
    assert first != second
    expect(stops).to_have_count(1)
    expect(stops).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    expect(stops).to_be_focused()
    page.keyboard.press("Tab")
    assert not page.evaluate(f"() => document.querySelector('{root}').contains(document.activeElement)")


def test_what_is_chosen_is_seen_where_the_system_has_the_colors(open_page, artefacts):
    """Backgrounds say nothing there: borders and outlines do."""
    page = open_page(forced_colors="active")
    pick(page)
    page.locator(".object__button").first.click()
    page.screenshot(path=artefacts / "page-forced-colors.png")
    assert faults(page) == []
    outline = "(element) => getComputedStyle(element).outlineStyle"
    for chosen, other in (
        ("[data-tool=select]", "[data-tool=add]"),
        (".object:has([aria-pressed=true])", ".object:has(.object__button[aria-pressed=false])"),
        (".segments input:checked + span", ".segments input:not(:checked) + span"),
    ):
        assert page.locator(chosen).first.evaluate(outline) == "solid"
        assert page.locator(other).first.evaluate(outline) == "none"


def test_what_is_undone_and_done_again_is_announced(page, expect):
    pick(page)
    page.locator(".object__button", has_text="dog").click()
    page.keyboard.press("Delete")
    expect(page.locator("#announcements")).to_have_text("Deleted: 1 × dog. Undo brings it back.")
    page.keyboard.press("Control+z")
    expect(page.locator("#announcements")).to_have_text("Undone. 3 objects shown.")
    page.keyboard.press("Control+Shift+z")
    expect(page.locator("#announcements")).to_have_text("Done again. 2 objects shown.")


def test_the_pages_landmarks_and_live_words(page, expect):
    expect(page.get_by_role("banner")).to_be_visible()
    expect(page.get_by_role("main")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    pick(page)
    expect(page.get_by_role("toolbar", name="Tools")).to_be_visible()
    expect(page.get_by_role("application")).to_have_accessible_description(re.compile("arrow keys"))
    page.locator(".object__button", has_text="dog").click()
    expect(page.locator("#announcements")).to_have_text("dog selected")


def test_touch_selects_and_two_fingers_zoom(open_page, expect):
    page = open_page(**SCREENS["phone"])
    canvas = pick(page)
    page.touchscreen.tap(*canvas.place(110, 40))
    expect(page.locator(".object__button[aria-pressed=true]")).to_contain_text("dog")
    expect(page.locator(".object__button[aria-pressed=true]")).to_have_count(1)
    (x, y), session = canvas.place(80, 60), page.context.new_cdp_session(page)
    for kind, spread in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60), ("touchEnd", 0)):
        points = [{"x": x - spread, "y": y}, {"x": x + spread, "y": y}] if spread else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    until(page, "!(await import('/static/js/main.js')).page.stage.viewport.isFitted")
    assert canvas.place(80, 60) == pytest.approx((x, y), abs=3)


def test_a_finger_that_holds_adds_to_the_selection(open_page, expect):
    page = open_page(**SCREENS["phone"])
    canvas = pick(page)
    page.touchscreen.tap(*canvas.place(110, 40))
    x, y = canvas.place(30, 30)
    session, now = page.context.new_cdp_session(page), page.evaluate("Date.now() / 1000")
    touch = [{"x": x, "y": y}]
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": touch, "timestamp": now})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": [], "timestamp": now + 0.6})
    expect(page.locator(".object__button[aria-pressed=true]")).to_have_count(2)


def test_light_and_dark_can_be_chosen_and_stay(page):
    ground = "() => getComputedStyle(document.body).backgroundColor"
    button = page.locator("#theme")
    button.click()
    assert button.get_attribute("aria-label") == "Colors: light"
    light = page.evaluate(ground)
    button.click()
    assert button.get_attribute("aria-label") == "Colors: dark"
    other = f"light => ({ground})() !== light"  # colors of light-dark() follow with the next frame
    page.wait_for_function(other, arg=light)
    page.reload()
    page.wait_for_function(other, arg=light)


def test_the_canvas_has_every_pixel_of_the_screen(open_page):
    page = open_page(device_scale_factor=3, viewport={"width": 900, "height": 700})
    pick(page)
    until(page, "Math.abs(canvas.width - 3 * canvas.getBoundingClientRect().width) <= 2")


def test_every_module_is_preloaded(page):
    """So that the page needs one round trip, not one for each import of an import."""
    static = Path(__file__).parents[3] / "src" / "maskweave" / "serving" / "static"
    modules = {f"static/{path.relative_to(static).as_posix()}" for path in static.rglob("*.js")}
    named = page.evaluate(
        "() => [...document.querySelectorAll('link[rel=modulepreload], script')]"
        ".map((each) => each.getAttribute('href') ?? each.getAttribute('src'))"
    )
    assert set(named) == modules
