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


class PaperCamera:
    """Gives three pictures, then none."""

    def __init__(self, index):
        self.index = index
        self.left = 3
        self.released = False

    def isOpened(self):
        return self.index == 0

    def get(self, _):
        return 29.97

    def read(self):
        if not self.left:
            return False, None
        self.left -= 1
        return True, corners()[:, :, ::-1]

    def release(self):
        self.released = True


@pytest.fixture
def paper(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", PaperCamera)


@pytest.mark.usefixtures("paper")
def test_camera():
    with CameraSource(0, timeout=0) as camera:
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


@pytest.mark.usefixtures("paper")
def test_a_camera_without_pictures(monkeypatch):
    monkeypatch.setattr(PaperCamera, "read", lambda _: (False, None))
    with (
        CameraSource(0, timeout=0) as camera,
        pytest.raises(UnreadableVideo, match="no frame for 0 s; is it"),
    ):
        list(camera)
    assert camera.warnings == []


@pytest.mark.usefixtures("paper")
def test_no_camera():
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
    with RtspSource(str(path), timeout=3) as source:
        assert len(list(source)) == 5
    assert source.warnings == [f"the stream broke off after 5 frames: {told}"]


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
    with RtspSource(str(path)) as source, pytest.raises(UnreadableVideo, match="broke off before the first"):
        list(source)


def test_a_live_stream_that_ends_before_its_first_frame(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.ts")
    monkeypatch.setattr(camera_module, "decoded", lambda *_, **__: iter(()))
    with (
        RtspSource(str(path)) as source,
        pytest.raises(UnreadableVideo, match="ended before the first frame"),
    ):
        list(source)
