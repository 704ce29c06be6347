"""Endpoints that correct annotations: label files of data sets, which come back revised, and tracks.

The server keeps nothing between two requests: whoever asks holds the label files, and the images never leave them.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
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
        def work(upload: Upload) -> Message:
            return {"kind": "read", **parsed(DatasetRequest, upload.request).model_dump()}

        return await answered(service, request, work, kind="labels")

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
        def work(upload: Upload) -> Message:
            return {"kind": "revise", **parsed(RevisionRequest, upload.request).model_dump(by_alias=True)}

        return await answered(service, request, work, kind="labels")

    @routes.post(
        "/v1/datasets/export",
        summary="All objects of a COCO or YOLO data set in another format, as one file or one zip",
        response_class=Response,
        responses=attached(_SETS),
        openapi_extra=form_body("labels", SetExportRequest),
    )
    async def export_set(request: Request) -> Response:
        def work(upload: Upload) -> Message:
            return {"kind": "labels", **parsed(SetExportRequest, upload.request).model_dump()}

        return await answered(service, request, work, kind="labels")

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
        def work(upload: Upload) -> Message:
            return {"kind": "tracks", **parsed(TracksRequest, upload.request).model_dump()}

        return await answered(service, request, work, kind="tracks")
