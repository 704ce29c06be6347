"""Endpoints about the server itself, and the page."""

from __future__ import annotations

import hashlib
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, get_args

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from maskweave.annotations.table import format_named, save_names
from maskweave.outputs import saved_formats
from maskweave.serving.answers import problems
from maskweave.serving.media import media_type
from maskweave.serving.problems import Problem, stopping
from maskweave.serving.schemas import Formats, Health
from maskweave.serving.service import Service
from maskweave.serving.sessions import COOKIE, SECONDS
from maskweave.serving.track_files import formats_of_tracks
from maskweave.types.prediction import Task

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def router(service: Service) -> APIRouter:
    """The endpoints of a service."""
    routes = APIRouter(tags=["server"])
    _add_formats(routes)
    _add_session(routes, service)
    _add_health(routes, service)
    return routes


def _add_formats(routes: APIRouter) -> None:
    @routes.get(
        "/v1/formats", summary="What results can be written as", response_model=Formats, responses=problems()
    )
    async def formats() -> JSONResponse:
        by_task = {task: saved_formats("video", task) for task in get_args(Task)}
        forms = {name: format_named(form) for name, form in save_names().items()}
        return JSONResponse(
            {
                "image": saved_formats("image", "instances"),
                "video": saved_formats("video"),
                "video_by_task": by_task,
                "tracks": formats_of_tracks(),
                "titles": {name: form.title for name, form in forms.items()},
                "suffixes": {name: form.suffix or f".{name}" for name, form in forms.items()},
            }
        )


def _add_session(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/v1/session",
        status_code=204,
        summary="A cookie for what a browser's player loads by itself",
        response_class=Response,
        responses=problems(),
    )
    async def session(request: Request) -> Response:
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE,
            service.sessions.begin(),
            max_age=SECONDS,
            path=None,  # the folder of this very address, as a browser behind a proxy sees it
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response


def _add_health(routes: APIRouter, service: Service) -> None:
    """For those who watch the server."""

    @routes.get("/healthz", summary="Whether the server answers", response_model=Health, responses=problems())
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @routes.get("/readyz", summary="Whether it takes work now", response_model=Health, responses=problems())
    async def ready() -> JSONResponse:
        if service.is_stopping:
            raise stopping()
        if not service.images.is_ready:
            raise Problem(503, "Starting", "no process is ready; try again in a moment", retry_after=1)
        return JSONResponse({"status": "ok"})

    @routes.get(
        "/metrics",
        summary="Numbers for Prometheus",
        response_class=Response,
        responses={
            200: {"description": "Text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
            **problems(),
        },
    )
    async def metrics() -> Response:
        return Response(service.metrics.text(), headers={"content-type": _METRICS_TYPE})


def add_page(app: FastAPI) -> None:
    """Serve the files in ``static``, read once; no name of a request is ever looked up on the disk."""
    found = dict(_walk(files("maskweave.serving") / "static", ""))
    found |= {f"samples/{name}": data for name, data in _walk(files("maskweave") / "samples", "")}

    @app.get("/static/{name:path}", include_in_schema=False)
    async def static(request: Request, name: str) -> Response:
        if name not in found:
            raise Problem(404, "NotFound", "file: there is none of that name")
        return _file(request, name, found[name])

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        if "index.html" not in found:
            return RedirectResponse("docs")
        return _file(request, "index.html", found["index.html"])

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(_docs_page(app.openapi()), media_type="text/html")


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    if not folder.is_dir():
        return []
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found


def _file(request: Request, name: str, data: bytes) -> Response:
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache", "content-type": media_type(name)}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers)


def _docs_page(document: dict[str, Any]) -> str:
    """The OpenAPI document as a plain page: no script, nothing from elsewhere."""
    rows = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parameters = ", ".join(each["name"] for each in operation.get("parameters", []))
            answers = ", ".join(operation["responses"])
            rows.append(
                f"<tr><th scope=row><code>{method.upper()} {escape(path)}</code><td>{escape(operation['summary'])}"
                f"<td><code>{escape(parameters)}</code><td>{escape(answers)}"
            )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>MaskWeave: HTTP interface</title>"
        "<meta name=viewport content='width=device-width'><h1>MaskWeave: HTTP interface</h1>"
        "<p>For programs, with every field and example: <a href=openapi.json>openapi.json</a>.</p>"
        "<table><tr><th>Request<th>What it does<th>Query<th>Answers" + "".join(rows) + "</table></html>"
    )
