"""Segment live video in a worker: each frame is answered before the next is looked at, so none waits in a queue.

Frames come from a browser, each in a file that the server names in a control message, or from a source of this
machine, of which a thread keeps the newest. Control messages are

- ``{"control": "frame", "number": 7, "time": 0.28}``: the file holds the next frame of the browser;
- ``{"control": "shown"}``: a frame of a source has been shown, so that another may be sent;
- ``{"control": "count", "line": […], "zone": […], "drawn_on": …}``: count there from now on;
- ``{"control": "end"}``.

Answers are reported: ``{"ready": …}`` once, then for each frame what `_described` makes of it, or why it was
"refused".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from maskweave.api import Segmenter
from maskweave.errors import InvalidValue, MaskWeaveError, UnreadableImage
from maskweave.options import Request
from maskweave.run import check, counter_of, find_inputs, live, task_for
from maskweave.serving.live_protocol import frame_file, shown_source
from maskweave.serving.objects import objects_of
from maskweave.sources.base import Source, Stoppable
from maskweave.sources.images import read_image
from maskweave.types.arrays import Image, Size
from maskweave.types.counts import Counts
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.result import FrameResult
from maskweave.video.counting import Counter

Message: TypeAlias = dict[str, Any]
Notify: TypeAlias = Callable[[Message], None]
Receive: TypeAlias = Callable[[float | None], Message | None]

_MAX_SENT = 2
"""Frames of a source that may be on their way to the page: one is drawn while the next is looked at."""
_MAX_SIDE = 1280
"""Pixels of the long side at which a source's frames are shown."""
_JPEG_QUALITY = 82
_JPEG_HEAD = b"\xff\xd8\xff"
_LOOK_UP = 0.1
"""Seconds after which whoever waits for a frame looks whether it is still wanted."""


class LiveWork:
    """One live video from its begin to its end.

    ``work`` has the "folder" for images, the "file" of a browser's frames, and the "source", None where a browser
    sends them.
    """

    def __init__(
        self, segmenter: Segmenter, request: Request, work: Message, *, notify: Notify, receive: Receive
    ) -> None:
        self._segmenter, self._model, self._request = segmenter, segmenter.model, request
        self._work = work
        self._notify, self._receive = notify, receive
        self._counting = request.video.counts
        self._counter: Counter | None = None
        self._on_their_way = 0
        self._is_over = False

    def run(self) -> Message:
        """Answer frames until the end; returns why it ended, "" where that was asked for."""
        check(self._request, self._model)
        if self._work["source"] is None:
            self._follow_browser()
            return {"over": ""}
        source = self._work["source"]
        try:
            return {"over": self._follow_source(source).replace(source, shown_source(source))}
        except MaskWeaveError as error:  # where files lie is the server's business
            error.args = (str(error).replace(source, shown_source(source)),)
            raise

    def _report_ready(self, **more: Any) -> None:
        self._notify(
            {
                "ready": {
                    "model": self._segmenter.name,
                    "task": task_for(self._request, self._model),
                    "default_score": round(self._model.default_score, 4),
                    "class_names": list(self._model.class_names),
                    **more,
                }
            }
        )

    # Frames of a browser

    def _follow_browser(self) -> None:
        self._report_ready()
        sent = _SentFrames(Path(self._work["file"]), self._next_control, self._notify, self._request)
        while not self._is_over:
            with closing(live(sent.of_one_size(), self._model, self._request)) as results:
                for result in results:
                    self._notify(self._described(result, sent.number))

    def _next_control(self) -> Message | None:
        """The next frame's message, or None at the end."""
        while not self._is_over:
            message = self._receive(None)
            if message is not None and message["control"] == "frame":
                return message
            self._heed(message)
        return None

    # Frames of a source

    def _follow_source(self, text: str) -> str:
        found = find_inputs([text], self._request)
        if len(found) != 1:
            raise InvalidValue(f"{text}: need one camera, stream or video, got {len(found)} inputs")
        with found[0].open() as source:
            if source.info.kind == "image":
                raise InvalidValue(f"{found[0].label}: need a camera, a stream or a video, got an image")
            self._report_ready(name=shown_source(text))
            self._play(source)
            return "" if self._is_over else ("; ".join(source.warnings) or "the video is over")

    def _play(self, source: Source) -> None:
        newest = _Newest(source, is_wanted=self._is_wanted)
        with closing(newest), closing(live(newest.frames(), self._model, self._request)) as results:
            for number, result in enumerate(results):
                while self._on_their_way >= _MAX_SENT and not self._is_over:
                    self._heed(self._receive(None))
                if self._is_over:
                    return
                image = _shown(result.image, result.frame.pixel_aspect)
                frame_file(Path(self._work["folder"]), number).write_bytes(image)
                self._on_their_way += 1
                self._notify({**self._described(result, number), "skipped": newest.skipped})

    def _is_wanted(self) -> bool:
        """Whether there has been no end; hears what has been said, without waiting."""
        while not self._is_over and (message := self._receive(0.0)) is not None:
            self._heed(message)
        return not self._is_over

    def _heed(self, message: Message | None) -> None:
        if message is None:
            return
        if message["control"] == "end":
            self._is_over = True
        elif message["control"] == "shown":
            self._on_their_way -= 1
        elif message["control"] == "count":
            self._count_anew(message)

    # Answers

    def _count_anew(self, message: Message) -> None:
        self._counter = None
        try:
            places = {name: message[name] for name in ("line", "zone", "drawn_on")}
            self._request = self._request.changed(**places)
            self._counting = self._request.video.counts
        except InvalidValue as error:
            self._counting = False
            self._notify({"warning": str(error)})

    def _described(self, result: FrameResult, number: int) -> Message:
        return {
            "frame": number,
            "time": float(result.frame.time),
            "size": list(result.frame.size),
            "objects": objects_of(result.prediction),
            "counts": self._counts(result),
        }

    def _counts(self, result: FrameResult) -> Message | None:
        if not self._counting or not isinstance(result.prediction, Instances):
            return None
        try:
            self._counter = self._counter or counter_of(self._request.video, result.frame.size)
            return _counts_message(self._counter.update(result.prediction))
        except InvalidValue as error:  # a line beside the image
            self._counting = False
            self._notify({"warning": str(error)})
            return None


def _counts_message(counts: Counts) -> Message:
    lines = {each.line.name: [each.forward, each.backward] for each in counts.lines}
    zones = {each.zone.name: [len(each.inside), each.seen] for each in counts.zones}
    return {"lines": lines, "zones": zones}


class _SentFrames:
    """What a browser sends; frames of one size are one video, since a phone that is turned begins another.

    ``number``: of the frame that was read last, as the browser counts.
    """

    def __init__(
        self, file: Path, next_control: Callable[[], Message | None], notify: Notify, request: Request
    ) -> None:
        self.number = 0
        self._file, self._next_control, self._notify = file, next_control, notify
        self._max_pixels = request.source.max_pixels
        self._pending: Frame | None = None
        self._index = 0
        self._time = Fraction(-1)

    def of_one_size(self) -> Iterator[Frame]:
        """Frames until one of another size, with which the next call begins, or until the end."""
        size: Size | None = None
        while (frame := self._pending or self._read()) is not None:
            self._pending = frame if size not in (None, frame.size) else None
            if self._pending is not None:
                return
            size = frame.size
            yield frame

    def _read(self) -> Frame | None:
        """The next frame that can be read, None at the end; those that cannot are answered with why."""
        while (message := self._next_control()) is not None:
            self.number = message["number"]
            try:
                image = _decoded(self._file.read_bytes(), self._max_pixels)
            except MaskWeaveError as error:
                self._notify({"frame": self.number, "refused": str(error)})
                continue
            self._time = max(Fraction(message["time"]), self._time + Fraction(1, 1000))
            self._index += 1
            return Frame(image, self._index - 1, self._time, source="live")
        return None


def _decoded(data: bytes, max_pixels: int) -> Image:
    if not data.startswith(_JPEG_HEAD):
        raise UnreadableImage("frame: need a JPEG image, got other bytes; send frames as image/jpeg")
    return read_image(data, max_pixels=max_pixels, label="frame")


class _Newest:
    """The newest frame of a source that a thread reads; what comes while nobody asks is skipped, and counted.

    A recorded video is read at the times of its frames. An error of the source is raised where frames are asked for.
    """

    def __init__(self, source: Source, *, is_wanted: Callable[[], bool]) -> None:
        self.skipped = 0
        self._source, self._is_wanted = source, is_wanted
        self._is_recorded = source.info.kind == "video"
        self._frame: Frame | None = None
        self._error: BaseException | None = None
        self._is_over = False
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="maskweave-live", daemon=True)

    def frames(self) -> Iterator[Frame]:
        """The newest frame each time; ends with the source, or when nothing is wanted any more."""
        self._thread.start()
        while self._is_wanted():
            with self._changed:
                self._changed.wait_for(lambda: self._frame is not None or self._is_over, timeout=_LOOK_UP)
                frame, self._frame = self._frame, None
                if frame is None and self._is_over:
                    break
            if frame is not None:
                yield frame
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        if isinstance(self._source, Stoppable):
            self._source.stop()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _read(self) -> None:
        try:
            began: float | None = None
            for frame in self._source:
                began = time.monotonic() - float(frame.time) if began is None else began
                late = time.monotonic() - float(frame.time) - began
                if self._stop.wait(max(0.0, -late) if self._is_recorded else 0.0):
                    return
                self._put(frame)
        except BaseException as error:  # raised again where frames are asked for
            self._error = error
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify()

    def _put(self, frame: Frame) -> None:
        with self._changed:
            self.skipped += self._frame is not None
            self._frame = frame
            self._changed.notify()


def _shown(image: Image, pixel_aspect: Fraction) -> bytes:
    """A JPEG of a frame with square pixels, made smaller where it is large."""
    import cv2

    height, width = image.shape[:2]
    width = round(width * pixel_aspect)
    scale = min(1.0, _MAX_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if size != image.shape[1::-1]:
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes()
