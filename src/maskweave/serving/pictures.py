"""Endpoints for pictures: segment, refine, export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from maskweave.serving.answers import FolderFile, problems
from maskweave.serving.media import OTHER, accepted
from maskweave.serving.models import check_model
from maskweave.serving.problems import Problem
from maskweave.serving.schemas import (
    AddressRequest,
    ExportRequest,
    RefineRequest,
    RefineResult,
    Score,
    SegmentResult,
    TaskName,
)
from maskweave.serving.service import Service, remove
from maskweave.serving.uploads import Upload, receive
from maskweave.serving.workers import Message

_T = TypeVar("_T", bound=BaseModel)

_LONGEST_ADDRESS = 10_000
OFFERS = ("application/json", "image/png", "image/jpeg")
_EXPORTED = (
    *("image/jpeg", "image/png", "application/json", "application/geo+json", "text/csv"),
    OTHER,  # NRRD has none of its own
)
_BINARY = {"type": "string", "format": "binary"}
_UPLOAD_PROBLEMS = (400, 408, 413, 415, 422, 429, 500, 504)

ClassesQuery = Annotated[
    str | None,
    Query(description="Comma-separated class names to keep.", max_length=4000, examples=["cat,dog"]),
]
ScoreQuery = Annotated[
    Score | None, Query(description="Least score; by default the model's own.", examples=[0.5])
]
TaskQuery = Annotated[TaskName | None, Query(description="What to find; by default what the model gives.")]
ModelQuery = Annotated[
    str | None, Query(description="A name out of /v1/models.", max_length=200, examples=["compact-s"])
]


def router(service: Service) -> APIRouter:
    """The endpoints of a service."""
    routes = APIRouter(tags=["pictures"])

    @routes.post(
        "/v1/segment",
        summary="Find the objects in a picture",
        response_class=Response,
        responses={
            200: {
                "description": "The objects; or a picture of their ids (PNG), or an overlay (JPEG), as Accept asks.",
                "model": SegmentResult,
                "content": {"image/png": {"schema": _BINARY}, "image/jpeg": {"schema": _BINARY}},
            },
            **problems(406, *_UPLOAD_PROBLEMS),
        },
        openapi_extra=_segment_body(),
    )
    async def segment(
        request: Request,
        score: ScoreQuery = None,
        classes: ClassesQuery = None,
        task: TaskQuery = None,
        model: ModelQuery = None,
    ) -> Response:
        accept = accepted(request.headers.get("accept"), OFFERS)
        if accept is None:
            raise Problem(406, "NotAcceptable", f"accept: need one of {', '.join(OFFERS)}")
        work = {
            "kind": "segment",
            "score": score,
            "classes": names(classes),
            "task": task,
            "model": check_model(model, service.model),
            "accept": accept,
        }
        return await _answered(service, request, lambda _: work)

    @routes.post(
        "/v1/refine",
        summary="The mask of an object that is pointed at, or a mask corrected",
        response_class=Response,
        responses={200: {"description": "The object.", "model": RefineResult}, **problems(*_UPLOAD_PROBLEMS)},
        openapi_extra=_form_body(RefineRequest),
    )
    async def refine(request: Request) -> Response:
        def work(upload: Upload) -> Message:
            wish = parsed(RefineRequest, upload.request)
            if wish.rle is None and wish.box is None and not wish.points:
                raise Problem(422, "InvalidValue", "request: need points, a box or a mask (rle), got none")
            return {"kind": "refine", **wish.model_dump(), "model": check_model(wish.model, service.model)}

        return await _answered(service, request, work)

    @routes.post(
        "/v1/export",
        summary="Objects that were kept or corrected, as a file",
        response_class=Response,
        responses={
            200: {
                "description": "The file, as an attachment.",
                "content": {kind: {"schema": _BINARY} for kind in _EXPORTED},
            },
            **problems(*_UPLOAD_PROBLEMS),
        },
        openapi_extra=_form_body(ExportRequest),
    )
    async def export(request: Request) -> Response:
        def work(upload: Upload) -> Message:
            wish = parsed(ExportRequest, upload.request)
            options = wish.options
            return {
                "kind": "export",
                "format": wish.format,
                "objects": [each.model_dump(by_alias=True) for each in wish.objects],
                "background": options.background,
                "style": {"opacity": options.opacity},
            }

        return await _answered(service, request, work)

    return routes


def names(text: str | None) -> list[str]:
    """Comma-separated names."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def parsed(schema: type[_T], text: bytes) -> _T:
    """Read JSON; raises a `Problem` that tells the first thing that is wrong."""
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        raise Problem(422, "InvalidValue", f"request: {first_error(error.errors())}") from None


def first_error(errors: Sequence[Any]) -> str:
    """The first of pydantic's errors in one line."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


async def _answered(service: Service, request: Request, work: Callable[[Upload], Message]) -> Response:
    """Receive the picture, have ``work(upload)`` done with it, and answer with the file that comes of it."""
    pool = service.pictures
    with ExitStack() as stack:
        folder = service.new_folder()
        stack.callback(remove, folder)
        with service.upload():
            upload = await _received(service, request, folder)
        file = upload.of_kind("image")
        service.metrics.uploaded.inc(file.stat().st_size)
        answer = folder / "answer"
        files = {"file": str(file), "answer": str(answer), "folder": str(folder)}
        with pool.place():
            result = await pool.do({**work(upload), **files}, is_given_up=request.is_disconnected)
        if "seconds" in result:
            service.metrics.inference.observe(result["seconds"])
            service.metrics.objects.inc(result["objects"])
        stack.pop_all()
    if "name" in result:  # a name that our writers made of the word "image"
        return FolderFile(folder, folder / result["name"], result["media_type"], filename=result["name"])
    return FolderFile(folder, answer, result["media_type"])


async def _received(service: Service, request: Request, folder: Path) -> Upload:
    """The body's picture, or the one behind the address that a JSON body names."""
    upload = await receive(request, folder, "image", seconds=service.settings.upload_seconds)
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return upload
    if not service.settings.allow_urls:
        raise Problem(403, "Forbidden", "url: addresses are not loaded; see --allow-urls of the server")
    if upload.file is None or upload.file.stat().st_size > _LONGEST_ADDRESS:
        raise Problem(422, "InvalidValue", 'body: need {"url": "https://…"}')
    wanted = parsed(AddressRequest, upload.file.read_bytes())
    await service.fetcher.fetch(wanted.url, upload.file)
    return upload


def _segment_body() -> dict[str, Any]:
    form = {
        "type": "object",
        "required": ["image"],
        "properties": {"image": _BINARY},
    }
    content = {
        "multipart/form-data": {"schema": form},
        "image/*": {"schema": _BINARY},
        "application/json": {"schema": AddressRequest.model_json_schema()},
    }
    return {"requestBody": {"required": True, "content": content}}


def _form_body(schema: type[BaseModel]) -> dict[str, Any]:
    text = schema.model_json_schema()
    form = {
        "type": "object",
        "required": ["image", "request"],
        "properties": {"image": _BINARY, "request": _inlined(text, text.get("$defs", {}))},
    }
    content = {
        "multipart/form-data": {"schema": form, "encoding": {"request": {"contentType": "application/json"}}}
    }
    return {"requestBody": {"required": True, "content": content}}


def _inlined(part: Any, definitions: dict[str, Any]) -> Any:
    """A JSON schema with its definitions where they are referred to: those of a form's part have no other place."""
    if isinstance(part, list):
        return [_inlined(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(definitions[part["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(value, definitions) for name, value in part.items() if name != "$defs"}
