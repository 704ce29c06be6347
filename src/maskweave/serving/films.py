"""Endpoints for videos: a job for each, which is asked, watched, fetched from and cancelled."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from maskweave.outputs import choose_formats
from maskweave.serving.answers import problems
from maskweave.serving.jobs import Job
from maskweave.serving.media import accepted
from maskweave.serving.models import check_model
from maskweave.serving.pictures import ClassesQuery, ModelQuery, ScoreQuery, TaskQuery, names
from maskweave.serving.problems import Problem
from maskweave.serving.schemas import JobBegun, JobState
from maskweave.serving.service import Service, remove
from maskweave.serving.uploads import receive
from maskweave.serving.workers import Message
from maskweave.tracking.counting import parse_line, parse_zone

_STREAM = "text/event-stream"
_ALIVE_SECONDS = 15.0
"""A word on a silent stream of events, so that what lies between does not think it dead."""
_BINARY = {"type": "string", "format": "binary"}
_EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["progress", "done", "failed", "cancelled"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/JobState"},
        },
    },
}
"""One event of a stream: ``data`` is the job's state, as JSON."""

LinesQuery = Annotated[
    list[str] | None, Query(description="x1,y1,x2,y2[=name]: count the objects that cross it.", max_length=32)
]
ZonesQuery = Annotated[
    list[str] | None, Query(description="x1,y1,x2,y2,x3,y3,…[=name]: count the objects in it.", max_length=32)
]


def router(service: Service) -> APIRouter:
    """The endpoints of a service."""
    routes = APIRouter(tags=["videos"])

    @routes.post(
        "/v1/videos",
        status_code=202,
        summary="Segment a video",
        response_model=JobBegun,
        responses=problems(400, 408, 413, 415, 422, 429),
        openapi_extra=_video_body(),
    )
    async def begin(  # noqa: PLR0913, PLR0917 - each is an argument of the query
        request: Request,
        score: ScoreQuery = None,
        classes: ClassesQuery = None,
        task: TaskQuery = None,
        model: ModelQuery = None,
        save: Annotated[
            str | None,
            Query(
                description="Comma-separated formats, see /v1/formats.",
                max_length=400,
                examples=["overlay,tracks"],
            ),
        ] = None,
        line: LinesQuery = None,
        zone: ZonesQuery = None,
        every: Annotated[int, Query(ge=1, le=1000, description="Look at each so manieth frame only.")] = 1,
    ) -> JSONResponse:
        work = {
            "kind": "video",
            "score": score,
            "classes": names(classes),
            "task": task,
            "model": check_model(model, service.model),
            "save": names(save) if save is not None else None,
            "lines": line or [],
            "zones": zone or [],
            "every": every,
        }
        _check(work)
        job = await _begun(service, request, work)
        links = {"self": _path(job), "events": f"{_path(job)}/events", "cancel": _path(job)}
        body = {"id": job.id, "status": job.status, "links": links}
        return JSONResponse(body, 202, headers={"location": _path(job)})

    @routes.get(
        "/v1/jobs/{job_id}",
        summary="How far a job is; its events where Accept asks for them",
        response_model=JobState,
        responses={200: {"content": {_STREAM: {"schema": _EVENT}}}, **problems(404, 422)},
    )
    async def state(request: Request, job_id: str) -> Response:
        job = service.jobs.find(job_id)
        if accepted(request.headers.get("accept"), ("application/json", _STREAM)) == _STREAM:
            return _events(job)
        return JSONResponse(told(job))

    @routes.get(
        "/v1/jobs/{job_id}/events",
        summary="Events (server-sent): progress, then done, failed or cancelled",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "The job at each change.",
                "content": {_STREAM: {"schema": _EVENT}},
            },
            **problems(404, 422),
        },
    )
    async def events(job_id: str) -> Response:
        return _events(service.jobs.find(job_id))

    @routes.get(
        "/v1/jobs/{job_id}/results/{name}",
        summary="A file that a job wrote; ranges are served",
        response_class=FileResponse,
        responses={
            200: {"description": "The file.", "content": {"application/octet-stream": {"schema": _BINARY}}},
            206: {"description": "A part.", "content": {"application/octet-stream": {"schema": _BINARY}}},
            416: {"description": "There is no such part."},
            **problems(400, 404, 422),
        },
    )
    async def result(job_id: str, name: str) -> Response:
        job = service.jobs.find(job_id)
        if name not in job.results:
            raise Problem(404, "NotFound", "result: the job has none of that name")
        kind = job.results[name]["media_type"]
        shown = "inline" if kind.startswith(("image/", "video/")) else "attachment"
        return FileResponse(job.folder / name, media_type=kind, filename=name, content_disposition_type=shown)

    @routes.delete(
        "/v1/jobs/{job_id}",
        status_code=204,
        summary="Cancel a job, or remove one that is over",
        response_class=Response,
        responses=problems(404, 422),
    )
    async def cancel(job_id: str) -> Response:
        await service.jobs.remove(service.jobs.find(job_id))
        return Response(status_code=204)

    return routes


def told(job: Job) -> Message:
    """What is told of a job."""
    return {
        "id": job.id,
        "status": job.status,
        "frames": job.frames,
        "frames_total": job.frames_total,
        "seconds": round(job.seconds, 3),
        "error": job.error,
        "warnings": job.warnings,
        "results": [{**each, "href": f"{_path(job)}/results/{name}"} for name, each in job.results.items()],
    }


def _check(work: Message) -> None:
    """Tell a wrong call before the body has come; what only the model knows is told by the job."""
    choose_formats(work["save"], kind="video", task=work["task"] or "instances")
    for number, text in enumerate(work["lines"], start=1):
        parse_line(text, number=number)
    for number, text in enumerate(work["zones"], start=1):
        parse_zone(text, number=number)


async def _begun(service: Service, request: Request, work: Message) -> Job:
    with ExitStack() as stack:
        folder = service.new_folder()
        stack.callback(remove, folder)
        with service.upload():
            upload = await receive(request, folder, "video", seconds=service.settings.upload_seconds)
        file = upload.of_kind("video")
        service.metrics.uploaded.inc(file.stat().st_size)
        job = service.jobs.begin(folder, {**work, "file": str(file), "folder": str(folder)})
        stack.pop_all()
    return job


def _events(job: Job) -> StreamingResponse:
    return StreamingResponse(_event_lines(job), media_type=_STREAM)


async def _event_lines(job: Job) -> AsyncIterator[str]:
    async for changed in job.watch(_ALIVE_SECONDS):
        if not changed:
            yield ": still here\n\n"
        elif not job.is_over:
            yield f"event: progress\ndata: {json.dumps(told(job))}\n\n"
    yield f"event: {job.status}\ndata: {json.dumps(told(job))}\n\n"


def _path(job: Job) -> str:
    return f"/v1/jobs/{job.id}"


def _video_body() -> dict[str, Any]:
    form = {"type": "object", "required": ["video"], "properties": {"video": _BINARY}}
    content = {"multipart/form-data": {"schema": form}, "video/*": {"schema": _BINARY}}
    return {"requestBody": {"required": True, "content": content}}
