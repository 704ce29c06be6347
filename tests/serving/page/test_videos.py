"""What the page promises for videos."""

import json
from fractions import Fraction

import pytest

from maskweave.annotations.options import Options
from maskweave.annotations.report import Report
from maskweave.annotations.table import format_named
from tests.serving.page import scene
from tests.serving.page.conftest import KEPT, KNOWS_SERVER, SETTINGS, WAIT, Canvas, until
from tests.serving.page.stand_in import PREFIX

FRAME = "(await import('/static/js/main.js')).page.stage.painter.frame"


def load(page, video):
    """Open the clip and wait for its first frame."""
    page.set_input_files("#file", video)
    until(page, "(await import('/static/js/main.js')).page.stage.painter?.video?.videoWidth")
    return Canvas(page)


def run(page, video):
    canvas = load(page, video)
    follow(page)
    return canvas


def follow(page):
    """Have the clip followed and wait for the end of the job; objects are there earlier, and anew then."""
    page.get_by_role("button", name="Find and follow objects").click()
    page.locator(".file").first.wait_for()
    page.locator("#object-list .object").first.wait_for()


def seek(page, frame):
    """Go to a frame and wait until it is shown."""
    page.get_by_label("Place in the video").fill(str((frame + 0.5) / scene.RATE))
    until(page, f"{FRAME} === {frame}")


def test_a_video_is_followed_and_its_objects_are_listed(page, stand_in, video, expect):
    stand_in.gate.clear()
    canvas = load(page, video)
    assert canvas.color(60, 15) != scene.GROUND  # the first frame is there before anything is sent
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator("#busy")).to_contain_text("Frame 10 of 25")
    stand_in.gate.set()
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    expect(page.locator(".object").first).to_contain_text("25 of 25 frames")
    (query,) = [query for _, path, query, _ in stand_in.asked if path == "/v1/videos"]
    assert query["save"] == ["overlay,tracks,csv"]
    assert query["name"] == ["clip.mp4"]
    assert "score" not in query  # the model's own, as the command line asks
    assert stand_in.asked_for("/v1/videos")[0]["video"] == video.read_bytes()


def test_a_video_may_be_chosen_before_the_server_has_said_what_it_can_do(page, video, expect):
    held = []

    def hold(route):  # Playwright takes no method of a list
        held.append(route)

    page.route("**/v1/formats", hold)
    page.reload()
    page.set_input_files("#file", video)
    expect(page.locator("#work")).to_be_visible()
    held[0].continue_()
    expect(page.get_by_role("button", name="Find and follow objects")).to_be_visible()
    expect(page.locator("input[name=save]:checked")).to_have_count(3)


def test_masks_follow_the_frames(page, video):
    canvas = run(page, video)
    for frame in (3, 20):
        seek(page, frame)
        x, y = scene.walk(frame)
        page.get_by_label("Opacity").fill("1")
        covered = canvas.color(x + 10, y + 10)
        page.get_by_label("Opacity").fill("0")
        bare = canvas.color(x + 10, y + 10)
        assert bare != covered
        assert bare == pytest.approx((220, 200, 60), abs=25)  # H.264
    page.locator("#canvas").press("ArrowRight")
    until(page, f"{FRAME} === 21")


def test_masks_lie_over_objects_whose_pixels_are_not_square(page, stand_in, tmp_path):
    """The player shows them as wide as they are; the tracks count the file's own pixels."""
    video = scene.write_video(tmp_path / "wide.mp4", aspect=Fraction(2))
    canvas = load(page, video)
    page.get_by_role("button", name="Line: count").click()
    canvas.drag((20, 50), (240, 50))
    follow(page)
    (query,) = [query for _, path, query, _ in stand_in.asked if path == "/v1/videos"]
    assert query["drawn_on"] == ["256x96"]
    seek(page, 3)
    x, y = scene.walk(3)
    page.keyboard.press("Escape")  # no line any more: what is clicked is meant
    page.get_by_label("Opacity").fill("1")
    covered = [canvas.color(2 * x + shift, y + 10) for shift in (5, 20, 35)]
    beside = canvas.color(x + 10, y + 10)
    page.get_by_label("Opacity").fill("0")
    bare = [canvas.color(2 * x + shift, y + 10) for shift in (5, 20, 35)]
    assert all(one != other for one, other in zip(covered, bare, strict=True))
    assert canvas.color(x + 10, y + 10) == beside
    canvas.click(2 * x + 35, y + 10)
    page.locator(".object__button[aria-pressed=true]", has_text="cat").wait_for()


def test_a_video_that_begins_late_is_shown_on_one_clock(page, stand_in, tmp_path, expect):
    stand_in.begin = 1
    run(page, scene.write_video(tmp_path / "late.mp4", begin=1))
    page.get_by_label("Place in the video").fill(str(1 + 3.5 / scene.RATE))
    until(page, f"{FRAME} === 3")
    expect(page.locator(".track", has_text="cat")).to_have_accessible_name("cat 1, seen 1.0 s to 2.0 s")


def test_the_page_works_behind_a_proxy_that_serves_it_under_a_path(browser, stand_in, video):
    stand_in.reset()
    stand_in.playable = None
    page = browser.new_context(**SETTINGS).new_page()
    page.set_default_timeout(WAIT)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{stand_in.url}{PREFIX}/")
    page.wait_for_function(KNOWS_SERVER)
    page.locator("#task").select_option("semantic")  # the player then fetches the overlay itself
    page.set_input_files("#file", video)
    page.get_by_role("button", name="Find and follow objects").click()
    page.locator(".file").first.wait_for()
    page.context.close()
    elsewhere = [
        each for each in asked if not each.startswith((f"{stand_in.url}{PREFIX}/", "blob:", "data:"))
    ]
    assert elsewhere == []
    assert any(each.endswith("/results/video.overlay.mp4") for each in asked)


def test_an_object_is_followed_alone(page, video, expect):
    canvas = run(page, video)
    seek(page, 20)
    canvas.hover(100, 80)
    ground = canvas.color(20, 80)
    canvas.click(100, 20)  # the dog
    expect(page.locator(".object__button[aria-pressed=true]")).to_contain_text("dog")
    assert max(canvas.color(20, 80)) < max(ground) - 20  # the rest steps back
    page.keyboard.press("Escape")
    page.locator(".track", has_text="cat").click()
    expect(page.locator(".track[aria-pressed=true]")).to_have_accessible_name("cat 1, seen 0.0 s to 1.0 s")
    page.locator(".track", has_text="cat").click()
    seek(page, 2)
    page.locator(".track", has_text="dog").click()  # it is not in sight: the player goes there
    until(page, f"{FRAME} === 15")


def test_filters_hold_for_tracks_too(page, video, expect):
    run(page, video)
    page.locator("#score").fill("0.8")
    expect(page.locator(".object__name")).to_have_text(["cat"])
    expect(page.locator(".track:visible")).to_have_count(1)


def test_choosing_an_object_in_the_list_goes_to_where_it_is_seen(page, video, expect):
    run(page, video)
    expect(page.locator(".object__number")).to_have_text(["1", "2"])  # as on the image
    seek(page, 2)
    page.locator(".object__button", has_text="dog").click()
    until(page, f"{FRAME} === 15")


def test_the_slider_and_the_lanes_are_of_one_width(page, video):
    run(page, video)
    page.get_by_label("Place in the video").fill("0")
    seek(page, 12)
    until(
        page,
        """(() => {
          const [now, lane, bar] = [".player__now", ".track__lane", "#seek"].map((each) =>
            document.querySelector(each).getBoundingClientRect());
          const thumb = 16;
          const begin = Math.abs(bar.left + thumb / 2 - lane.left);
          const length = Math.abs(bar.width - thumb - lane.width);
          const share = document.querySelector("#seek").value / document.querySelector("#seek").max;
          const mark = Math.abs(now.left + 1 - lane.left - share * lane.width);
          return share > 0.4 && begin <= 1 && length <= 1 && mark <= 2;
        })()""",
    )


def test_the_timeline_has_those_in_sight_first(page, video, expect):
    run(page, video)
    page.mouse.move(5, 5)
    seek(page, 2)
    expect(page.locator(".track__name")).to_have_text(["cat 1", "dog 2"])
    page.locator(".track", has_text="cat").click()
    page.get_by_role("button", name="Cut here").click()
    expect(page.locator(".track__name")).to_have_count(3)
    page.mouse.move(5, 5)
    page.locator("#canvas").focus()
    seek(page, 20)
    expect(page.locator(".track__name")).to_have_text(["cat 3", "dog 2", "cat 1"])


def test_a_line_tool_draws_one_line(page, video, expect):
    canvas = load(page, video)
    page.get_by_role("button", name="Line: count").click()
    canvas.drag((10, 50), (120, 50))
    expect(page.locator("[data-tool=select]:visible")).to_have_attribute("aria-pressed", "true")
    canvas.drag((10, 60), (120, 60))
    expect(page.locator(".counter")).to_have_count(1)


def test_what_is_drawn_after_the_run_counts_at_once_and_follows_the_filter(page, video, expect):
    canvas = run(page, video)
    seek(page, 24)
    page.get_by_role("button", name="Line: count").click()
    canvas.drag((10, 50), (120, 50))
    page.get_by_role("button", name="Zone: count").click()
    for corner in ((85, 5), (120, 5), (120, 40), (85, 40), (85.5, 5.5)):
        canvas.click(*corner)
    expect(page.locator(".counter__count")).to_have_text(["1 forward, 0 back", "1 inside, 1 in all"])
    page.locator(".chip", has_text="cat").click()
    expect(page.locator(".counter__count")).to_have_text(["0 forward, 0 back", "1 inside, 1 in all"])
    page.locator(".chip", has_text="cat").click()
    page.locator("#score").fill("0.8")
    expect(page.locator(".counter__count")).to_have_text(["1 forward, 0 back", "0 inside, 0 in all"])


def test_masks_are_there_while_the_job_runs(page, stand_in, video, expect):
    stand_in.gate.clear()
    canvas = load(page, video)
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator(".object")).to_have_count(1)
    expect(page.locator(".object")).to_contain_text("10 of 10 frames")
    page.get_by_label("Opacity").fill("1")
    seek(page, 5)
    x, y = scene.walk(5)
    covered = canvas.color(x + 10, y + 10)
    page.get_by_label("Place in the video").fill(str(20.5 / scene.RATE))  # the job has not been there
    until(page, f"{FRAME} === -1")
    x, y = scene.walk(20)
    assert canvas.color(x + 10, y + 10) != covered
    stand_in.gate.set()
    expect(page.locator(".object")).to_have_count(2)


def test_leaving_asks_before_it_cancels_a_run(page, stand_in, video, expect):
    stand_in.gate.clear()
    load(page, video)
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator("#busy")).to_contain_text("Frame 10")
    page.locator("#home").click()
    expect(page.get_by_role("heading", name="still at work")).to_be_visible()
    page.get_by_role("button", name="Stay").click()
    expect(page.locator("#busy")).to_be_visible()
    page.locator("#home").click()
    with page.expect_request(lambda request: request.method == "DELETE"):
        page.get_by_role("button", name="Leave all the same").click()
    stand_in.gate.set()
    expect(page.get_by_role("heading", name="Drop an image")).to_be_visible()


def test_a_track_is_followed_anew_from_a_frame_on(page, stand_in, video, expect):
    run(page, video)
    page.locator(".object__button", has_text="cat").click()
    seek(page, 10)
    page.keyboard.press("w")
    expect(page.locator(".object", has_text="cat").first).to_contain_text("10 of 25 frames")
    page.locator(".object__button", has_text="cat").first.click()
    seek(page, 5)
    page.get_by_role("button", name="Follow from here").click()
    expect(page.locator(".object", has_text="cat").first).to_contain_text("25 of 25 frames")
    sent = next(form for form in stand_in.asked_for("/v1/videos") if "request" in form)
    (marked,) = json.loads(sent["request"])["masks"]
    assert (marked["frame"], [each["id"] for each in marked["objects"]]) == (5, [1])
    query = [query for _, path, query, _ in stand_in.asked if path == "/v1/videos"][-1]
    assert query["save"] == ["tracks"]
    assert "every" not in query
    expect(page.locator("#busy")).to_be_hidden()
    page.keyboard.press("Control+z")
    expect(page.locator(".object", has_text="cat").first).to_contain_text("10 of 25 frames")


def test_tracks_are_cut_merged_renamed_and_deleted(page, stand_in, video, tmp_path, expect):
    run(page, video)
    seek(page, 10)
    page.locator(".object__button", has_text="cat").click()
    page.keyboard.press("w")
    expect(page.locator(".object")).to_have_count(3)
    expect(page.locator(".object__detail")).to_contain_text(["10 of 25", "10 of 25", "15 of 25"])
    page.keyboard.press("F2")
    page.keyboard.type("tiger")
    page.keyboard.press("Enter")
    with page.expect_download() as download:
        page.locator(".file", has_text="clip.tracks.json").click()
    download.value.save_as(tmp_path / "clip.tracks.json")
    found = convert_tracks(tmp_path / "clip.tracks.json")
    assert found == {
        1: ("cat", list(range(10))),
        2: ("dog", list(range(15, 25))),
        3: ("tiger", list(range(10, 25))),
    }
    page.keyboard.press("Control+a")
    page.keyboard.press("m")
    expect(page.locator(".object__name")).to_have_text(["cat"])
    expect(page.locator(".object__detail")).to_contain_text(["25 of 25"])
    page.keyboard.press("Delete")
    expect(page.locator(".object")).to_have_count(0)
    for _ in range(4):
        page.keyboard.press("Control+z")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def convert_tracks(path):
    """What our own reader finds in a tracks file: {id: (class, frames)}."""
    found = {}
    for record in format_named("youtube-vis").read(path, Options(), Report()):
        instances = record.instances
        for name, each in zip(instances.names, instances.track_ids.tolist(), strict=True):
            found.setdefault(each, (name, []))[1].append(record.frame)
    return dict(sorted(found.items()))


def test_lines_and_zones_are_drawn_sent_and_counted(page, stand_in, video, expect):
    canvas = load(page, video)
    page.get_by_role("button", name="Line: count").click()
    canvas.drag((10, 50), (120, 50))
    page.get_by_role("button", name="Zone: count").click()
    for corner in ((40, 40), (90, 40), (90, 90), (40, 90), (40.5, 40.5)):
        canvas.click(*corner)
    name = page.get_by_label("Name of line 1")
    name.fill("gate")
    name.press("Tab")
    follow(page)
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


def test_lines_and_zones_are_drawn_by_keys(page, stand_in, video, expect):
    load(page, video)
    page.locator("#canvas").focus()
    page.keyboard.press("l")
    for key in ("ArrowDown", "Enter", *["ArrowRight"] * 6, "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_label("Name of line 1")).to_be_visible()
    page.keyboard.press("z")
    for key in ("Enter", *["ArrowUp"] * 8, "Enter", *["ArrowLeft"] * 8, "Enter", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_label("Name of zone 1")).to_be_visible()
    follow(page)
    (query,) = [query for _, path, query, _ in stand_in.asked if path == "/v1/videos"]
    step = 128 / 60
    numbers = [float(each) for each in query["line"][0].partition("=")[0].split(",")]
    assert numbers == pytest.approx([64, 48 + step, 64 + 6 * step, 48 + step], abs=0.1)
    assert query["zone"][0].count(",") == 5  # three corners: Enter twice has closed it


def test_a_video_is_steered_by_keys(page, video, expect):
    run(page, video)
    page.locator(".track", has_text="dog").focus()
    page.keyboard.press("Enter")
    until(page, f"{FRAME} === 15")  # where it is seen first
    expect(page.locator(".object__button[aria-pressed=true] .object__name")).to_have_text("dog")
    page.locator("#canvas").focus()
    page.keyboard.press("ArrowLeft")
    until(page, f"{FRAME} === 14")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_a_video_can_be_dropped(page, video, expect):
    transfer = page.evaluate_handle(
        """(data) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(data)], "clip.mp4", { type: "video/mp4" }));
          return transfer;
        }""",
        list(video.read_bytes()),
    )
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    expect(page.get_by_role("button", name="Find and follow objects")).to_be_visible()
    until(page, "(await import('/static/js/main.js')).page.stage.painter?.video?.videoWidth === 128")


def test_the_files_of_a_run_can_be_had(page, video):
    run(page, video)
    assert page.locator(".file", has_text="clip.csv").inner_text().startswith("clip.csv\na table")
    with page.expect_download() as download:
        page.locator(".file", has_text="clip.tracks.json").click()
    assert download.value.suggested_filename == "clip.tracks.json"


def test_other_files_have_the_corrections_too(page, stand_in, video, tmp_path, expect):
    run(page, video)
    expect(page.locator("#download-what")).to_have_text("The files of this run.")
    page.locator(".object__button", has_text="dog").click()
    page.keyboard.press("Delete")
    expect(page.locator("#download-what")).to_have_text("With your corrections, where not said otherwise.")
    expect(page.locator(".file", has_text="clip.overlay.mp4")).to_contain_text("made anew when you get it")
    with page.expect_download() as download:
        page.locator(".file", has_text="clip.csv").click()
    assert download.value.suggested_filename == "clip.csv"
    (sent,) = stand_in.asked_for("/v1/tracks/export")
    assert json.loads(sent["request"]) == {"format": "csv"}
    assert [each["track_id"] for each in json.loads(sent["tracks"])["annotations"]] == [1]
    for button in (page.locator(".file", has_text="clip.overlay.mp4"), page.locator("#download-all")):
        with page.expect_download():
            button.click()
    (drawn,) = stand_in.asked_for("/v1/videos/tracks")  # once for both
    assert [each["track_id"] for each in json.loads(drawn["tracks"])["annotations"]] == [1]
    assert drawn["video"] == video.read_bytes()
    expect(page.locator("#busy")).to_be_hidden()
    page.keyboard.press("Control+z")
    expect(page.locator("#download-what")).to_have_text("The files of this run.")


def test_why_a_video_is_not_drawn_anew_is_said(page, stand_in, video, expect):
    run(page, video)
    page.locator(".object__button", has_text="dog").click()
    page.keyboard.press("Delete")
    stand_in.ending = "failed"
    page.locator(".file", has_text="clip.overlay.mp4").click()
    expect(page.locator(".note--error")).to_contain_text("need images of one size")
    expect(page.locator("#busy")).to_be_hidden()
    stand_in.ending = "done"
    with page.expect_download():
        page.get_by_role("button", name="Try again").click()


def test_the_servers_overlay_is_played_where_the_browser_cannot_play_the_file(page, stand_in, video, expect):
    page.set_input_files(
        "#file", {"name": "old.avi", "mimeType": "video/x-msvideo", "buffer": video.read_bytes()[:99]}
    )
    expect(page.get_by_role("alert")).to_contain_text("cannot play the file")
    stand_in.playable = video.read_bytes()
    follow(page)
    until(page, "(await import('/static/js/main.js')).page.stage.painter.video.videoWidth === 128")
    seek(page, 20)
    assert Canvas(page).color(60, 55) == pytest.approx((220, 200, 60), abs=25)


def test_a_file_that_the_browser_cannot_play_has_its_timeline_while_the_job_runs(
    page, stand_in, video, expect
):
    stand_in.begin = 100
    stand_in.gate.clear()
    stand_in.playable = video.read_bytes()
    page.set_input_files(
        "#file", {"name": "old.avi", "mimeType": "video/x-msvideo", "buffer": video.read_bytes()[:99]}
    )
    expect(page.get_by_role("alert")).to_contain_text("cannot play the file")
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator(".object")).to_contain_text("10 of 10 frames")
    in_its_lane = """(() => {
      const [lane, bar] = [".track__lane", ".track__bar"].map((each) =>
        document.querySelector(each).getBoundingClientRect());
      return Math.abs(bar.left - lane.left) <= 1 && bar.right <= lane.right + 3 && bar.width > lane.width / 3;
    })()"""
    until(page, in_its_lane)
    stand_in.gate.set()
    page.locator(".file").first.wait_for()
    until(page, in_its_lane)


def test_another_task_plays_the_overlay(page, stand_in, video, expect):
    load(page, video)
    page.locator("#task").select_option("semantic")
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator(".file")).to_have_count(2)
    assert "results/video.overlay.mp4" in page.evaluate(
        "async () => (await import('/static/js/main.js')).page.stage.painter.video.src"
    )


def test_a_token_also_opens_what_the_player_fetches(open_page, stand_in, video, expect):
    stand_in.token = "sesame"
    page = open_page(accept_downloads=True)
    page.get_by_label("Token", exact=True).fill("sesame")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#token")).to_be_hidden()
    run(page, video)
    with page.expect_download() as download:
        page.locator(".file", has_text="clip.csv").click()
    assert download.value.failure() is None


def test_a_job_that_fails_is_told_and_can_be_begun_again(page, stand_in, video, expect):
    load(page, video)
    stand_in.ending = "failed"
    start = page.get_by_role("button", name="Find and follow objects")
    start.click()
    expect(page.get_by_role("alert")).to_contain_text("video: need images of one size")
    expect(page.locator("#busy")).to_be_hidden()
    stand_in.ending = "done"
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])


def test_a_job_is_followed_though_its_events_break_off(page, stand_in, video, expect):
    load(page, video)
    stand_in.ending = "broken"
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    assert stand_in.asked_for("/v1/jobs/7")  # its state was asked for instead


def test_cancelling_removes_the_job(page, stand_in, video, expect):
    stand_in.gate.clear()
    load(page, video)
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator("#busy")).to_contain_text("Frame 10")
    with page.expect_request(lambda request: request.method == "DELETE"):
        page.get_by_role("button", name="Cancel").click()
    stand_in.gate.set()


def test_earlier_videos_come_back(open_page, stand_in, video, expect):
    page = open_page(locale="en-GB")
    run(page, video)
    until(page, f"(await {KEPT}.keptResults()).length === 1")
    page.reload()
    page.locator("#recent .card__open", has_text="clip.mp4").click()
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    assert len(stand_in.asked_for("/v1/videos")) == 1


def test_others_stay_to_be_selected_beside_one_that_is(page, video, expect):
    canvas = run(page, video)
    seek(page, 20)
    canvas.click(100, 20)  # the dog
    x, y = scene.walk(20)
    canvas.click(x + 10, y + 10, modifiers=["Shift"])
    expect(page.locator(".object__button[aria-pressed=true]")).to_have_count(2)
    page.keyboard.press("m")
    expect(page.locator(".object")).to_have_count(1)


def test_a_search_ends_in_a_selection_and_letters_are_tools_again(page, video, expect):
    run(page, video)
    page.keyboard.press("/")
    page.get_by_label("Search the objects").fill("dog")
    expect(page.locator(".object")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator(".object")).to_have_count(2)
    expect(page.locator(".object__button[aria-pressed=true]")).to_contain_text("dog")
    page.keyboard.press("Delete")
    expect(page.locator(".object__name")).to_have_text(["cat"])
