"""Make a run's other files anew from tracks that a person corrected."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from maskweave.annotations.convert import convert, reader_of
from maskweave.annotations.options import Options
from maskweave.annotations.report import Report
from maskweave.annotations.table import format_named, formats, save_names
from maskweave.errors import InvalidValue
from maskweave.serving.archives import one_file
from maskweave.serving.media import media_type
from maskweave.serving.workers import Message
from maskweave.types.frame import Frame
from maskweave.types.result import FrameResult

SOURCE = "youtube-vis"
"""The format of a tracks file."""


def formats_of_tracks() -> list[str]:
    """What can be made of tracks alone, by the names of ``save``: annotations of videos, without an image."""
    named = {form: name for name, form in save_names().items()}
    return [named[each.name] for each in formats() if each.videos and each.name in named]


def export_tracks(work: Message, notify: Callable[[Message], None]) -> Message:
    """Write a tracks file's objects in another format."""
    if work["format"] not in formats_of_tracks():
        raise InvalidValue(f"format: need one of {', '.join(formats_of_tracks())}, got {work['format']!r}")
    form = format_named(save_names()[work["format"]])
    folder = Path(work["folder"])
    source = Path(work["file"]).rename(folder / "corrected.tracks.json")
    target = folder / (f"video{form.suffix}" if form.suffix else f"video.{work['format']}")
    convert(source, target, to=form.name, format_name=SOURCE, options=Options(), report=Report())
    path = one_file(target)
    return {"name": path.name, "media_type": media_type(path.name)}


def drawn(frames: Iterable[Frame], tracks: Path) -> Generator[FrameResult]:
    """Yield the frames of a video with the objects that a tracks file has in them.

    Raises `InvalidValue` where the tracks are of another video: of other frames, or of another size.
    """
    records = reader_of(format_named(SOURCE), tracks)(tracks, Options(), Report())
    for frame in frames:
        record = next(records, None)
        if record is None or record.instances.size != frame.size:
            got = "no frame" if record is None else f"{record.size[1]}x{record.size[0]}"
            raise InvalidValue(
                f"tracks: need those of this video, {frame.size[1]}x{frame.size[0]}, "
                f"got {got} for frame {frame.index}"
            )
        yield FrameResult(frame, record.instances)
