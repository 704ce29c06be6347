"""Pictures of truth and results, opened with one way to say what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from maskweave.errors import SourceNotFound, UnreadableImage


@contextmanager
def opened_picture(path: Path, *, called: str, needed: str) -> Iterator[Image.Image]:
    """Open a picture and decode it in the block.

    Args:
        path: The file.
        called: What messages call a missing one, as "this frame".
        needed: What it should be, as "a PNG of class ids".

    Raises:
        SourceNotFound: There is no such file.
        UnreadableImage: It is no picture, or damaged.
    """
    try:
        with Image.open(path) as picture:
            yield picture
    except FileNotFoundError as error:
        raise SourceNotFound(f"{path}: need {called}, there is no such file") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableImage(f"{path}: need {needed} ({error})") from error
