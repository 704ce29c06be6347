"""Promptable models in two files: tell encoder from decoder, and find the other half beside a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from maskweave.errors import NotAModel
from maskweave.runtimes.base import Runtime, RuntimeInfo
from maskweave.runtimes.pair import PairRuntime

_EMBEDDINGS = frozenset({"image_embeddings", "image_embed"})
"""What an encoder gives and a decoder takes, of SAM and EfficientSAM, and of SAM 2."""
_ENCODER, _DECODER = "encoder", "decoder"


def with_partner(path: Path, half: Runtime, load: Callable[[Path], Runtime]) -> Runtime:
    """The network of the file at ``path``; where it is an encoder or a decoder, the pair that it is half of.

    ``load`` opens the other file. Raises `NotAModel` where that is not beside it, and what ``load`` raises;
    the network is closed then.
    """
    kind = _kind(half.describe())
    if kind is None:
        return half
    try:
        partner = load(_partner(path, kind))
        encoder, decoder = (half, partner) if kind == _ENCODER else (partner, half)
        try:
            return PairRuntime(encoder, decoder)
        except BaseException:
            partner.close()
            raise
    except BaseException:
        half.close()
        raise


def _kind(info: RuntimeInfo) -> str | None:
    if _EMBEDDINGS & {tensor.name for tensor in info.outputs}:
        return _ENCODER
    return _DECODER if _EMBEDDINGS & {tensor.name for tensor in info.inputs} else None


def _partner(path: Path, kind: str) -> Path:
    """The other half: of the same name but for that word, or the only file beside it with that word in its name."""
    other = _DECODER if kind == _ENCODER else _ENCODER
    head, found, tail = path.name.rpartition(kind)
    if found and (same := path.with_name(f"{head}{other}{tail}")).is_file():
        return same
    beside = [each for each in sorted(path.parent.glob("*.onnx")) if other in each.name and each != path]
    if len(beside) == 1:
        return beside[0]
    wanted = f"{head}{other}{tail}" if found else f"{path.stem}_{other}.onnx"
    raise NotAModel(
        f"{path.name}: it is one half of a promptable model, the {kind}; put {wanted} beside it, the {other} "
        f"that was exported with it ({len(beside)} files with {other} in their names are there)"
    )
