"""What goes over the wire, for the checks of requests and for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
TaskName = Literal["instances", "semantic", "foreground"]

_RLE: dict[str, Any] = {"size": [48, 64], "counts": "PP1`0b0O1"}
_BOX: list[Any] = [12.0, 8.0, 40.0, 32.0]


class RunLengths(BaseModel):
    """A mask in COCO's run-length encoding: ``size`` is [height, width]."""

    model_config = ConfigDict(json_schema_extra={"example": _RLE})

    size: Annotated[list[int], Field(min_length=2, max_length=2)]
    counts: str | list[Annotated[int, Field(ge=0, le=2**40)]]


class FoundObject(BaseModel):
    """One object: ``box`` is x1, y1, x2, y2 in pixels, ends excluded; of maps the ``score`` is null."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"id": 1, "class": "cat", "score": 0.93, "area": 672, "box": _BOX, "rle": _RLE}
        }
    )

    id: int
    class_: str = Field(alias="class")
    score: float | None
    area: int
    box: list[float]
    rle: RunLengths


class SegmentResult(BaseModel):
    """What was found in one picture; ``size`` is [height, width], ``seconds`` the time of the model."""

    model: str
    task: TaskName
    size: list[int]
    seconds: float
    default_score: float
    class_names: list[str]
    objects: list[FoundObject]


class RefineRequest(BaseModel):
    """A box, or points [x, y, 1 on it or 0 beside it], or a mask that points correct."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"points": [[20, 16, 1], [60, 40, 0]], "box": _BOX}}
    )

    points: Annotated[list[tuple[Number, Number, Literal[0, 1]]], Field(max_length=1000)] = []
    box: tuple[Number, Number, Number, Number] | None = None
    rle: RunLengths | None = None
    model: str | None = None


class RefinedMask(BaseModel):
    """One mask."""

    area: int
    box: list[float]
    rle: RunLengths


class RefineResult(BaseModel):
    """The object that was meant."""

    object: RefinedMask


class ExportedObject(BaseModel):
    """One object to write, as `SegmentResult` has them; what else stands there is not looked at."""

    id: Annotated[int, Field(ge=1, le=65535)]
    class_: Annotated[str, Field(alias="class", min_length=1, max_length=200)]
    score: Score | None = None
    rle: RunLengths


class ExportOptions(BaseModel):
    """How overlays and cut-outs look: ``background`` is transparent, blur, #rrggbb or a colour's name."""

    model_config = ConfigDict(extra="forbid")

    background: Annotated[str, Field(max_length=40)] | None = None
    opacity: Score = 0.45


class ExportRequest(BaseModel):
    """What to write: a ``format`` out of /v1/formats, and the objects."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "format": "cutout",
                "objects": [{"id": 1, "class": "cat", "score": 0.93, "rle": _RLE}],
                "options": {"background": "blur"},
            }
        }
    )

    format: Annotated[str, Field(max_length=40)]
    objects: Annotated[list[ExportedObject], Field(max_length=10_000)]
    options: ExportOptions = ExportOptions()


class AddressRequest(BaseModel):
    """The address of a picture on the public internet."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"url": "https://example.org/cat.jpg"}}
    )

    url: Annotated[str, Field(max_length=2000)]


class JobLinks(BaseModel):
    """Where a job is asked, watched and cancelled."""

    self: str
    events: str
    cancel: str


class JobBegun(BaseModel):
    """A video that was taken."""

    id: str
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    links: JobLinks


class JobResult(BaseModel):
    """One file that a job wrote."""

    name: str
    media_type: str
    bytes: int
    href: str


class JobState(BaseModel):
    """How far a job is."""

    id: str
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    frames: int
    frames_total: int | None
    seconds: float
    error: str | None
    warnings: list[str]
    results: list[JobResult]


class ModelInfo(BaseModel):
    """A model of the catalogue; ``here``: whether its files are on the server."""

    name: str
    task: TaskName
    licence: str
    classes: int | None
    here: bool
    promptable: bool


class Formats(BaseModel):
    """What results can be written as."""

    image: list[str]
    video: list[str]


class Health(BaseModel):
    """That the server answers."""

    status: Literal["ok"]
