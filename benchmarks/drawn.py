"""A data set in DAVIS's layout, drawn: what the short forms of benchmarks run on."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.video import scenes


@contextmanager
def davis_or_drawn(data: Path | None, frames: int = 5) -> Iterator[Path]:
    """The folder ``data``; without one a temporary one with a clip of so many drawn ``frames``."""
    if data is not None:
        yield data
        return
    with tempfile.TemporaryDirectory() as name:
        images, truths = (Path(name) / kind / "480p" / "crossing" for kind in ("JPEGImages", "Annotations"))
        images.mkdir(parents=True)
        truths.mkdir(parents=True)
        for frame, truth in islice(scenes.frames(scenes.crossing()), frames):
            Image.fromarray(frame.image).save(images / f"{frame.index:05}.jpg")
            Image.fromarray(truth.masks[:1].union()).save(truths / f"{frame.index:05}.png")
        yield Path(name)
