"""What the page promises for videos."""

import pytest

from tests.serving.page import scene
from tests.serving.page.conftest import KEPT, Picture, names, until

FRAME = "(await import('/static/js/main.js')).page.stage.painter.frame"


@pytest.fixture
def expect():
    return pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return scene.write_film(tmp_path_factory.mktemp("film") / "film.mp4")


def load(page, film):
    """Open the clip and wait for its first frame."""
    page.set_input_files("#file", film)
    until(page, "(await import('/static/js/main.js')).page.stage.painter?.video?.videoWidth")
    return Picture(page)


def run(page, film):
    picture = load(page, film)
    page.get_by_role("button", name="Find and follow objects").click()
    page.locator("#object-list .object").first.wait_for()
    return picture


def seek(page, frame):
    """Go to a frame and wait until it is shown."""
    page.get_by_label("Place in the video").fill(str((frame + 0.5) / scene.RATE))
    until(page, f"{FRAME} === {frame}")


def test_a_video_is_followed_and_its_objects_are_listed(page, stand_in, film, expect):
    stand_in.gate.clear()
    picture = load(page, film)
    assert picture.colour(60, 15) != scene.GROUND  # the first frame is there before anything is sent
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator("#busy")).to_contain_text("Frame 10 of 25")
    stand_in.gate.set()
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    expect(page.locator(".object").first).to_contain_text("25 of 25 frames")
    (query,) = [query for _, path, query, _ in stand_in.asked if path == "/v1/videos"]
    assert query["save"] == ["overlay,tracks,csv"]
    assert stand_in.asked_for("/v1/videos")[0]["video"] == film.read_bytes()


def test_masks_follow_the_frames(page, film):
    picture = run(page, film)
    for frame in (3, 20):
        seek(page, frame)
        x, y = scene.walk(frame)
        page.get_by_label("Opacity").fill("1")
        covered = picture.colour(x + 10, y + 10)
        page.get_by_label("Opacity").fill("0")
        bare = picture.colour(x + 10, y + 10)
        assert bare != covered
        assert bare == pytest.approx((220, 200, 60), abs=25)  # H.264
    page.locator("#canvas").press("ArrowRight")
    until(page, f"{FRAME} === 21")


def test_an_object_is_followed_alone(page, film, expect):
    picture = run(page, film)
    seek(page, 20)
    picture.hover(100, 80)
    ground = picture.colour(20, 80)
    picture.click(100, 20)  # the dog
    expect(page.locator(".object__button[aria-pressed=true]")).to_contain_text("dog")
    assert max(picture.colour(20, 80)) < max(ground) - 20  # the rest steps back
    page.keyboard.press("Escape")
    page.locator(".track", has_text="cat").click()
    expect(page.locator(".track[aria-pressed=true]")).to_have_accessible_name("cat 1, seen 0.0 s to 1.0 s")
    page.locator(".track", has_text="cat").click()
    seek(page, 2)
    page.locator(".track", has_text="dog").click()  # it is not in sight: the player goes there
    until(page, f"{FRAME} === 15")


def test_filters_hold_for_tracks_too(page, film, expect):
    run(page, film)
    page.get_by_label("Least score").fill("0.8")
    assert names(page) == ["cat"]
    expect(page.locator(".track:visible")).to_have_count(1)


def test_lines_and_zones_are_drawn_sent_and_counted(page, stand_in, film, expect):
    picture = load(page, film)
    page.get_by_role("button", name="Line: count").click()
    picture.drag((10, 50), (120, 50))
    page.get_by_role("button", name="Zone: count").click()
    for corner in ((40, 40), (90, 40), (90, 90), (40, 90), (40.5, 40.5)):
        picture.click(*corner)
    name = page.get_by_label("Name of line 1")
    name.fill("gate")
    name.press("Tab")
    page.get_by_role("button", name="Find and follow objects").click()
    page.locator("#object-list .object").first.wait_for()
    (query,) = [query for _, path, query, _ in stand_in.asked if path == "/v1/videos"]
    numbers, _, named = query["line"][0].partition("=")
    assert named == "gate"
    assert [float(each) for each in numbers.split(",")] == pytest.approx([10, 50, 120, 50], abs=1)
    assert query["zone"][0].count(",") == 7  # four corners: the fifth click has closed it
    seek(page, 2)
    gate = page.locator(".counter", has=page.get_by_label("Name of gate"))
    expect(gate).to_contain_text("0 forward, 0 back")
    seek(page, 24)
    expect(gate).to_contain_text("1 forward, 0 back")
    expect(page.locator(".counter").last).to_contain_text("1 inside, 1 in all")
    page.get_by_role("button", name="Remove gate").click()
    expect(page.locator(".counter")).to_have_count(1)


def test_lines_and_zones_are_drawn_by_keys(page, stand_in, film, expect):
    load(page, film)
    page.locator("#canvas").focus()
    page.keyboard.press("l")
    for key in ("ArrowDown", "Enter", *["ArrowRight"] * 6, "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_label("Name of line 1")).to_be_visible()
    page.keyboard.press("z")
    for key in ("Enter", *["ArrowUp"] * 8, "Enter", *["ArrowLeft"] * 8, "Enter", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_label("Name of zone 1")).to_be_visible()
    page.get_by_role("button", name="Find and follow objects").click()
    page.locator("#object-list .object").first.wait_for()
    (query,) = [query for _, path, query, _ in stand_in.asked if path == "/v1/videos"]
    step = 128 / 60
    numbers = [float(each) for each in query["line"][0].partition("=")[0].split(",")]
    assert numbers == pytest.approx([64, 48 + step, 64 + 6 * step, 48 + step], abs=0.1)
    assert query["zone"][0].count(",") == 5  # three corners: Enter twice has closed it


def test_a_video_is_steered_by_keys(page, film, expect):
    run(page, film)
    page.locator(".track", has_text="dog").focus()
    page.keyboard.press("Enter")
    until(page, f"{FRAME} === 15")  # where it is seen first
    expect(page.locator(".object__button[aria-pressed=true] .object__name")).to_have_text("dog")
    page.locator("#canvas").focus()
    page.keyboard.press("ArrowLeft")
    until(page, f"{FRAME} === 14")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_a_video_can_be_dropped(page, film, expect):
    transfer = page.evaluate_handle(
        """(data) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(data)], "film.mp4", { type: "video/mp4" }));
          return transfer;
        }""",
        list(film.read_bytes()),
    )
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    expect(page.get_by_role("button", name="Find and follow objects")).to_be_visible()
    until(page, "(await import('/static/js/main.js')).page.stage.painter?.video?.videoWidth === 128")


def test_the_files_of_a_run_can_be_had(page, film):
    run(page, film)
    assert page.locator(".file", has_text="film.csv").inner_text().startswith("film.csv\na table")
    with page.expect_download() as download:
        page.locator(".file", has_text="film.tracks.json").click()
    assert download.value.suggested_filename == "film.tracks.json"


def test_the_servers_overlay_is_played_where_the_browser_cannot_play_the_file(page, stand_in, film, expect):
    page.set_input_files(
        "#file", {"name": "old.avi", "mimeType": "video/x-msvideo", "buffer": film.read_bytes()[:99]}
    )
    expect(page.get_by_role("alert")).to_contain_text("cannot play the file")
    stand_in.playable = film.read_bytes()
    page.get_by_role("button", name="Find and follow objects").click()
    page.locator("#object-list .object").first.wait_for()
    until(page, "(await import('/static/js/main.js')).page.stage.painter.video.videoWidth === 128")
    seek(page, 20)
    assert Picture(page).colour(60, 55) == pytest.approx((220, 200, 60), abs=25)


def test_another_task_plays_the_overlay(page, stand_in, film, expect):
    load(page, film)
    page.locator("#task").select_option("semantic")
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator(".file")).to_have_count(2)
    assert "results/video.overlay.mp4" in page.evaluate(
        "async () => (await import('/static/js/main.js')).page.stage.painter.video.src"
    )


def test_a_token_also_opens_what_the_player_fetches(open_page, stand_in, film, expect):
    stand_in.token = "sesame"
    page = open_page(accept_downloads=True)
    page.get_by_label("Token", exact=True).fill("sesame")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#token")).to_be_hidden()
    run(page, film)
    with page.expect_download() as download:
        page.locator(".file", has_text="film.csv").click()
    assert download.value.failure() is None


def test_a_job_that_fails_is_told_and_can_be_begun_again(page, stand_in, film, expect):
    load(page, film)
    stand_in.ending = "failed"
    start = page.get_by_role("button", name="Find and follow objects")
    start.click()
    expect(page.get_by_role("alert")).to_contain_text("video: need pictures of one size")
    expect(page.locator("#busy")).to_be_hidden()
    stand_in.ending = "done"
    start.click()
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])


def test_a_job_is_followed_though_its_events_break_off(page, stand_in, film, expect):
    load(page, film)
    stand_in.ending = "broken"
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    assert stand_in.asked_for("/v1/jobs/7")  # its state was asked for instead


def test_cancelling_removes_the_job(page, stand_in, film, expect):
    stand_in.gate.clear()
    load(page, film)
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator("#busy")).to_contain_text("Frame 10")
    with page.expect_request(lambda request: request.method == "DELETE"):
        page.get_by_role("button", name="Cancel").click()
    stand_in.gate.set()


def test_earlier_videos_come_back(open_page, stand_in, film, expect):
    page = open_page(locale="en-GB")
    run(page, film)
    until(page, f"(await {KEPT}.keptResults()).length === 1")
    page.reload()
    page.locator("#recent .card__open", has_text="film.mp4").click()
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    assert len(stand_in.asked_for("/v1/videos")) == 1
