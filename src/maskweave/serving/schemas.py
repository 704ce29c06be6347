"""Schemas of requests and answers, for validation and for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
FileName = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^/\\:\x00-\x1f\x7f.][^/\\:\x00-\x1f\x7f]*$")
]
"""A file's own name: no folder, nothing hidden."""
TaskName = Literal["instances", "semantic", "foreground"]

_Place = Annotated[str, Field(max_length=4000)]

_RLE: dict[str, Any] = {"size": [48, 64], "counts": "PP1`0b0O1"}
_BOX: list[Any] = [12.0, 8.0, 40.0, 32.0]


class RunLengths(BaseModel):
    """A mask in COCO's run-length encoding: ``size`` is [height, width]."""

    model_config = ConfigDict(json_schema_extra={"example": _RLE})

    size: Annotated[list[Annotated[int, Field(ge=1, le=2**20)]], Field(min_length=2, max_length=2)]
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
    """What was found in one image; ``size`` is [height, width], ``seconds`` the time of the model."""

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


class MarkedObject(BaseModel):
    """One object that is marked in a frame; the same ``id`` is the same object in every frame."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[int, Field(ge=1, le=65535)]
    rle: RunLengths


class MarkedFrame(BaseModel):
    """The objects of frame number ``frame``, from 0."""

    model_config = ConfigDict(extra="forbid")

    frame: Annotated[int, Field(ge=0, le=2**31)]
    objects: Annotated[list[MarkedObject], Field(min_length=1, max_length=10_000)]


class VideoRequest(BaseModel):
    """Masks of one frame or more, which are followed through the video instead of what the model finds."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"masks": [{"frame": 0, "objects": [{"id": 1, "rle": _RLE}]}]}},
    )

    masks: Annotated[list[MarkedFrame], Field(min_length=1, max_length=1000)]


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
    """How overlays and cut-outs look: ``background`` is transparent, blur, #rrggbb or a color's name."""

    model_config = ConfigDict(extra="forbid")

    background: Annotated[str, Field(max_length=40)] | None = None
    refine_edges: bool = False
    opacity: Score = 0.45
    color_by: Literal["instance", "class"] = "instance"


class ExportRequest(BaseModel):
    """What to write: a ``format`` out of /v1/formats, and the objects; ``name``: of the image, as files say it."""

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
    name: FileName = "image"


PathName = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f]+$")]
"""A path within a data set, "/"-separated."""


class DatasetImage(BaseModel):
    """An image of a data set that stays where it is: the server is told its name and its size in pixels, upright."""

    model_config = ConfigDict(extra="forbid")

    name: PathName
    width: Annotated[int, Field(ge=1, le=1_000_000)]
    height: Annotated[int, Field(ge=1, le=1_000_000)]


DatasetImages = Annotated[list[DatasetImage], Field(max_length=100_000)]
_IMAGES: list[Any] = [{"name": "images/a.jpg", "width": 64, "height": 48}]


class DatasetRequest(BaseModel):
    """The images of a data set, whose label files come beside as a zip."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"images": _IMAGES}})

    images: DatasetImages


class LabeledObject(BaseModel):
    """An object of a data set: ``row`` is its number in the image, from 0, by which it is known when it comes back.

    ``area`` is 0 where only the box is known. ``score`` is null where the file states none, or 1, as of what people
    draw.
    """

    row: int
    class_: str = Field(alias="class")
    score: float | None
    crowd: bool
    area: int
    box: list[float]
    rle: RunLengths


class LabeledImage(BaseModel):
    """An image of a data set with its objects; ``source``: the file that says so, ``size`` is [height, width]."""

    name: str
    source: str
    size: list[int]
    objects: list[LabeledObject]


class DatasetContent(BaseModel):
    """What a data set says of the images that are there, and what could not be read of it."""

    formats: list[str]
    class_names: list[str]
    images: list[LabeledImage]
    problems: list[str]


class RevisedObject(BaseModel):
    """An object as it shall be; ``row`` as it was read, null for a new one."""

    model_config = ConfigDict(extra="forbid")

    row: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    class_: Annotated[str, Field(alias="class", min_length=1, max_length=200)]
    rle: RunLengths


class RevisedImage(BaseModel):
    """All objects of an image as they shall be; those of the file that are missing are taken away."""

    model_config = ConfigDict(extra="forbid")

    name: PathName
    source: PathName
    objects: Annotated[list[RevisedObject], Field(max_length=10_000)]


class RevisionRequest(BaseModel):
    """The images of a data set, as for reading it, and those of them that were corrected."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "images": _IMAGES,
                "revisions": [
                    {
                        "name": "images/a.jpg",
                        "source": "labels.json",
                        "objects": [{"row": 0, "class": "cat", "rle": _RLE}],
                    }
                ],
            }
        },
    )

    images: DatasetImages
    revisions: Annotated[list[RevisedImage], Field(max_length=100_000)]


class SetExportRequest(BaseModel):
    """The images of a data set, as for reading it, and the format that all of its objects shall be in."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"images": _IMAGES, "format": "yolo"}}
    )

    images: DatasetImages
    format: Annotated[str, Field(max_length=40)]


class TracksRequest(BaseModel):
    """What to make of a tracks file, which comes beside: a format out of ``tracks`` of /v1/formats."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"format": "coco"}})

    format: Annotated[str, Field(max_length=40)]


class AddressRequest(BaseModel):
    """The address of an image on the public internet."""

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


class ModelFetching(BaseModel):
    """How far the fetching of a model is, or the ``error`` that it ended with."""

    bytes: int
    total: int | None
    error: str | None


class ModelInfo(BaseModel):
    """A model of the catalog; ``here``: whether its files are on the server.

    ``bytes``: of its download, null where unknown or in the package. ``how``: the command that gets it, where it
    is not here and cannot be fetched by a request.
    """

    name: str
    task: TaskName
    license: str
    classes: int | None
    here: bool
    promptable: bool
    bytes: int | None
    source: str
    how: str
    fetching: ModelFetching | None
    removable: bool


class Formats(BaseModel):
    """What results can be written as: by the kind of input, of a video also by its task, and what each name is.

    ``tracks``: what is made of a tracks file alone.
    """

    image: list[str]
    video: list[str]
    video_by_task: dict[str, list[str]]
    tracks: list[str]
    titles: dict[str, str]
    suffixes: dict[str, str]


class Health(BaseModel):
    """That the server answers."""

    status: Literal["ok"]


class LiveRequest(BaseModel):
    """What is wanted of a live video: the first message on its WebSocket.

    ``source``: a number out of /v1/live/sources; ``address``: of a stream, or a camera of the server. Without both,
    the other side sends the frames.
    """

    model_config = ConfigDict(extra="forbid")

    source: Annotated[int, Field(ge=0, le=1000)] | None = None
    address: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    model: Annotated[str, Field(max_length=200)] | None = None
    task: TaskName | None = None
    score: Score | None = None
    classes: Annotated[str, Field(max_length=4000)] | None = None
    track: bool | None = None
    tracker: Annotated[str, Field(max_length=40)] | None = None
    every: Annotated[int, Field(ge=1, le=1000)] | None = None
    line: Annotated[list[_Place], Field(max_length=32)] | None = None
    zone: Annotated[list[_Place], Field(max_length=32)] | None = None
    drawn_on: Annotated[str, Field(max_length=40)] | None = None


class LiveCounters(BaseModel):
    """What is said while a live video is at work: other lines and zones, or that a frame has been shown."""

    model_config = ConfigDict(extra="forbid")

    shown: int | None = None
    line: Annotated[list[_Place], Field(max_length=32)] | None = None
    zone: Annotated[list[_Place], Field(max_length=32)] | None = None
    drawn_on: Annotated[str, Field(max_length=40)] | None = None


class LiveSources(BaseModel):
    """What the server can show live; ``streams``: whether it opens addresses that the page names."""

    sources: list[str]
    streams: bool
