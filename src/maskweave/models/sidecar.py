"""Sidecar files: ``mine.toml`` beside ``mine.onnx`` says how a user's own model is to be read.

What it says wins over what the model's tensors and metadata suggest; what it leaves out is taken from them, or from
the family. docs/models.md shows a whole one.
"""

from __future__ import annotations

import dataclasses
import inspect
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from maskweave.errors import InvalidValue

_PREPROCESSING = "preprocessing"
_Rules: TypeAlias = Mapping[str, tuple[str, Callable[[Any], bool]]]


@dataclass(frozen=True)
class Sidecar:
    """The contents of a sidecar; None for what it does not set.

    - ``family``: a name in `maskweave.models.loading.FAMILIES`.
    - ``score``: the model's default score.
    - ``class_names``, ``size``, ``nms_iou``, ``logits``: arguments of the family's ``build``.
    - ``preprocessing``: fields of the family's default to be changed.
    """

    path: Path
    family: str | None = None
    score: float | None = None
    class_names: tuple[str, ...] | None = None
    size: int | None = None
    nms_iou: float | None = None
    logits: bool | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)

    def options(self, family: str, module: ModuleType) -> dict[str, Any]:
        """Arguments for ``module.build``; raises `InvalidValue` naming a key that the family does not take."""
        accepted = options_of(module)
        given = {key: getattr(self, key) for key in _OPTIONS}
        options = {key: value for key, value in given.items() if value is not None}
        if self.preprocessing:
            options[_PREPROCESSING] = self.preprocessing
        for key in options:
            if key not in accepted:
                fitting = ", ".join(["score", *accepted])
                raise InvalidValue(f"{self.path.name}: {key}: {family} does not take it, only {fitting}")
        if self.preprocessing:
            options[_PREPROCESSING] = self._changed(family, accepted[_PREPROCESSING])
        return options

    def _changed(self, family: str, default: Any) -> Any:
        """The family's own preprocessing with what the sidecar says."""
        fields = [each.name for each in dataclasses.fields(default)]
        for key in self.preprocessing:
            if key not in fields:
                raise InvalidValue(
                    f"{self.path.name}: {_PREPROCESSING}.{key}: {family} does not take it, only {', '.join(fields)}"
                )
        try:
            return dataclasses.replace(default, **self.preprocessing)
        except (InvalidValue, TypeError) as error:
            raise InvalidValue(f"{self.path.name}: {error}") from error


def options_of(module: ModuleType) -> dict[str, Any]:
    """What a family's ``build`` lets a sidecar choose, with its defaults."""
    parameters = inspect.signature(module.build).parameters
    return {key: parameters[key].default for key in (*_OPTIONS, _PREPROCESSING) if key in parameters}


def find_sidecar(model: Path, families: Mapping[str, ModuleType]) -> Sidecar | None:
    """Read the sidecar of a model file; None without one.

    Raises `InvalidValue` naming the key that cannot be used, what it needs and what came.
    """
    path = model.with_suffix(".toml")
    return read_sidecar(path, families) if path.is_file() else None


def read_sidecar(path: Path, families: Mapping[str, ModuleType]) -> Sidecar:
    """Read and check one file; raises `InvalidValue` as `find_sidecar` does."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (
        OSError,
        ValueError,
        RecursionError,
    ) as error:  # not UTF-8, not TOML, a number too long to be read
        raise InvalidValue(f"{path.name}: need a file in TOML: {error}") from error
    need_family = f"one of {', '.join(families)}"
    known: _Rules = {
        "family": (need_family, lambda value: isinstance(value, str) and value in families),
        **_RULES,
    }
    for key, value in content.items():
        if key not in known:
            raise InvalidValue(f"{path.name}: {key}: need one of {', '.join(known)}; there is no such key")
        need, fits = known[key]
        if not fits(value):
            raise InvalidValue(f"{path.name}: {key}: need {need}, got {value!r}")
    if "class_names" in content:
        content["class_names"] = tuple(content["class_names"])
    content[_PREPROCESSING] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in content.get(_PREPROCESSING, {}).items()
    }
    return Sidecar(path, **content)


def template(model: str, families: Mapping[str, ModuleType]) -> str:
    """A whole sidecar for a model that no family was found for, to be filled in."""
    return _TEMPLATE.format(model=model, families=", ".join(families))


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value) and any(value)


_OPTIONS = ("class_names", "size", "nms_iou", "logits")
_RULES: _Rules = {
    "class_names": ("a list of names", _are_names),
    "size": ("a number of pixels", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "score": ("a number from 0 to 1", _is_share),
    "nms_iou": ("a number from 0 to 1", _is_share),
    "logits": ("true or false", lambda value: isinstance(value, bool)),
    _PREPROCESSING: ("a table", lambda value: isinstance(value, dict)),
}
_TEMPLATE = """\
# {model}.toml, beside the model. Remove what the model itself, or its family, already says.
family = ""                     # {families}
class_names = ["first", "second"]   # in the order of the network's labels; "" for one never to be reported
size = 640                      # long side of the input in pixels, where the file does not fix it
score = 0.5                     # objects the model is less sure of are dropped
nms_iou = 0.7                   # boxes that overlap a better one by more are dropped
# logits = true                 # a map of foreground that has not gone through a sigmoid yet

[preprocessing]                 # (pixel * scale - mean) / std
order = "rgb"                   # or "bgr"
scale = 0.00392156862745098     # 1/255; 1 for networks that take 0..255
mean = [0.485, 0.456, 0.406]    # in that order; [0, 0, 0] for none
std = [0.229, 0.224, 0.225]     # [1, 1, 1] for none
resize = "squash"               # or "stretch" (the sides of a free input follow the image's), "letterbox" (aspect
                                # kept, in the middle), "keep-aspect" (at the top left)
pad_value = 114                 # 0..255, beside an image whose aspect is kept
antialias = false               # true: average an image that shrinks
"""
