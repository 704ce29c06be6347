"""Live inputs: cameras of this machine through OpenCV, streams of the network through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from maskweave.errors import SourceNotFound, UnreadableVideo
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, RECONNECT
from maskweave.sources.decoding import Damage, decoded, may_jump, pixel_aspect, set_threads, video_stream
from maskweave.sources.live import TICKS, DroppedOut, LiveSource, Watch
from maskweave.sources.names import safe_stem
from maskweave.sources.timing import Clock, TimeFaults
from maskweave.sources.video_pixels import FrameImages, OneSize
from maskweave.sources.web import USER_AGENT, Demuxer, without_secrets
from maskweave.types.arrays import Image
from maskweave.types.frame import Frame, SourceInfo

TIMEOUT = 10.0
"""Seconds to wait for a connection, or for the next frame, before taking it for lost."""
_BETWEEN_READS = 0.02  # seconds
_HTTP_PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto"


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

    def _timed_images(self, connection: Any) -> Iterator[tuple[Fraction, Image]]:
        while (bgr := self._next(connection)) is not None:
            now = self._watch.now()
            self._begin = now if self._begin is None else self._begin
            yield Fraction(round((now - self._begin) * TICKS), TICKS), self._image(bgr)
        if self._is_wanted():
            raise DroppedOut(f"no frame for {self._timeout:g} s")

    def _next(self, connection: Any) -> Any | None:
        """The next (H, W, 3) uint8 BGR image; a camera may miss a few, but None when it does for long."""
        deadline = self._watch.now() + self._timeout
        while True:
            good, bgr = connection.read()
            if good and bgr is not None:
                return bgr
            if self._watch.now() >= deadline or not self._pause(_BETWEEN_READS):
                return None

    def _image(self, bgr: Any) -> Image:
        """RGB in the first image's size: another camera may answer to the number, or the same in another mode."""
        size = self._size.of(bgr.shape[:2])
        if size != bgr.shape[:2]:
            import cv2

            bgr = cv2.resize(bgr, size[::-1], interpolation=cv2.INTER_AREA)
        image: Image = bgr[:, :, ::-1].copy()
        return image


class StreamSource(LiveSource):
    """A stream of the network, live: ``rtsp://`` or ``rtsps://`` over TCP, or HLS and Motion JPEG over HTTP.

    ``demuxer``: FFmpeg's name of what an http address serves, "hls" or "mpjpeg"; None of RTSP. Times are the stream's
    own; Motion JPEG has none, so there they are the moments at which images came, by this machine's steady clock. A
    stream that breaks off is opened again, see `LiveSource`, and so is one that ends without having said how long it
    is; one that has said so ends there.

    Raises `SourceNotFound` when there is no answer within ``timeout`` seconds, `UnreadableVideo` when the
    answer holds no video; iterating raises `UnreadableVideo` when it ends before the first frame. Messages
    never show the password of an address.
    """

    def __init__(
        self,
        address: str,
        name: str | None = None,
        *,
        demuxer: Demuxer | None = None,
        timeout: float = TIMEOUT,
        reconnect: float = RECONNECT,
        max_pixels: int = MAX_PIXELS,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(without_secrets(address), reconnect=reconnect, watch=watch)
        self._address, self._demuxer = address, demuxer
        self._timeout = timeout
        self._begin: float | None = None
        self._damage, self._faults = Damage(), TimeFaults()
        self._images = FrameImages(max_pixels, self._label, self.warnings)
        self._connection = self._connect()
        stream: Any = video_stream(self._connection)
        self.info = SourceInfo(
            name=name or safe_stem(self._label.split("://", 1)[-1]),
            kind="live",
            rate=None if self._is_untimed else stream.average_rate or stream.guessed_rate or None,
            time_base=Fraction(1, TICKS) if self._is_untimed else Fraction(stream.time_base),
            pixel_aspect=pixel_aspect(stream),
        )

    def __iter__(self) -> Iterator[Frame]:
        try:
            yield from super().__iter__()
        finally:
            self.warnings.extend(self._damage.sentences() + self._faults.sentences())

    def _connect(self) -> Any:
        container = _opened_stream(self._address, self._label, self._timeout, self._demuxer)
        stream = video_stream(container)
        if stream is None:
            container.close()
            raise UnreadableVideo(f"{self._label}: need a video stream, got none; check the address")
        set_threads(stream, None, live=True)
        return container

    def _hang_up(self, connection: Any) -> None:
        connection.close()

    def _timed_images(self, connection: Any) -> Iterator[tuple[Fraction, Image]]:
        stream: Any = video_stream(connection)
        raws = decoded(connection, stream, self._damage, live=True)
        count = 0
        try:
            for image, time in self._images.of(self._timed(raws, connection, stream)):
                yield time, image
                count += 1
        except av.FFmpegError as error:
            raise DroppedOut(self._why(error)) from None
        if not count or connection.duration is None:  # a camera that is switched off ends like a video does
            raise DroppedOut("the camera ended the stream")

    @property
    def _is_untimed(self) -> bool:
        return self._demuxer == "mpjpeg"

    def _timed(self, raws: Iterator[Any], connection: Any, stream: Any) -> Iterator[tuple[Any, Fraction]]:
        """Each decoded frame with its time in seconds."""
        if self._is_untimed:
            for raw in raws:
                now = self._watch.now()
                self._begin = now if self._begin is None else self._begin
                yield raw, Fraction(round((now - self._begin) * TICKS), TICKS)
            return
        clock = Clock(
            stream.time_base,
            self.info.rate or FRAME_RATE,
            self._faults,
            hold=1,
            may_jump=may_jump(connection),
        )
        yield from ((each.raw, each.time) for each in clock.timed(raws))

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


def _opened_stream(address: str, shown: str, timeout: float, demuxer: Demuxer | None) -> Any:
    microseconds = str(int(timeout * 1_000_000))
    options = {"rtsp_transport": "tcp", "timeout": microseconds}
    if demuxer is not None:  # what a playlist names is loaded over http, never read from this machine
        options = {
            "protocol_whitelist": _HTTP_PROTOCOLS,
            "rw_timeout": microseconds,
            "user_agent": USER_AGENT,
        }
    try:
        return av.open(
            address,
            format=demuxer,
            options=options,
            timeout=(timeout, timeout),
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceNotFound(
            f"{shown}: no stream within {timeout:g} s ({_reason(error)}); check address, password and network"
        ) from None  # FFmpeg's own error shows the password


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
