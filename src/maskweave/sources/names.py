"""Natural sorting, and one distinct output name for each input."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath


def natural_key(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key by which "frame2" comes before "frame10", upper and lower case together, ties by code point.

    >>> sorted(["f10.png", "F2.png", "f1.png"], key=natural_key)
    ['f1.png', 'F2.png', 'f10.png']
    """
    parts = re.split(r"([0-9]+)", text)
    key = tuple((0, int(part), "") if at % 2 else (1, 0, part.casefold()) for at, part in enumerate(parts))
    return key, text


def safe_stem(text: str) -> str:
    """A file stem of letters, digits, dots and dashes out of an address.

    >>> safe_stem("cam.local:554/live?ch=1")
    'cam.local-554-live-ch-1'
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:80] or "input"


def distinct_names(stems: Sequence[str], suffixes: Sequence[str]) -> list[str]:
    """One name for each input, distinct even where upper and lower case are the same.

    A stem that occurs once stays. Where several inputs share one, each gets its suffix behind an underscore
    ("a.jpg" and "a.png" become "a_jpg" and "a_png"); whatever is still taken gets "-2", "-3" … in the order
    of the inputs.

    >>> distinct_names(["a", "a", "b", "b"], [".jpg", ".png", ".jpg", ".jpg"])
    ['a_jpg', 'a_png', 'b_jpg', 'b_jpg-2']
    """
    shared = Counter(stem.casefold() for stem in stems)
    used = {stem.casefold() for stem in stems if shared[stem.casefold()] == 1}
    names = []
    for stem, suffix in zip(stems, suffixes, strict=True):
        if shared[stem.casefold()] == 1:
            names.append(stem)
            continue
        wanted = f"{stem}_{suffix.lstrip('.')}" if suffix else stem
        name, number = wanted, 1
        while name.casefold() in used:
            number += 1
            name = f"{wanted}-{number}"
        used.add(name.casefold())
        names.append(name)
    return names


def stem_within(path: PurePath, folder: PurePath | None) -> str:
    """The path without its suffix, relative to the input folder it was found in, "/"-separated.

    >>> stem_within(PurePath("photos/sub/beach.jpg"), PurePath("photos"))
    'sub/beach'
    >>> stem_within(PurePath("brain.nii.gz"), None)
    'brain'
    """
    inside = path.relative_to(folder) if folder is not None else PurePath(path.name)
    if inside.name.lower().endswith(".nii.gz"):
        inside = inside.with_suffix("")
    return inside.with_suffix("").as_posix()
