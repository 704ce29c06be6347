"""Endpoints that correct annotations: label files of data sets, which come back revised, and tracks.

The server keeps nothing between two requests: whoever asks holds the label files, and the images never leave them.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from maskweave.annotations.table import formats
from maskweave.serving.answers import problems
from maskweave.serving.images import BINARY, UPLOAD_PROBLEMS, answered, attached, form_body, parsed
from maskweave.serving.schemas import (
    DatasetContent,
    DatasetRequest,
    RevisionRequest,
    SetExportRequest,
    TracksRequest,
)
from maskweave.serving.service import Service
from maskweave.serving.uploads import Upload
from maskweave.serving.workers import Message

_SETS = dict.fromkeys(each.media_type or "application/zip" for each in formats() if each.stills)
_EXPORTED = dict.fromkeys(each.media_type or "application/zip" for each in formats() if each.videos)
"""Media types of what is made of data sets, and of tracks; a folder is zipped."""


def router(service: Service) -> APIRouter:
    """The endpoints of a service."""
    routes = APIRouter(tags=["data sets"])

    @routes.post(
        "/v1/datasets/read",
        summary="The objects of a COCO or YOLO data set, from its label files",
        response_class=Response,
        responses={
            200: {"description": "The objects by image.", "model": DatasetContent},
            **problems(*UPLOAD_PROBLEMS),
        },
        openapi_extra=form_body("labels", DatasetRequest),
    )
    async def read(request: Request) -> Response:
        return await answered(service, request, _work("read", DatasetRequest), kind="labels")

    @routes.post(
        "/v1/datasets/revise",
        summary="The label files with corrected objects, and else as they were",
        response_class=Response,
        responses={
            200: {"description": "A zip.", "content": {"application/zip": {"schema": BINARY}}},
            **problems(*UPLOAD_PROBLEMS),
        },
        openapi_extra=form_body("labels", RevisionRequest),
    )
    async def revise(request: Request) -> Response:
        return await answered(
            service, request, _work("revise", RevisionRequest, by_alias=True), kind="labels"
        )

    @routes.post(
        "/v1/datasets/export",
        summary="All objects of a COCO or YOLO data set in another format, as one file or one zip",
        response_class=Response,
        responses=attached(_SETS),
        openapi_extra=form_body("labels", SetExportRequest),
    )
    async def export_set(request: Request) -> Response:
        return await answered(service, request, _work("labels", SetExportRequest), kind="labels")

    _add_tracks(routes, service)
    return routes


def _add_tracks(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/v1/tracks/export",
        summary="The tracks of a video, as they are or as they were corrected, in another format",
        response_class=Response,
        responses=attached(_EXPORTED),
        openapi_extra=form_body("tracks", TracksRequest),
    )
    async def export(request: Request) -> Response:
        return await answered(service, request, _work("tracks", TracksRequest), kind="tracks")


def _work(kind: str, schema: type[BaseModel], *, by_alias: bool = False) -> Callable[[Upload], Message]:
    """What makes a job of a kind out of an upload, whose request has a schema."""

    def work(upload: Upload) -> Message:
        return {"kind": kind, **parsed(schema, upload.request).model_dump(by_alias=by_alias)}

    return work
