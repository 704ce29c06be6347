"""Endpoints for videos: start a job, ask for it, watch it, fetch its files, cancel it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from maskweave.options import Request as Options
from maskweave.outputs import choose_formats
from maskweave.serving.answers import problems
from maskweave.serving.images import form_body, parsed
from maskweave.serving.jobs import VideoJob
from maskweave.serving.media import accepted
from maskweave.serving.models import check_model
from maskweave.serving.preview import read_frames
from maskweave.serving.problems import Problem
from maskweave.serving.queries import ModelQuery, VideoQuery
from maskweave.serving.schemas import FileName, JobBegun, JobState, VideoRequest
from maskweave.serving.service import Service, remove
from maskweave.serving.uploads import Upload, receive
from maskweave.serving.workers import Message

_STREAM = "text/event-stream"
_LINES = "application/x-ndjson"
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


def router(service: Service) -> APIRouter:
    """The endpoints of a service."""
    routes = APIRouter(tags=["videos"])
    _add_begin(routes, service)
    _add_drawing(routes, service)
    _add_state(routes, service)
    _add_results(routes, service)
    return routes


def _add_begin(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/v1/videos",
        status_code=202,
        summary="Segment a video, or follow what is marked in it",
        response_model=JobBegun,
        responses=problems(400, 408, 413, 415, 422, 429),
        openapi_extra=_video_body(),
    )
    async def begin(
        request: Request,
        options: VideoQuery,
        model: ModelQuery = None,
        name: Annotated[FileName, Query(description="Of the video, as files of results say it.")] = "video",
        preview: Annotated[
            bool, Query(description="Keep the tracks of frames that are done for /frames.")
        ] = False,
    ) -> JSONResponse:
        # a wrong call is told before the body has come; what only the model knows is told by the job
        choose_formats(options.output.save, kind="video", task=options.segment.task or "instances")
        work = {
            "kind": "video",
            "options": options.to_words(),
            "model": check_model(model, service.model),
            "name": name,
            "preview": preview,
        }
        return _answer(await _begun(service, request, work, options))


def _add_drawing(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/v1/videos/tracks",
        status_code=202,
        summary="The files of a video anew, from tracks that were corrected",
        response_model=JobBegun,
        responses=problems(400, 408, 413, 415, 422, 429),
        openapi_extra=_tracks_body(),
    )
    async def draw(
        request: Request,
        save: Annotated[str, Query(max_length=400, examples=["overlay,masks"])] = "overlay",
        name: Annotated[FileName, Query(description="Of the video, as files of results say it.")] = "video",
    ) -> JSONResponse:
        options = Options.of(save=save.split(","))
        choose_formats(options.output.save, kind="video", task="instances")
        work = {"kind": "draw", "options": options.to_words(), "name": name}
        return _answer(await _drawing(service, request, work))


def _add_state(routes: APIRouter, service: Service) -> None:
    """How far a job is: asked, watched, cancelled."""

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
        return JSONResponse(state_of(job))

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


def _add_results(routes: APIRouter, service: Service) -> None:
    """What a job has done: frames as they come, files when it is over."""

    @routes.get(
        "/v1/jobs/{job_id}/frames",
        summary="The frames that a job at work has done: a line of JSON each, from a byte on",
        response_class=Response,
        responses={200: {"content": {_LINES: {"schema": {"type": "string"}}}}, **problems(404, 422)},
    )
    async def frames(job_id: str, offset: Annotated[int, Query(ge=0, le=2**60)] = 0) -> Response:
        job = service.jobs.find(job_id)
        return Response(await asyncio.to_thread(read_frames, job.folder, offset), media_type=_LINES)

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


def state_of(job: VideoJob) -> Message:
    """What is reported of a job."""
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


def _answer(job: VideoJob) -> JSONResponse:
    """What is answered where a job begins."""
    links = {"self": _path(job), "events": f"{_path(job)}/events", "cancel": _path(job)}
    body = {"id": job.id, "status": job.status, "links": links}
    return JSONResponse(body, 202, headers={"location": _path(job)})


async def _drawing(service: Service, request: Request, work: Message) -> VideoJob:
    """Begin to draw a video's tracks, which come beside it."""
    with ExitStack() as stack:
        folder = service.new_folder()
        stack.callback(remove, folder)
        with service.upload():
            upload = await receive(
                request, folder, "video", seconds=service.settings.upload_seconds, beside="tracks"
            )
        file = upload.of_kind("video")
        tracks = Upload(upload.beside).of_kind("tracks")
        work = {**work, "file": str(file), "tracks": str(tracks), "folder": str(folder)}
        job = service.jobs.begin(folder, work)
        stack.pop_all()
    return job


async def _begun(service: Service, request: Request, work: Message, options: Options) -> VideoJob:
    with ExitStack() as stack:
        folder = service.new_folder()
        stack.callback(remove, folder)
        with service.upload():
            upload = await receive(request, folder, "video", seconds=service.settings.upload_seconds)
        file = upload.of_kind("video")
        service.metrics.uploaded.inc(file.stat().st_size)
        masks = _marked(upload.request, options) if upload.request else []
        job = service.jobs.begin(folder, {**work, "masks": masks, "file": str(file), "folder": str(folder)})
        stack.pop_all()
    return job


def _marked(text: bytes, options: Options) -> list[Message]:
    """The frames of a request whose objects are marked; raises a `Problem` where they cannot be followed."""
    frames = parsed(VideoRequest, text).masks
    if len({each.frame for each in frames}) < len(frames):
        raise Problem(422, "InvalidValue", "masks: need each frame once, got one twice")
    if options.prompt.prompt is not None:
        raise Problem(
            422, "InvalidValue", "masks: need them alone, got box or point as well; leave those out"
        )
    options.check_prompted()
    return [each.model_dump() for each in frames]


def _events(job: VideoJob) -> StreamingResponse:
    return StreamingResponse(_event_lines(job), media_type=_STREAM)


async def _event_lines(job: VideoJob) -> AsyncIterator[str]:
    async for changed in job.watch(_ALIVE_SECONDS):
        if not changed:
            yield ": still here\n\n"
        elif not job.is_over:
            yield f"event: progress\ndata: {json.dumps(state_of(job))}\n\n"
    yield f"event: {job.status}\ndata: {json.dumps(state_of(job))}\n\n"


def _path(job: VideoJob) -> str:
    return f"/v1/jobs/{job.id}"


def _video_body() -> dict[str, Any]:
    body = form_body("video", VideoRequest, required=("video",))
    body["requestBody"]["content"]["video/*"] = {"schema": _BINARY}
    return body


def _tracks_body() -> dict[str, Any]:
    form = {
        "type": "object",
        "required": ["video", "tracks"],
        "properties": {"video": _BINARY, "tracks": _BINARY},
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}
