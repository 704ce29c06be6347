"""Live sources, with a camera made of paper."""

import io
import threading
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from maskweave.errors import SourceError, SourceNotFound, UnreadableImage, UnreadableVideo
from maskweave.sources import camera as camera_module
from maskweave.sources.camera import CameraSource, StreamSource
from maskweave.sources.decoding import Damage, decoded
from maskweave.sources.find import find_sources
from tests.clips import Clip, corners, gray_frame, quarter_names, write_clip
from tests.sources.paper import JumpingWatch


class PaperCamera:
    """Gives the images of the plan's next entry, then none; without one it is not there."""

    def __init__(self, plan):
        self.there = bool(plan)
        self.images = plan.pop(0) if plan else []
        self.released = False

    def isOpened(self):
        return self.there

    def get(self, _):
        return 29.97

    def read(self):
        if not self.images:
            return False, None
        return True, self.images.pop(0)[:, :, ::-1]

    def release(self):
        self.released = True


@pytest.fixture
def plugged(monkeypatch):
    """Plug cameras in, which OpenCV opens one after the other; returns those it has opened."""

    def plug(*plan):
        waiting, opened = [list(images) for images in plan], []

        def capture(_):
            opened.append(PaperCamera(waiting))
            return opened[-1]

        monkeypatch.setattr(cv2, "VideoCapture", capture)
        return opened

    return plug


def test_camera(plugged):
    plugged([corners()] * 3)
    with CameraSource(0, timeout=0, reconnect=0) as camera:
        assert camera.info.kind == "live"
        assert camera.info.name == "camera-0"
        assert camera.info.rate == Fraction(2997, 100)
        frames = list(camera)
        assert camera.warnings == ["the stream broke off after 3 frames: no frame for 0 s"]
    assert [quarter_names(frame.image) for frame in frames] == ["RG/BW"] * 3
    times = [frame.time for frame in frames]
    assert times[0] == 0
    assert times == sorted(set(times))
    assert all(90_000 % time.denominator == 0 for time in times)


def test_a_camera_that_comes_back_is_opened_again_and_keeps_the_first_images_size(plugged):
    opened = plugged([corners()] * 3, [corners(96, 128), corners(24, 32)])
    with CameraSource(0, watch=JumpingWatch()) as camera:
        frames = list(camera)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert float(frames[3].time) == pytest.approx(10.5, abs=0.1)
    assert [frame.size for frame in frames] == [(48, 64)] * 5
    assert [quarter_names(frame.image) for frame in frames] == ["RG/BW"] * 5
    size, back, last = camera.warnings
    assert back == "the stream broke off after 3 frames: no frame for 10 s; it came back after 10.5 s"
    assert size == "image size changes to 128 x 96 on the way; scaled to the first frame's 64 x 48"
    assert last == "the stream broke off after 5 frames: no frame for 10 s; it did not come back within 60 s"
    assert all(camera.released for camera in opened)


def test_a_camera_that_is_silent_hears_stop_at_once(plugged):
    plugged([corners()] * 3)
    watch = JumpingWatch(lambda time: camera.stop())
    with CameraSource(0, watch=watch) as camera:
        assert len(list(camera)) == 3
    assert watch.time < 100.1
    assert camera.warnings == []


def test_a_camera_without_images(plugged):
    plugged([])
    with (
        CameraSource(0, watch=JumpingWatch()) as camera,
        pytest.raises(UnreadableVideo, match="camera 0: need frames, got none: no frame for 10 s; is"),
    ):
        list(camera)
    assert camera.warnings == []


def test_no_camera(plugged):
    plugged()
    with pytest.raises(SourceNotFound, match="camera 7: no such camera"):
        CameraSource(7)


def test_no_camera_really(capfd):
    with pytest.raises(SourceNotFound, match="camera 99"):
        CameraSource(99)
    assert capfd.readouterr().err == ""


def test_no_network_camera():
    with pytest.raises(SourceNotFound, match=r"rtsp://127\.0\.0\.1:1/live: no stream") as caught:
        StreamSource("rtsp://me:secret@127.0.0.1:1/live", timeout=2)
    assert "secret" not in str(caught.value)


def test_live_stream_is_read_like_a_video(tmp_path):
    """What an RTSP address gives is a container too: a file stands in for it."""
    path = write_clip(tmp_path / "a.ts", Clip(images=[corners()] * 12))
    with StreamSource(str(path)) as source:
        frames = list(source)
    assert source.info.kind == "live"
    assert len(frames) == 12
    assert quarter_names(frames[0].image) == "RG/BW"
    steps = np.diff([float(frame.time) for frame in frames])
    assert steps == pytest.approx(0.04)


def broken_off(monkeypatch, frames, error):
    """The decoder gives a few frames, then the network fails."""
    original = camera_module.decoded

    def decoded(container, stream, damage, *, live):
        for index, frame in enumerate(original(container, stream, damage, live=live)):
            if index == frames:
                raise error
            yield frame

    monkeypatch.setattr(camera_module, "decoded", decoded)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (av.error.ExitError(1, "Immediate exit requested"), "no answer for 3 s"),
        (av.error.ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
    ],
)
def test_what_came_before_a_live_stream_breaks_off_is_kept(tmp_path, monkeypatch, error, told):
    path = write_clip(tmp_path / "a.ts")
    broken_off(monkeypatch, 5, error)
    with StreamSource(str(path), timeout=3, reconnect=0) as source:
        assert len(list(source)) == 5
    assert source.warnings == [f"the stream broke off after 5 frames: {told}"]


def test_a_live_stream_that_comes_back_goes_on_at_the_time_that_has_passed(tmp_path, monkeypatch):
    """Its own times begin again, and its images are of another size."""
    first = write_clip(tmp_path / "a.ts", Clip(images=[corners()] * 12))
    second = write_clip(tmp_path / "b.ts", Clip(images=[corners(96, 128)] * 12, size=(96, 128)))
    broken_off(monkeypatch, 5, av.error.ConnectionResetError(104, "Connection reset by peer"))
    with StreamSource(str(first), watch=JumpingWatch()) as source:
        frames = iter(source)
        begun = [next(frames) for _ in range(5)]
        monkeypatch.undo()
        source._address = str(second)
        back = list(frames)
    assert [frame.index for frame in back] == list(range(5, 17))
    assert {frame.size for frame in begun + back} == {(48, 64)}
    assert quarter_names(back[0].image) == "RG/BW"
    assert float(back[0].time - begun[-1].time) == pytest.approx(0.5)  # the wait; the rest took no time
    assert np.diff([float(frame.time) for frame in back]) == pytest.approx(0.04)
    assert source.warnings[0].startswith("image size changes to 128 x 96")
    assert source.warnings[1] == (
        "the stream broke off after 5 frames: Connection reset by peer; it came back after 0.5 s"
    )


def test_a_live_stream_ends_where_it_said_and_drops_out_where_it_did_not(tmp_path):
    long = write_clip(tmp_path / "a.ts")
    unsaid = write_clip(tmp_path / "b.h264")
    for path, told in (
        (long, []),
        (unsaid, ["the stream broke off after 12 frames: the camera ended the stream"]),
    ):
        with StreamSource(str(path), reconnect=0) as source:
            assert len(list(source)) == 12
        assert source.warnings[:1] == told


class DeadContainer:
    """A connection that fails at every read."""

    def demux(self, _):
        raise av.error.FFmpegError(5, "Input/output error")


def test_a_file_that_cannot_be_read_on_ends_and_a_live_stream_breaks_off():
    damage = Damage()
    assert list(decoded(DeadContainer(), None, damage)) == []
    assert damage.packets > 1
    damage = Damage()
    with pytest.raises(av.FFmpegError, match="Input/output error"):
        list(decoded(DeadContainer(), None, damage, live=True))
    assert damage.packets == 0  # there were none to be damaged


def test_a_live_stream_that_breaks_off_before_its_first_frame(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.ts")
    broken_off(monkeypatch, 0, av.error.ConnectionResetError(104, "Connection reset by peer"))
    with (
        StreamSource(str(path)) as source,
        pytest.raises(UnreadableVideo, match="got none: Connection reset by peer"),
    ):
        list(source)


def test_a_live_stream_that_ends_before_its_first_frame(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.ts")
    monkeypatch.setattr(camera_module, "decoded", lambda *_, **__: iter(()))
    with (
        StreamSource(str(path)) as source,
        pytest.raises(UnreadableVideo, match="got none: the camera ended the stream"),
    ):
        list(source)


class Streams(BaseHTTPRequestHandler):
    """Serves the files of a folder, and a camera's images one after the other."""

    folder = None

    def do_GET(self):
        if self.path.startswith("/camera"):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for value in (40, 120, 200):
                data = jpeg(value)
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
                self.wfile.write(f"Content-Length: {len(data)}\r\n\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"--frame--\r\n")
            return
        data = (self.folder / self.path.split("?")[0].lstrip("/")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        if self.path.endswith(".mp4"):
            self.send_header("Content-Type", "video/mp4")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def jpeg(value):
    buffer = io.BytesIO()
    Image.fromarray(gray_frame(value)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def streams(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    Streams.folder = tmp_path
    with ThreadingHTTPServer(("127.0.0.1", 0), Streams) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()
        thread.join()


def test_motion_jpeg_over_http_is_live_with_the_times_of_arrival(streams):
    (source,) = find_sources([f"{streams}/camera?token=secret"], reconnect=0)
    with source:
        assert source.info.kind == "live"
        frames = list(source)
    assert [int(frame.image.mean().round()) for frame in frames] == pytest.approx([40, 120, 200], abs=2)
    times = [frame.time for frame in frames]
    assert times[0] == 0
    assert times == sorted(set(times))
    assert "secret" not in " ".join(source.warnings)


def test_hls_over_http_is_live_and_ends_where_its_playlist_does(streams, tmp_path):
    write_clip(tmp_path / "piece.ts", Clip(images=[corners()] * 12))
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXTINF:0.48,", "piece.ts"]
    (tmp_path / "live").write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    (source,) = find_sources([f"{streams}/live"], reconnect=0)
    with source:
        assert source.info.kind == "live"
        frames = list(source)
    assert quarter_names(frames[0].image) == "RG/BW"
    assert np.diff([float(frame.time) for frame in frames]) == pytest.approx([0.04] * 11)
    assert source.warnings == []


def test_a_playlist_cannot_name_files_of_this_machine(streams, tmp_path):
    piece = write_clip(tmp_path / "piece.ts")
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:0.48,", f"file://{piece}", "#EXT-X-ENDLIST", ""]
    (tmp_path / "live.m3u8").write_text("\n".join(lines))
    (source,) = find_sources([f"{streams}/live.m3u8"], reconnect=0)
    with pytest.raises(SourceError), source:
        list(source)


def test_a_video_file_behind_an_address_is_called_so(streams, tmp_path):
    write_clip(tmp_path / "a.mp4")
    (source,) = find_sources([f"{streams}/a.mp4"])
    with pytest.raises(UnreadableImage, match="got a video file; load it yourself"), source:
        list(source)
