"""Make query parameters of the fields that the command line is made from."""

from __future__ import annotations

from dataclasses import Field
from typing import Annotated, Any, Literal, get_args

from fastapi import Depends, Query

from maskweave.option_fields import Option, expand_options, input_type
from maskweave.options import Request

_EXAMPLES: dict[str, list[Any]] = {
    "classes": ["cat,dog"],
    "score": [0.5],
    "save": ["overlay,tracks"],
    "drawn_on": ["1024x576"],
}
_MAX_TEXT = 4000
_MAX_PLACES = 32


def _annotation(each: Field[Any], details: Option) -> Any:
    if details.local:
        return None
    kind = input_type(each)
    limits: dict[str, Any] = {"ge": details.min, "le": details.max}
    if details.choices:
        kind = Literal[details.choices] | None if type(None) in get_args(kind) else Literal[details.choices]
    elif kind in (str | None, str):
        limits = {"max_length": _MAX_TEXT}
    elif kind == list[str] | None:
        limits = {"max_length": _MAX_PLACES}
    elif kind in (float, float | None):
        limits["allow_inf_nan"] = False
    query = Query(description=details.help, examples=_EXAMPLES.get(each.name), **limits)
    return Annotated[kind, query]


def _given(options: Request) -> Request:
    return options


_OF_FILES = ("save", "trail", "background", "refine_edges", "geojson_crs")
_OF_VIDEOS = (
    *("track", "tracker", "every", "line", "zone", "drawn_on", "min_track_frames"),
    *("frames", "seconds", "frame"),
)

ImageQuery = Annotated[
    Request, Depends(expand_options(_given, _annotation, without=(*_OF_FILES, *_OF_VIDEOS)))
]
"""What may be asked of an image whose objects are the answer."""
VideoQuery = Annotated[Request, Depends(expand_options(_given, _annotation, without=("geojson_crs",)))]
"""What may be asked of a video."""
ModelQuery = Annotated[
    str | None, Query(description="A name out of /v1/models.", max_length=200, examples=["compact-s"])
]
