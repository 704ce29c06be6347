"""Live sources, with a camera made of paper."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from maskweave.errors import SourceNotFound, UnreadableVideo
from maskweave.sources import camera as camera_module
from maskweave.sources.camera import CameraSource, RtspSource
from maskweave.sources.decoding import Damage, decoded
from tests.clips import Clip, corners, quarter_names, write_clip
from tests.sources.paper import JumpingWatch


class PaperCamera:
    """Gives the pictures of the plan's next entry, then none; without one it is not there."""

    def __init__(self, plan):
        self.there = bool(plan)
        self.pictures = plan.pop(0) if plan else []
        self.released = False

    def isOpened(self):
        return self.there

    def get(self, _):
        return 29.97

    def read(self):
        if not self.pictures:
            return False, None
        return True, self.pictures.pop(0)[:, :, ::-1]

    def release(self):
        self.released = True


@pytest.fixture
def plugged(monkeypatch):
    """Plug cameras in, which OpenCV opens one after the other; returns those it has opened."""

    def plug(*plan):
        waiting, opened = [list(pictures) for pictures in plan], []

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


def test_a_camera_that_comes_back_is_opened_again_and_keeps_the_first_pictures_size(plugged):
    opened = plugged([corners()] * 3, [corners(96, 128), corners(24, 32)])
    with CameraSource(0, watch=JumpingWatch()) as camera:
        frames = list(camera)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert float(frames[3].time) == pytest.approx(10.5, abs=0.1)
    assert [frame.size for frame in frames] == [(48, 64)] * 5
    assert [quarter_names(frame.image) for frame in frames] == ["RG/BW"] * 5
    size, back, last = camera.warnings
    assert back == "the stream broke off after 3 frames: no frame for 10 s; it came back after 10.5 s"
    assert size == "picture size changes to 128 x 96 on the way; scaled to the first frame's 64 x 48"
    assert last == "the stream broke off after 5 frames: no frame for 10 s; it did not come back within 60 s"
    assert all(camera.released for camera in opened)


def test_a_camera_that_is_silent_hears_stop_at_once(plugged):
    plugged([corners()] * 3)
    watch = JumpingWatch(lambda time: camera.stop())
    with CameraSource(0, watch=watch) as camera:
        assert len(list(camera)) == 3
    assert watch.time < 100.1
    assert camera.warnings == []


def test_a_camera_without_pictures(plugged):
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
        RtspSource("rtsp://me:secret@127.0.0.1:1/live", timeout=2)
    assert "secret" not in str(caught.value)


def test_live_stream_is_read_like_a_video(tmp_path):
    """What an RTSP address gives is a container too: a file stands in for it."""
    path = write_clip(tmp_path / "a.ts", Clip(images=[corners()] * 12))
    with RtspSource(str(path)) as source:
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
    with RtspSource(str(path), timeout=3, reconnect=0) as source:
        assert len(list(source)) == 5
    assert source.warnings == [f"the stream broke off after 5 frames: {told}"]


def test_a_live_stream_that_comes_back_goes_on_at_the_time_that_has_passed(tmp_path, monkeypatch):
    """Its own times begin again, and its pictures are of another size."""
    first = write_clip(tmp_path / "a.ts", Clip(images=[corners()] * 12))
    second = write_clip(tmp_path / "b.ts", Clip(images=[corners(96, 128)] * 12, size=(96, 128)))
    broken_off(monkeypatch, 5, av.error.ConnectionResetError(104, "Connection reset by peer"))
    with RtspSource(str(first), watch=JumpingWatch()) as source:
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
    assert source.warnings[0].startswith("picture size changes to 128 x 96")
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
        with RtspSource(str(path), reconnect=0) as source:
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
        RtspSource(str(path)) as source,
        pytest.raises(UnreadableVideo, match="got none: Connection reset by peer"),
    ):
        list(source)


def test_a_live_stream_that_ends_before_its_first_frame(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.ts")
    monkeypatch.setattr(camera_module, "decoded", lambda *_, **__: iter(()))
    with (
        RtspSource(str(path)) as source,
        pytest.raises(UnreadableVideo, match="got none: the camera ended the stream"),
    ):
        list(source)
