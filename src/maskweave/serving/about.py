"""Endpoints that tell of the server itself, and the page."""

from __future__ import annotations

import asyncio
import hashlib
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from maskweave.outputs import FORMATS
from maskweave.serving.answers import problems
from maskweave.serving.media import media_type
from maskweave.serving.models import listed
from maskweave.serving.problems import Problem, stopping
from maskweave.serving.schemas import Formats, Health, ModelInfo
from maskweave.serving.service import Service
from maskweave.serving.sessions import COOKIE, SECONDS

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def router(service: Service) -> APIRouter:
    """The endpoints of a service."""
    routes = APIRouter(tags=["server"])

    @routes.get(
        "/v1/formats", summary="What results can be written as", response_model=Formats, responses=problems()
    )
    async def formats() -> JSONResponse:
        image = [name for name, kind, task in FORMATS if kind == "image" and task == "instances"]
        video = dict.fromkeys(name for name, kind, _ in FORMATS if kind == "video")
        found = {"image": image, "video": list(video)}
        return JSONResponse(found)

    @routes.get("/v1/models", summary="The models", response_model=list[ModelInfo], responses=problems())
    async def models() -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(listed, service.default))

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
            path="/v1/jobs",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    @routes.get("/healthz", summary="Whether the server answers", response_model=Health, responses=problems())
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @routes.get("/readyz", summary="Whether it takes work now", response_model=Health, responses=problems())
    async def ready() -> JSONResponse:
        if service.is_stopping:
            raise stopping()
        if not service.pictures.is_ready:
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

    return routes


def add_page(app: FastAPI) -> None:
    """Serve the files in ``static``, read once; no name of a request is ever looked up on the disk."""
    found = dict(_walk(files("maskweave.serving") / "static", ""))

    @app.get("/static/{name:path}", include_in_schema=False)
    async def static(request: Request, name: str) -> Response:
        if name not in found:
            raise Problem(404, "NotFound", "file: there is none of that name")
        return _file(request, name, found[name])

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        if "index.html" not in found:
            return RedirectResponse("/docs")
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
        for method, told in methods.items():
            parameters = ", ".join(each["name"] for each in told.get("parameters", []))
            answers = ", ".join(told["responses"])
            rows.append(
                f"<tr><th scope=row><code>{method.upper()} {escape(path)}</code><td>{escape(told['summary'])}"
                f"<td><code>{escape(parameters)}</code><td>{escape(answers)}"
            )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>MaskWeave: HTTP interface</title>"
        "<meta name=viewport content='width=device-width'><h1>MaskWeave: HTTP interface</h1>"
        "<p>For programs, with every field and example: <a href=/openapi.json>openapi.json</a>.</p>"
        "<table><tr><th>Request<th>What it does<th>Query<th>Answers" + "".join(rows) + "</table></html>"
    )
