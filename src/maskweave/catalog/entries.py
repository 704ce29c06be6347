"""The models that MaskWeave knows by name: those in the package, and those that are downloaded.

Every entry says what a user must know before using it: where the file comes from, how it is known to be the right
one, the license of its *weights*, its classes, how images are prepared for it, and what it was measured to do,
with the source of that number. Weights under a copyleft or non-commercial license are not listed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from maskweave.catalog.entry import BUILT_IN, GUIDE, Checksum, Entry, ModelFile
from maskweave.errors import UnknownModel

PACKAGED: tuple[Entry, ...] = (
    Entry(
        name="compact-s",
        aliases=(BUILT_IN,),
        task="instances",
        family="compact",
        files=(
            ModelFile(
                "compact-s.onnx",
                Checksum("sha256", "54897e54497dba2b42a98e15b8a294eb57c492b8d3fd1fcd5901a77cf5cf223e"),
            ),
        ),
        license="Apache-2.0",
        class_names=None,
        preprocessing="RGB 0..255; long side as the file says, the other one rounded to a multiple of 32",
        metric="mask AP50 44.6 (box 48.7) over 80 classes on 186 COCO 2017 val images",
        source="NanoDet-Plus-m-1.5x with masks, trained by this project; docs/model-card.md",
        notes="in the package: needs no download",
        packaged=True,
    ),
    Entry(
        name="compact-s-int8",
        task="instances",
        family="compact",
        files=(
            ModelFile(
                "compact-s-int8.onnx",
                Checksum("sha256", "73e80aceda2bb9552bd90249b09d5cc606d9dab75bcee3e76dfae98b415dc2d2"),
            ),
        ),
        license="Apache-2.0",
        class_names=None,
        preprocessing="RGB 0..255; long side as the file says, the other one rounded to a multiple of 32",
        metric="mask AP50 45.4 (box 48.7) over 80 classes on the same images",
        source="compact-s in whole numbers, by benchmarks/int8.py; docs/model-card.md",
        notes="in the package; a third of the time on processors with VNNI, elsewhere maybe slower and less exact",
        packaged=True,
    ),
    Entry(
        name=GUIDE,
        task="instances",
        family="guided",
        files=(
            ModelFile(
                "guide.onnx",
                Checksum("sha256", "5bb5588311f39e0061de11b5094a2584393b4b37336126251a19921823f7f06f"),
            ),
        ),
        license="Apache-2.0",
        class_names=("object",),
        preprocessing="RGB bytes, each window of the image on 256x256",
        metric="see the model card",
        source="the model card",
        notes="answers --box and --point, and draws borders with --refine",
        packaged=True,
    ),
)
"""The models in the package."""


def all_entries() -> tuple[Entry, ...]:
    """Every model of the catalog, those in the package first."""
    from maskweave.catalog.published import PUBLISHED

    return (*PACKAGED, *PUBLISHED)


def names() -> tuple[str, ...]:
    """Every name that `find` knows, aliases after the names."""
    aliases = [alias for entry in all_entries() for alias in entry.aliases]
    return (*(entry.name for entry in all_entries()), *aliases)


def entry_named(name: str) -> Entry | None:
    """The model that has a name or an alias; None where there is none."""
    return _named(name, PACKAGED) or _named(name, all_entries())


def find(name: str) -> Entry:
    """Return the entry called ``name``; raises `UnknownModel` with the nearest names.

    >>> find("built-in").name
    'compact-s'
    """
    entry = entry_named(name)
    if entry is not None:
        return entry
    near = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(names())}"
    raise UnknownModel(f"model {name!r}: need a name from the catalog or the path of a file; {hint}")


def _named(name: str, entries: Iterable[Entry]) -> Entry | None:
    return next((entry for entry in entries if name == entry.name or name in entry.aliases), None)
