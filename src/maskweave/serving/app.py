"""The application: endpoints, errors, and the guard before them."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from maskweave.errors import MaskWeaveError
from maskweave.serving import about, datasets, images, live, model_routes, videos
from maskweave.serving.answers import ProblemResponse, problem_response
from maskweave.serving.guard import Guard
from maskweave.serving.head import HeadAnswers
from maskweave.serving.images import first_error
from maskweave.serving.problems import MEDIA_TYPE, Problem, kind_of_status, problem_body
from maskweave.serving.service import Service
from maskweave.version import __version__

_DESCRIPTION = "Pixel-exact masks of every object in photos and videos. Errors are application/problem+json."


def make_app(service: Service) -> ASGIApp:
    """The whole application for a running service."""
    app = FastAPI(
        title="MaskWeave", version=__version__, description=_DESCRIPTION, docs_url=None, redoc_url=None
    )
    for part in (images, datasets, videos, live, model_routes, about):
        app.include_router(part.router(service))
    about.add_page(app)
    app.add_exception_handler(Problem, problem_response)
    app.add_exception_handler(MaskWeaveError, _error_response)
    app.add_exception_handler(RequestValidationError, _wrong_argument_response)
    app.add_exception_handler(HTTPException, _http_error_response)
    app.add_exception_handler(Exception, _unexpected_response)
    _describe_token(app, service.settings.token is not None)
    _watch(service)

    def record(scope: Scope, status: int, seconds: float) -> None:
        path = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD") else "other"
        service.metrics.record(path, method, status, seconds)

    work = (
        "segment",
        "refine",
        "export",
        "datasets/read",
        "datasets/revise",
        "datasets/export",
        "tracks/export",
    )
    images_paths = {f"/v1/{name}": service.images.check_place for name in work}
    checks = {**images_paths, "/v1/videos": service.videos.check_place}
    return Guard(HeadAnswers(app), service.settings, service.sessions, checks=checks, record=record)


def _describe_token(app: FastAPI, is_needed: bool) -> None:
    """Put into the OpenAPI document how the token is sent, and whether it must be."""
    document = app.openapi()
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}] if is_needed else [{}, {"token": []}]


def _watch(service: Service) -> None:
    watch = service.metrics.watch
    for name, pool in (("images", service.images), ("videos", service.videos), ("live", service.live)):
        watch(
            f"maskweave_{name}_in_hand",
            "Pieces of work that wait or are done.",
            partial(getattr, pool, "occupied"),
        )
        watch(
            f"maskweave_{name}_workers_lost", "Processes that ended at work.", partial(getattr, pool, "lost")
        )
    watch("maskweave_jobs", "Jobs that are known.", lambda: len(service.jobs))


async def _error_response(request: Request, error: Exception) -> Response:
    """An error of the library, raised in this process: a wrong argument."""
    return ProblemResponse(Problem.of(type(error).__name__, str(error)))


async def _wrong_argument_response(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    return ProblemResponse(Problem(422, "InvalidValue", first_error(error.errors())))


async def _http_error_response(request: Request, error: Exception) -> Response:
    """What the framework refuses: an unknown path, a wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    body = problem_body(
        error.status_code, kind_of_status(error.status_code), HTTPStatus(error.status_code).description
    )
    return Response(body, error.status_code, error.headers, MEDIA_TYPE)


async def _unexpected_response(request: Request, error: Exception) -> Response:
    return ProblemResponse(
        Problem(500, "InternalError", "an unexpected error; the server's log has the details")
    )
