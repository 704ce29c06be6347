"""Live inputs: cameras of this machine through OpenCV, network cameras (RTSP) through PyAV."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from maskweave.errors import SourceNotFound, UnreadableVideo
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, Closing, check_budget
from maskweave.sources.decoding import (
    Clock,
    Damage,
    decoded,
    orientation_matrix,
    set_threads,
    to_image,
    video_stream,
)
from maskweave.sources.names import safe_stem
from maskweave.sources.web import without_secrets
from maskweave.types.frame import Frame, SourceInfo

TIMEOUT = 10.0
"""Seconds to wait for a connection, or for the next frame, before giving up."""
_TICKS = 90_000


class CameraSource(Closing):
    """Camera number ``index`` of this machine, live.

    Times are seconds since the first frame by this machine's steady clock, in ticks of 1/90000. Ends
    when closed, or with a line in ``warnings`` when the camera gives no frame for ``timeout`` seconds.

    Raises `SourceNotFound` when no camera of that number opens; iterating raises `UnreadableVideo` when not
    even the first frame comes.
    """

    def __init__(
        self,
        index: int,
        name: str | None = None,
        *,
        timeout: float = TIMEOUT,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._index = index
        self._timeout = timeout
        self._max_pixels = max_pixels
        self.warnings: list[str] = []
        self._capture = _opened_camera(index)
        self.info = SourceInfo(
            name=name or f"camera-{index}",
            kind="live",
            rate=_camera_rate(self._capture),
            time_base=Fraction(1, _TICKS),
        )

    def close(self) -> None:
        """Let go of the camera."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def __iter__(self) -> Iterator[Frame]:
        begin: float | None = None
        last = -1
        index = 0
        while self._capture is not None:
            bgr = self._next()
            if bgr is None and not index:
                raise UnreadableVideo(
                    f"camera {self._index}: no frame for {self._timeout:g} s; is it plugged in and free?"
                )
            if bgr is None:
                self.warnings.append(_broke_off(index, f"no frame for {self._timeout:g} s"))
                return
            now = time.monotonic()
            begin = now if begin is None else begin
            ticks = max(last + 1, round((now - begin) * _TICKS))
            height, width = bgr.shape[:2]
            check_budget(width, height, max_pixels=self._max_pixels, label=self.info.name)
            yield Frame(bgr[:, :, ::-1].copy(), index, Fraction(ticks, _TICKS), None, self.info.name)
            last, index = ticks, index + 1

    def _next(self) -> Any | None:
        """The next (H, W, 3) uint8 BGR picture; a camera may miss a few, but None when it does for long."""
        deadline = time.monotonic() + self._timeout
        while True:
            good, bgr = self._capture.read()
            if good and bgr is not None:
                return bgr
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.02)


class RtspSource(Closing):
    """A network camera at an ``rtsp://`` or ``rtsps://`` address, live, over TCP.

    Times are the stream's own. Ends when the camera ends the stream, or with a line in ``warnings`` when it
    breaks off, so that what came until then can be kept.

    Raises `SourceNotFound` when there is no answer within ``timeout`` seconds, `UnreadableVideo` when the
    answer holds no video; iterating raises `UnreadableVideo` when it ends before the first frame. Messages
    never show the password of an address.
    """

    def __init__(
        self,
        address: str,
        name: str | None = None,
        *,
        timeout: float = TIMEOUT,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._shown = without_secrets(address)
        self._timeout = timeout
        self._max_pixels = max_pixels
        self.warnings: list[str] = []
        self._container: Any = _opened_stream(address, self._shown, timeout)
        stream = video_stream(self._container)
        if stream is None:
            self.close()
            raise UnreadableVideo(f"{self._shown}: need a video stream, got none; check the address")
        set_threads(stream, None, live=True)
        self._stream = stream
        self.info = SourceInfo(
            name=name or safe_stem(self._shown.split("://", 1)[-1]),
            kind="live",
            rate=stream.average_rate or stream.guessed_rate or None,
            time_base=Fraction(stream.time_base),
        )

    def close(self) -> None:
        """Hang up."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def __iter__(self) -> Iterator[Frame]:
        damage = Damage()
        count = 0
        why = "it ended before the first frame"
        try:
            for frame in self._frames(damage):
                yield frame
                count += 1
        except av.FFmpegError as error:
            why = f"it broke off before the first frame ({self._why(error)})"
            if count:
                self.warnings.append(_broke_off(count, self._why(error)))
        finally:
            self.warnings.extend(damage.sentences())
        if not count:
            raise UnreadableVideo(f"{self._shown}: need a live stream, got none: {why}; check the camera")

    def _frames(self, damage: Damage) -> Iterator[Frame]:
        clock = Clock(self._stream, self.info.rate or FRAME_RATE, damage)
        size: tuple[int, int] | None = None
        signs: tuple[int, int, int, int] | None = None
        for index, raw in enumerate(decoded(self._container, self._stream, damage, live=True)):
            check_budget(raw.width, raw.height, max_pixels=self._max_pixels, label=self._shown)
            size = size or (raw.height, raw.width)
            signs = signs or orientation_matrix(raw)
            yield Frame(to_image(raw, size, signs), index, clock.time(raw), None, self.info.name)

    def _why(self, error: BaseException) -> str:
        timed_out = isinstance(error, av.error.ExitError)  # so FFmpeg calls it when our time limit stops it
        return f"no answer for {self._timeout:g} s" if timed_out else _reason(error)


def _opened_camera(index: int) -> Any:
    import cv2

    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 moved it
    before = log.getLogLevel()
    log.setLogLevel(0)  # silent: a missing camera is our error to tell, not four lines of log
    try:
        capture = cv2.VideoCapture(index)
        opened = capture.isOpened()
    except cv2.error as error:
        raise SourceNotFound(f"camera {index}: cannot be opened ({error.err})") from error
    finally:
        log.setLogLevel(before)
    if not opened:
        capture.release()
        raise SourceNotFound(f"camera {index}: no such camera here, or it is in use; try another number")
    return capture


def _camera_rate(capture: Any) -> Fraction | None:
    import cv2

    rate = capture.get(cv2.CAP_PROP_FPS)
    return Fraction(rate).limit_denominator(1001) if 0 < rate < 1000 else None


def _opened_stream(address: str, shown: str, timeout: float) -> Any:
    try:
        return av.open(
            address,
            options={"rtsp_transport": "tcp", "timeout": str(int(timeout * 1_000_000))},
            timeout=(timeout, timeout),
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceNotFound(
            f"{shown}: no stream within {timeout:g} s ({_reason(error)}); check address, password and network"
        ) from None  # FFmpeg's own error shows the password


def _broke_off(frames: int, why: str) -> str:
    return f"the stream broke off after {frames} frame{'s' * (frames != 1)}: {why}"


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
