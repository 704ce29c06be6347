"""What the catalog says of a model and of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

BUILT_IN = "built-in"
"""The name under which the model in the package is always found."""
FAST = "built-in:fast"
"""The name of the form of it that `maskweave doctor` measured to be the fastest here."""
GUIDE = "guide"
"""The name of the guide in the package, which answers prompts beside any model."""


@dataclass(frozen=True)
class Checksum:
    """A published checksum, in hexadecimal.

    Where only ``sha1`` or ``md5`` was published, the file is checked by that, and its sha256 is pinned in the
    cache at the first download.
    """

    algorithm: Literal["sha256", "sha1", "md5"]
    value: str


@dataclass(frozen=True)
class ModelFile:
    """One file of a model.

    - ``name``: its name in the cache.
    - ``checksum``: of that file; None for a file that nobody has published.
    - ``urls``: where to fetch it, tried in order.
    - ``size``: bytes to be downloaded, where published.
    - ``member``: path inside the archive at ``urls``, when the file is fetched as a part of one.
    - ``archive``: checksum of that archive.
    """

    name: str
    checksum: Checksum | None
    urls: tuple[str, ...] = ()
    size: int | None = None
    member: str | None = None
    archive: Checksum | None = None


@dataclass(frozen=True)
class Entry:
    """One model.

    - ``family``: the file in ``maskweave.models`` that knows its layout.
    - ``files``: the model file first, then what belongs to it.
    - ``license``: of the weights, as an SPDX identifier.
    - ``class_names``: what the family is told; None where the file's own metadata names them.
    - ``preprocessing``: in words, for people; the family does it.
    - ``metric``, ``source``: the published number, and where it stands.
    - ``options``: what else the family is told, see its ``build``.
    - ``packaged``: whether the file lies in the package, so that nothing needs to be fetched.
    """

    name: str
    task: Literal["instances", "semantic", "foreground"]
    family: str
    files: tuple[ModelFile, ...]
    license: str
    class_names: tuple[str, ...] | None
    preprocessing: str
    metric: str
    source: str
    notes: str = ""
    aliases: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict, hash=False)
    packaged: bool = False

    @property
    def download_size(self) -> int | None:
        """Bytes to download in all, or None where a size is not published."""
        sizes = [file.size for file in self.files if not self.packaged]
        return None if None in sizes else sum(size for size in sizes if size is not None)
