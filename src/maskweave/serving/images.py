"""Endpoints for images: segment, refine, export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from maskweave.annotations.table import formats
from maskweave.options import Request as Options
from maskweave.serving.answers import FolderFile, problems
from maskweave.serving.media import OTHER, accepted
from maskweave.serving.models import check_model
from maskweave.serving.problems import Problem
from maskweave.serving.queries import ImageQuery, ModelQuery
from maskweave.serving.schemas import (
    AddressRequest,
    ExportRequest,
    RefineRequest,
    RefineResult,
    SegmentResult,
)
from maskweave.serving.service import Service, remove
from maskweave.serving.uploads import Kind, Upload, receive
from maskweave.serving.workers import Message

_T = TypeVar("_T", bound=BaseModel)

_MAX_ADDRESS = 10_000
OFFERS = ("application/json", "image/png", "image/jpeg")
_EXPORTED = (
    *("image/jpeg", "image/png"),
    *dict.fromkeys(
        each.media_type or "application/zip" for each in formats() if each.stills
    ),  # a folder is zipped
    OTHER,  # NRRD has none of its own
)
BINARY = {"type": "string", "format": "binary"}
UPLOAD_PROBLEMS = (400, 408, 413, 415, 422, 429, 500, 504)


def router(service: Service) -> APIRouter:
    """The endpoints of a service."""
    routes = APIRouter(tags=["images"])
    _add_segment(routes, service)
    _add_refine(routes, service)
    _add_export(routes, service)
    return routes


def _add_segment(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/v1/segment",
        summary="Find the objects in an image",
        response_class=Response,
        responses={
            200: {
                "description": "The objects; or an image of their ids (PNG), or an overlay (JPEG), as Accept asks.",
                "model": SegmentResult,
                "content": {"image/png": {"schema": BINARY}, "image/jpeg": {"schema": BINARY}},
            },
            **problems(406, *UPLOAD_PROBLEMS),
        },
        openapi_extra=_segment_body(),
    )
    async def segment(request: Request, options: ImageQuery, model: ModelQuery = None) -> Response:
        accept = accepted(request.headers.get("accept"), OFFERS)
        if accept is None:
            raise Problem(406, "NotAcceptable", f"accept: need one of {', '.join(OFFERS)}")
        work = {
            "kind": "segment",
            "options": options.to_words(),
            "model": check_model(model, service.model),
            "accept": accept,
        }
        return await answered(service, request, lambda _: work)


def _add_refine(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/v1/refine",
        summary="The mask of an object that is pointed at, or a mask corrected",
        response_class=Response,
        responses={200: {"description": "The object.", "model": RefineResult}, **problems(*UPLOAD_PROBLEMS)},
        openapi_extra=form_body("image", RefineRequest),
    )
    async def refine(request: Request) -> Response:
        def work(upload: Upload) -> Message:
            asked = parsed(RefineRequest, upload.request)
            if asked.rle is None and asked.box is None and not asked.points:
                raise Problem(422, "InvalidValue", "request: need points, a box or a mask (rle), got none")
            return {"kind": "refine", **asked.model_dump(), "model": check_model(asked.model, service.model)}

        return await answered(service, request, work)


def _add_export(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/v1/export",
        summary="Objects that were kept or corrected, as a file",
        response_class=Response,
        responses=attached(_EXPORTED),
        openapi_extra=form_body("image", ExportRequest),
    )
    async def export(request: Request) -> Response:
        def work(upload: Upload) -> Message:
            asked = parsed(ExportRequest, upload.request)
            style = asked.options.model_dump()
            if asked.format != "cutout":  # which the page's other formats may be given too
                style |= {"background": None, "refine_edges": False}
            options = Options.of(save=[asked.format], task="instances", **style)
            return {
                "kind": "export",
                "objects": [each.model_dump(by_alias=True) for each in asked.objects],
                "options": options.to_words(),
                "name": asked.name,
            }

        return await answered(service, request, work)


def parsed(schema: type[_T], text: bytes) -> _T:
    """Read JSON; raises a `Problem` for the first thing that is wrong."""
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        raise Problem(422, "InvalidValue", f"request: {first_error(error.errors())}") from None


def first_error(errors: Sequence[Any]) -> str:
    """The first of pydantic's errors in one line."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


async def answered(
    service: Service, request: Request, work: Callable[[Upload], Message], *, kind: Kind = "image"
) -> Response:
    """Receive an image, or what ``kind`` says, have ``work(upload)`` done with it, and answer with the file made."""
    pool = service.images
    with ExitStack() as stack:
        folder = service.new_folder()
        stack.callback(remove, folder)
        with service.upload():
            upload = await _received(service, request, folder, kind)
        file = upload.of_kind(kind)
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


async def _received(service: Service, request: Request, folder: Path, kind: Kind) -> Upload:
    """The body's file, or the image behind the address that a JSON body names."""
    upload = await receive(request, folder, kind, seconds=service.settings.upload_seconds)
    form = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "image" or form != "application/json":
        return upload
    if not service.settings.allow_urls:
        raise Problem(403, "Forbidden", "url: addresses are not loaded; see --allow-urls of the server")
    if upload.file is None or upload.file.stat().st_size > _MAX_ADDRESS:
        raise Problem(422, "InvalidValue", 'body: need {"url": "https://…"}')
    wanted = parsed(AddressRequest, upload.file.read_bytes())
    await service.fetcher.fetch(wanted.url, upload.file)
    return upload


def _segment_body() -> dict[str, Any]:
    form = {
        "type": "object",
        "required": ["image"],
        "properties": {"image": BINARY},
    }
    content = {
        "multipart/form-data": {"schema": form},
        "image/*": {"schema": BINARY},
        "application/json": {"schema": AddressRequest.model_json_schema()},
    }
    return {"requestBody": {"required": True, "content": content}}


def attached(kinds: Iterable[str]) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: the responses of an endpoint that answers an upload with a file of one of some media types."""
    return {
        200: {
            "description": "The file, as an attachment.",
            "content": {kind: {"schema": BINARY} for kind in kinds},
        },
        **problems(*UPLOAD_PROBLEMS),
    }


def form_body(
    kind: Kind, schema: type[BaseModel], *, required: Sequence[str] | None = None
) -> dict[str, Any]:
    """The description of a form with a file in the field ``kind`` and JSON of a ``schema`` beside it."""
    text = schema.model_json_schema()
    form = {
        "type": "object",
        "required": [kind, "request"] if required is None else list(required),
        "properties": {kind: BINARY, "request": _inlined(text, text.get("$defs", {}))},
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
