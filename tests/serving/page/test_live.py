"""Live video on the page: a fake camera, a file, or frames of the server; and what fails."""

import json
import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.clips import Clip, write_clip
from tests.serving.page import scene
from tests.serving.page.conftest import KEPT, Canvas, until, until_true
from tests.serving.page.test_screens import SCREENS, faults, too_wide

READY = {
    "model": "drawn",
    "task": "instances",
    "default_score": 0.35,
    "class_names": ["person", "cat"],
}
VIEW = "(await import('/static/js/main.js')).page.view"


def size_of(jpeg):
    with Image.open(BytesIO(jpeg)) as image:
        assert image.format == "JPEG"
        return image.height, image.width


def objects_in(size):
    """A person in the left half, a cat in a quarter of the right one."""
    height, width = size
    person, cat = np.zeros((2, height, width), bool)
    person[height // 4 :, width // 8 : width // 2] = True
    cat[height // 2 : height * 3 // 4, width * 5 // 8 : width * 7 // 8] = True
    return [
        {"id": number, "class": name, "score": score, **scene.found(mask)}
        for number, name, score, mask in ((1, "person", 0.9, person), (7, "cat", 0.6, cat))
    ]


class LiveServer:
    """The other end of the page's WebSocket: finds the same two objects in every frame."""

    def __init__(self):
        self.asked = []  # the first message of each connection
        self.told = []  # what is said later
        self.frames = []  # [number, seconds, size]
        self.answers = True  # else frames are taken and never answered
        self.refusal = None  # instead of the first answer
        self.refused = None  # instead of what is found in a frame
        self.sends = 0  # frames that it sends itself
        self.sockets = []
        self._objects = {}

    def connect(self, socket):
        self.sockets.append(socket)
        is_new = True

        def receive(message):
            nonlocal is_new
            if isinstance(message, bytes):
                self._answer(socket, message)
            elif is_new:
                is_new = False
                self._begin(socket, json.loads(message))
            else:
                self.told.append(json.loads(message))

        socket.on_message(receive)

    def _begin(self, socket, asked):
        self.asked.append(asked)
        if self.refusal is not None:
            self.say(error={"kind": "Problem", "detail": self.refusal})
            socket.close()
            return
        self.say(ready=READY)
        for number in range(self.sends):
            self.send_frame(number)

    def say(self, **message):
        self.sockets[-1].send(json.dumps(message))

    def send_frame(self, number):
        jpeg = scene.encoded(scene.image(), "JPEG")
        text = json.dumps(self._found(number, scene.SIZE)).encode()
        self.sockets[-1].send(struct.pack("<I", len(text)) + text + jpeg)

    def _answer(self, socket, message):
        number, seconds = struct.unpack_from("<Id", message)
        size = size_of(message[12:])
        self.frames.append((number, seconds, size))
        if self.refused is not None:
            self.say(frame=number, refused=self.refused)
        elif self.answers:
            socket.send(json.dumps(self._found(number, size)))

    def _found(self, number, size):
        if size not in self._objects:
            self._objects[size] = objects_in(size)
        counts = {"lines": {"line 1": [2, 1]}, "zones": {"zone 1": [1, 3]}}
        return {
            "frame": number,
            "time": number / 25,
            "size": list(size),
            "objects": self._objects[size],
            "counts": counts,
            "skipped": 0,
        }


@pytest.fixture
def server():
    return LiveServer()


@pytest.fixture
def open_live(open_page, server):
    """Open the page with the other end of its WebSocket."""

    def open_live(fragment="", **options):
        page = open_page(**options)
        page.route_web_socket(lambda url: url.endswith("/v1/live"), server.connect)
        page.goto(f"{page.url.split('#')[0]}{fragment}")
        if fragment:
            page.reload()
        return page

    return open_live


def go_live(page):
    """Open the fake camera and wait for its first frame with objects."""
    page.get_by_role("button", name="Live camera").click()
    shown(page)
    return Canvas(page)


def shown(page):
    until(page, f"{VIEW}?.pace?.rate > 0")


def shown_frames(server):
    """The numbers of its frames that the page says it has shown, in order."""
    return [each["shown"] for each in server.told if "shown" in each]


# What is shown


def test_the_camera_is_shown_with_masks_names_ids_and_counts(open_live, server, expect):
    page = open_live()
    go_live(page)
    assert server.asked[0]["task"] == "instances"
    numbers, seconds = [each[0] for each in server.frames], [each[1] for each in server.frames]
    assert numbers == sorted(set(numbers))
    assert seconds == sorted(seconds)
    assert server.frames[0][2] == (480, 640)
    expect(page.locator("#live-counts .chip")).to_have_text(["person1", "cat1"])
    expect(page.locator("#live-count")).to_have_text("2 objects")
    expect(page.locator("#canvas")).to_have_attribute("aria-label", "Live: 1 × person, 1 × cat")
    expect(page.locator("#live-now")).to_contain_text("ms behind")
    assert faults(page) == []
    page.get_by_role("button", name="End the live video").click()
    expect(page.locator("#welcome")).to_be_visible()
    expect(page.locator("#live-bar")).to_be_hidden()


def test_a_class_that_is_pressed_is_not_shown(open_live, server, expect):
    page = open_live()
    canvas = go_live(page)
    server.answers = False
    page.locator("#opacity").fill("1")
    over_cat = canvas.color(480, 300)
    page.locator("#live-counts .chip", has_text="cat").click()
    assert canvas.color(480, 300) != over_cat
    expect(page.locator("#live-counts .chip", has_text="cat")).to_have_attribute("aria-pressed", "false")


def test_at_most_two_frames_are_on_their_way(open_live, server, expect):
    page = open_live()
    server.answers = False
    page.get_by_role("button", name="Live camera").click()
    until(page, f"{VIEW}?.kind === 'live'")
    page.wait_for_function("() => document.querySelector('#live-keep').options.length > 0")
    frames = """async () => {
      const { view } = (await import("/static/js/main.js")).page;
      for (let frame = 0; frame < 30; frame += 1) await new Promise(requestAnimationFrame);
      return view.kind;
    }"""
    for _ in range(5):
        page.evaluate(frames)
    assert len(server.frames) == 2


def test_the_background_is_blurred_replaced_or_cut_out(open_live, server, expect):
    page = open_live()
    canvas = go_live(page)
    server.answers = False
    page.locator("#live-ground").select_option("color")
    page.locator("#live-color").fill("#ff00ff")
    expect(page.locator("#live-marks")).not_to_be_checked()
    assert page.locator("#live-keep").input_value() == "person"
    assert canvas.color(600, 40) == (255, 0, 255)
    assert canvas.color(480, 300) == (255, 0, 255)  # the cat is no person
    assert canvas.color(200, 300) != (255, 0, 255)
    page.locator("#live-keep").select_option("")
    assert canvas.color(480, 300) != (255, 0, 255)
    image = np.full((30, 40, 3), (10, 200, 30), np.uint8)
    page.locator("#live-ground").select_option("image")
    page.set_input_files(
        "#live-image", {"name": "beach.png", "mimeType": "image/png", "buffer": scene.encoded(image)}
    )
    until(page, f"{VIEW} && document.querySelector('#live-image-refused').hidden")
    page.wait_for_function("() => document.querySelector('#live-ground').value === 'image'")
    until(page, "(await import('/static/js/main.js')).page.stage.painter.frame")
    assert _soon(page, canvas, (600, 40), (10, 200, 30))
    page.set_input_files("#live-image", {"name": "beach.png", "mimeType": "image/png", "buffer": b"nothing"})
    expect(page.locator("#live-image-refused")).to_be_visible()
    page.locator("#live-ground").select_option("transparent")
    assert canvas.color(600, 40) in ((244, 244, 244), (217, 217, 217))
    page.locator("#live-ground").select_option("blur")
    page.locator("#live-ground").select_option("none")
    expect(page.locator("#live-marks")).to_be_checked()


def _soon(page, canvas, place, color):
    for _ in range(200):
        if canvas.color(*place) == color:
            return True
        page.evaluate("() => new Promise(requestAnimationFrame)")
    return False


def test_lines_are_drawn_and_counted_by_the_server(open_live, server, expect):
    page = open_live()
    canvas = go_live(page)
    page.get_by_role("button", name="Line: count").click()
    canvas.drag((100, 100), (500, 100))
    expect(page.locator(".counter__count")).to_have_text("2 forward, 1 back")
    until(page, "document.querySelector('#counter-list .counter')")
    told = server.told[-1]
    assert told["drawn_on"] == "640x480"
    assert told["zone"] == []
    (line,) = told["line"]
    assert line.endswith("=line 1")
    assert [float(each) for each in line.split("=")[0].split(",")] == pytest.approx(
        [100, 100, 500, 100], abs=2
    )
    page.get_by_role("button", name="Remove line 1").click()
    expect(page.locator(".counter")).to_have_count(0)
    until(page, "document.querySelector('#counters-none').checkVisibility()")
    assert server.told[-1]["line"] == []


# Pause and correct


def test_a_paused_frame_is_corrected_with_the_tools_for_images(open_live, server, stand_in, expect):
    stand_in.result = {**stand_in.result, "size": [480, 640]}
    page = open_live()
    go_live(page)
    page.keyboard.press("Space")
    expect(page.locator(".object__name").first).to_be_visible()
    expect(page.locator(".object__name")).to_have_text(["person", "cat"])
    expect(page.locator("#live-pause")).to_have_text("Go on")
    expect(page.locator("#live-now")).to_have_text("Paused")
    canvas = Canvas(page)
    canvas.click(200, 300)
    page.keyboard.press("r")
    canvas.click(120, 200)
    expect(page.locator("#undo")).to_be_enabled()
    (form,) = stand_in.asked_for("/v1/refine")
    assert size_of(form["image"]) == (480, 640)
    assert json.loads(form["request"])["points"][0][2] == 0
    assert faults(page) == []
    until(page, f"(await {KEPT}.keptResults()).length === 1")
    before = len(server.frames)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#live-pause")).to_have_text("Pause")
    shown(page)
    assert len(server.frames) > before
    assert len(server.asked) == 1  # the same connection, so that ids stay
    expect(page.locator("#objects")).to_be_hidden()


def test_a_connection_that_ends_during_a_pause_is_opened_again(open_live, server, expect):
    page = open_live()
    go_live(page)
    page.keyboard.press("Space")
    expect(page.locator(".object__name").first).to_be_visible()
    server.say(error={"kind": "RequestTimeout", "detail": "live: nothing came for 300 seconds"})
    page.get_by_role("button", name="Go on").click()
    until(page, f"{VIEW}?.pace?.rate > 0")
    assert len(server.asked) == 2


# Recording


def test_what_is_shown_is_recorded_to_a_file_that_plays(open_live, server, expect):
    page = open_live(accept_downloads=True)
    go_live(page)
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#live-now")).to_contain_text("Recording 0:0")
    page.locator("#home").click()
    expect(page.locator("#leave")).to_contain_text("The recording is not saved")
    page.get_by_role("button", name="Stay").click()
    count = len(server.frames)
    page.wait_for_function("() => document.querySelector('#live-now').textContent.includes('Recording')")
    until_true(page, lambda: len(server.frames) >= count + 30)
    with page.expect_download() as saved:
        page.get_by_role("button", name="End and save").click()
    assert saved.value.suggested_filename == "live.webm"
    frames = _frames_of(saved.value.path())
    assert len(frames) >= 3
    assert frames[-1].shape == (480, 640, 3)
    assert frames[-1].std() > 5


def recorded(page, server):
    """Record some frames; returns the file."""
    page.get_by_role("button", name="Record").click()
    until(page, "document.querySelector('#live-now').textContent.includes('Recording 0:01')")
    count = len(server.frames)
    until_true(page, lambda: len(server.frames) >= count + 30)
    with page.expect_download() as saved:
        page.get_by_role("button", name="End and save").click()
    return saved.value.path()


def loudness(path):
    """The root mean square of a file's audio, of 1 at most; None where it has no audio."""
    import av

    with av.open(str(path)) as file:
        if not file.streams.audio:
            return None
        resampler = av.AudioResampler("flt", "mono", 48000)
        pieces = [each.to_ndarray() for frame in file.decode(audio=0) for each in resampler.resample(frame)]
    return float(np.sqrt(np.mean(np.concatenate(pieces, axis=1) ** 2)))


REFUSE = """() => {{
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("x", "{error}"));
}}"""
LISTEN = """() => {
  const devices = navigator.mediaDevices;
  const ask = devices.getUserMedia.bind(devices);
  window.microphones = [];
  devices.getUserMedia = async (wish) => {
    const stream = await ask(wish);
    window.microphones.push(...stream.getAudioTracks());
    return stream;
  };
}"""


def test_the_microphone_is_recorded_where_audio_is_wanted_and_released_then(open_live, server, expect):
    page = open_live(accept_downloads=True)
    page.evaluate(LISTEN)
    go_live(page)
    assert loudness(recorded(page, server)) is None
    assert page.evaluate("() => window.microphones.length") == 0
    page.get_by_label("with audio").check()
    assert page.evaluate("() => window.microphones.length") == 0
    path = recorded(page, server)
    assert loudness(path) > 0.001  # Chromium's false microphone beeps
    assert len(_frames_of(path)) >= 3
    assert page.evaluate("() => window.microphones.map((each) => each.readyState)") == ["ended"]


def test_a_recording_goes_without_audio_where_the_microphone_is_not_allowed(open_live, server, expect):
    page = open_live(accept_downloads=True)
    go_live(page)
    page.evaluate(REFUSE.format(error="NotAllowedError"))
    page.get_by_label("with audio").check()
    assert loudness(recorded(page, server)) is None
    expect(page.locator(".note--error")).to_contain_text("does not allow the microphone")
    expect(page.locator(".note--error")).to_contain_text("The recording is without audio.")


def test_the_audio_of_a_file_is_recorded_without_a_microphone(open_live, server, video, tmp_path, expect):
    page = open_live(accept_downloads=True)
    page.evaluate(LISTEN)
    go_live(page)
    loud = write_clip(tmp_path / "loud.mp4", Clip(size=scene.VIDEO_SIZE, audio="aac", ticks=range(75)))
    for path, is_loud in ((loud, True), (video, False)):
        page.set_input_files("#live-file", path)
        expect(page.locator("#about-run")).to_contain_text(path.name)
        shown(page)
        page.get_by_label("with audio").check()
        found = loudness(recorded(page, server))
        assert found > 0.01 if is_loud else found is None
    expect(page.locator(".note--error")).to_contain_text("The file has no audio.")
    assert page.evaluate("() => window.microphones.length") == 0


def _frames_of(path):
    import av

    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


# Other sources


def test_a_file_of_this_device_is_played_live(open_live, server, video, expect):
    page = open_live()
    go_live(page)
    page.set_input_files("#live-file", video)
    until_true(page, lambda: server.frames and server.frames[-1][2] == scene.VIDEO_SIZE)
    shown(page)
    expect(page.locator("#about-run")).to_contain_text("clip.mp4")
    page.set_input_files("#live-file", {"name": "no.mp4", "mimeType": "video/mp4", "buffer": b"nothing"})
    expect(page.locator(".note").last).to_contain_text("cannot play “no.mp4”")


def test_frames_of_the_server_are_shown_and_said_to_be(open_live, server, stand_in, expect):
    stand_in.live = {"sources": ["camera:0", "rtsp://camera.local/one"], "streams": True}
    server.sends = 2
    page = open_live("#live=1&score=0.5&line=10,20,100,20=gate")
    shown(page)
    (asked,) = server.asked
    assert (asked["source"], asked["score"]) == (1, 0.5)
    assert asked["line"] == ["10,20,100,20=gate"]
    expect(page.locator("#live-source")).to_have_value("server:1")
    until(page, "document.querySelector('.counter__name')")
    assert page.locator(".counter__name").input_value() == "gate"
    until_true(page, lambda: shown_frames(server) == [0, 1])
    page.keyboard.press("Space")
    expect(page.locator(".object__name").first).to_be_visible()
    server.send_frame(2)
    page.get_by_role("button", name="Go on").click()
    until_true(page, lambda: shown_frames(server) == [0, 1, 2])  # not before it went on
    server.say(over="the video is over")
    expect(page.locator(".note")).to_contain_text("the video is over")


def test_an_address_is_sent_where_the_server_opens_them(open_live, server, stand_in, expect):
    stand_in.live = {"sources": [], "streams": True}
    page = open_live()
    go_live(page)
    page.locator("#live-source").select_option("address")
    page.get_by_label("Address of the stream").fill("rtsp://camera.local/two")
    server.refusal = "rtsp://camera.local/two: cannot be reached (Connection refused)"
    page.keyboard.press("Enter")
    expect(page.locator(".note")).to_contain_text("Connection refused")
    assert server.asked[-1]["address"] == "rtsp://camera.local/two"


# What fails is said


CAMERA_ERRORS = {
    "NotAllowedError": "does not allow the camera",
    "NotFoundError": "There is no camera",
    "NotReadableError": "Another program uses the camera",
}


@pytest.mark.parametrize("error", CAMERA_ERRORS)
def test_why_there_is_no_camera_is_said(open_live, error, expect):
    page = open_live()
    page.evaluate(REFUSE.format(error=error))
    page.get_by_role("button", name="Live camera").click()
    expect(page.locator(".note--error")).to_contain_text(CAMERA_ERRORS[error])
    expect(page.locator("#hint")).to_contain_text(CAMERA_ERRORS[error])
    assert faults(page) == []


def test_a_page_without_cameras_or_sockets_says_so(open_live, expect):
    page = open_live()
    page.evaluate(
        "() => Object.defineProperty(navigator, 'mediaDevices', { value: undefined, configurable: true })"
    )
    page.get_by_role("button", name="Live camera").click()
    expect(page.locator(".note--error")).to_contain_text("only over https")
    page.reload()
    page.evaluate("() => delete window.WebSocket")
    page.get_by_role("button", name="Live camera").click()
    expect(page.locator(".note--error")).to_contain_text("This browser has no WebSocket")


def test_a_server_without_sockets_is_said(page, expect):
    """The stand-in knows no WebSockets: what a proxy does that lets none pass."""
    page.get_by_role("button", name="Live camera").click()
    expect(page.locator(".note--error")).to_contain_text("does not answer over a WebSocket")


def test_a_wrong_token_is_asked_for_again(open_live, server, stand_in, expect):
    stand_in.token = "the-token-of-the-server"
    page = open_live()
    for text in ("wrong", stand_in.token):
        page.locator("#token-field").fill(text)
        page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Live camera").click()
    shown(page)
    assert ("POST", "/v1/session") in [each[:2] for each in stand_in.asked]


def test_a_camera_that_is_unplugged_and_a_broken_connection_are_said(open_live, server, expect):
    page = open_live()
    go_live(page)
    server.sockets[-1].close()
    expect(page.locator(".note--error")).to_contain_text("The connection to the server broke off")
    page.get_by_role("button", name="Begin again").click()
    shown(page)
    assert len(server.asked) == 2


def test_frames_that_the_server_refuses_are_said_once(open_live, server, expect):
    page = open_live()
    go_live(page)
    server.refused = "frame: need at most 4 MB, got 5.1 MB; send smaller images"
    expect(page.locator(".note--error")).to_contain_text("need at most 4 MB")
    page.get_by_role("button", name="Close this note").click()
    before = len(server.frames)
    until_true(page, lambda: len(server.frames) >= before + 4)
    expect(page.locator(".note--error")).to_have_count(0)


# How it looks


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", ["phone", "laptop"])
def test_the_live_screen_is_readable_and_axe_finds_nothing(open_live, artefacts, screen, scheme):
    page = open_live(color_scheme=scheme, permissions=["camera"], **SCREENS[screen])
    go_live(page)
    page.screenshot(path=artefacts / f"page-live-{screen}-{scheme}.png")
    assert faults(page) == []
    assert too_wide(page) == []
    page.locator("#live-ground").select_option("blur")
    page.screenshot(path=artefacts / f"page-live-blur-{screen}-{scheme}.png")
    page.get_by_role("button", name="Pause").click()
    page.locator(".object__name").first.wait_for()
    page.screenshot(path=artefacts / f"page-live-paused-{screen}-{scheme}.png")
    assert faults(page) == []
    assert too_wide(page) == []
