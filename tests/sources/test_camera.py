"""Live sources, with a camera made of paper."""

# ruff: noqa: PT012 - what must fail is how a block ends, so the block stands inside

from fractions import Fraction

import cv2
import numpy as np
import pytest

from maskweave.errors import SourceNotFound, UnreadableVideo
from maskweave.sources.camera import CameraSource, RtspSource
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
        frames = []
        with pytest.raises(UnreadableVideo, match="no frame for 0 s"):
            for frame in camera:
                frames.append(frame)  # noqa: PERF402 - keeps what came before the exception
    assert [quarter_names(frame.image) for frame in frames] == ["RG/BW"] * 3
    times = [frame.time for frame in frames]
    assert times[0] == 0
    assert times == sorted(set(times))
    assert all(90_000 % time.denominator == 0 for time in times)


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
