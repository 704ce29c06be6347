"""Live inputs: cameras of this machine through OpenCV, network cameras (RTSP) through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from maskweave.errors import SourceNotFound, UnreadableVideo
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, RECONNECT
from maskweave.sources.decoding import Clock, Damage, OneSize, Scaler, decoded, set_threads, video_stream
from maskweave.sources.live import TICKS, DroppedOut, LiveSource, Watch
from maskweave.sources.names import safe_stem
from maskweave.sources.web import without_secrets
from maskweave.types.arrays import Image
from maskweave.types.frame import Frame, SourceInfo

TIMEOUT = 10.0
"""Seconds to wait for a connection, or for the next frame, before taking it for lost."""
_BETWEEN_READS = 0.02  # seconds


class CameraSource(LiveSource):
    """Camera number ``index`` of this machine, live.

    Times are seconds since the first frame by this machine's steady clock, in ticks of 1/90000. A camera that gives
    no frame for ``timeout`` seconds has dropped out and is opened again, see `LiveSource`; ends when closed.

    Raises `SourceNotFound` when no camera of that number opens; iterating raises `UnreadableVideo` when not
    even the first frame comes.
    """

    def __init__(
        self,
        index: int,
        name: str | None = None,
        *,
        timeout: float = TIMEOUT,
        reconnect: float = RECONNECT,
        max_pixels: int = MAX_PIXELS,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(f"camera {index}", reconnect=reconnect, watch=watch)
        self._index = index
        self._timeout = timeout
        self._begin: float | None = None
        self._size = OneSize(max_pixels, self._label, self.warnings)
        self._connection = self._connect()
        self.info = SourceInfo(
            name=name or f"camera-{index}",
            kind="live",
            rate=_camera_rate(self._connection),
            time_base=Fraction(1, TICKS),
        )

    def _connect(self) -> Any:
        return _opened_camera(self._index)

    def _hang_up(self, connection: Any) -> None:
        connection.release()

    def _pictures(self, connection: Any) -> Iterator[tuple[Fraction, Image]]:
        while (bgr := self._next(connection)) is not None:
            now = self._watch.now()
            self._begin = now if self._begin is None else self._begin
            yield Fraction(round((now - self._begin) * TICKS), TICKS), self._image(bgr)
        if self._is_wanted():
            raise DroppedOut(f"no frame for {self._timeout:g} s")

    def _next(self, connection: Any) -> Any | None:
        """The next (H, W, 3) uint8 BGR picture; a camera may miss a few, but None when it does for long."""
        deadline = self._watch.now() + self._timeout
        while True:
            good, bgr = connection.read()
            if good and bgr is not None:
                return bgr
            if self._watch.now() >= deadline or not self._pause(_BETWEEN_READS):
                return None

    def _image(self, bgr: Any) -> Image:
        """RGB in the first picture's size: another camera may answer to the number, or the same in another mode."""
        size = self._size.of(bgr.shape[:2])
        if size != bgr.shape[:2]:
            import cv2

            bgr = cv2.resize(bgr, size[::-1], interpolation=cv2.INTER_AREA)
        image: Image = bgr[:, :, ::-1].copy()
        return image


class RtspSource(LiveSource):
    """A network camera at an ``rtsp://`` or ``rtsps://`` address, live, over TCP.

    Times are the stream's own. A stream that breaks off is opened again, see `LiveSource`, and so is one that ends
    without having said how long it is; one that has said so ends there.

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
        reconnect: float = RECONNECT,
        max_pixels: int = MAX_PIXELS,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(without_secrets(address), reconnect=reconnect, watch=watch)
        self._address = address
        self._timeout = timeout
        self._damage = Damage()
        self._scaler = Scaler(max_pixels, self._label, self.warnings)
        self._connection = self._connect()
        stream: Any = video_stream(self._connection)
        self.info = SourceInfo(
            name=name or safe_stem(self._label.split("://", 1)[-1]),
            kind="live",
            rate=stream.average_rate or stream.guessed_rate or None,
            time_base=Fraction(stream.time_base),
        )

    def __iter__(self) -> Iterator[Frame]:
        try:
            yield from super().__iter__()
        finally:
            self.warnings.extend(self._damage.sentences())

    def _connect(self) -> Any:
        container = _opened_stream(self._address, self._label, self._timeout)
        stream = video_stream(container)
        if stream is None:
            container.close()
            raise UnreadableVideo(f"{self._label}: need a video stream, got none; check the address")
        set_threads(stream, None, live=True)
        return container

    def _hang_up(self, connection: Any) -> None:
        connection.close()

    def _pictures(self, connection: Any) -> Iterator[tuple[Fraction, Image]]:
        stream = video_stream(connection)
        clock = Clock(stream, self.info.rate or FRAME_RATE, self._damage)
        count = 0
        try:
            for raw in decoded(connection, stream, self._damage, live=True):
                yield clock.time(raw), self._scaler.image(raw)
                count += 1
        except av.FFmpegError as error:
            raise DroppedOut(self._why(error)) from None
        if not count or connection.duration is None:  # a camera that is switched off ends like a film does
            raise DroppedOut("the camera ended the stream")

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


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
