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
from maskweave.serving import about, films, pictures
from maskweave.serving.answers import ProblemResponse, tell_problem
from maskweave.serving.guard import Guard
from maskweave.serving.pictures import first_error
from maskweave.serving.problems import MEDIA_TYPE, Problem, kind_of_status, problem_body
from maskweave.serving.service import Service
from maskweave.version import __version__

_DESCRIPTION = "Pixel-exact masks of every object in photos and videos. Errors are application/problem+json."


def make_app(service: Service) -> ASGIApp:
    """The whole application for a running service."""
    app = FastAPI(
        title="MaskWeave", version=__version__, description=_DESCRIPTION, docs_url=None, redoc_url=None
    )
    for part in (pictures, films, about):
        app.include_router(part.router(service))
    about.add_page(app)
    app.add_exception_handler(Problem, tell_problem)
    app.add_exception_handler(MaskWeaveError, _tell_error)
    app.add_exception_handler(RequestValidationError, _tell_wrong_argument)
    app.add_exception_handler(HTTPException, _tell_http_error)
    app.add_exception_handler(Exception, _tell_unexpected)
    _describe_token(app, service.settings.token is not None)
    _watch(service)

    def note(scope: Scope, status: int, seconds: float) -> None:
        path = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD") else "other"
        service.metrics.note(path, method, status, seconds)

    pictures_paths = dict.fromkeys(("/v1/segment", "/v1/refine", "/v1/export"), service.pictures.check_place)
    checks = {**pictures_paths, "/v1/videos": service.videos.check_place}
    return Guard(app, service.settings, service.sessions, checks=checks, note=note)


def _describe_token(app: FastAPI, is_needed: bool) -> None:
    """Put into the OpenAPI document how the token is sent, and whether it must be."""
    document = app.openapi()
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}] if is_needed else [{}, {"token": []}]


def _watch(service: Service) -> None:
    watch = service.metrics.watch
    for name, pool in (("pictures", service.pictures), ("videos", service.videos)):
        watch(
            f"maskweave_{name}_in_hand",
            "Pieces of work that wait or are done.",
            partial(getattr, pool, "taken"),
        )
        watch(
            f"maskweave_{name}_workers_lost", "Processes that ended at work.", partial(getattr, pool, "lost")
        )
    watch("maskweave_jobs", "Jobs that are known.", lambda: len(service.jobs))


async def _tell_error(request: Request, error: Exception) -> Response:
    """An error of the library, raised in this process: a wrong argument."""
    return ProblemResponse(Problem.of(type(error).__name__, str(error)))


async def _tell_wrong_argument(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    return ProblemResponse(Problem(422, "InvalidValue", first_error(error.errors())))


async def _tell_http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses: an unknown path, a wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    body = problem_body(
        error.status_code, kind_of_status(error.status_code), HTTPStatus(error.status_code).description
    )
    return Response(body, error.status_code, error.headers, MEDIA_TYPE)


async def _tell_unexpected(request: Request, error: Exception) -> Response:
    return ProblemResponse(
        Problem(500, "InternalError", "an unexpected error; the server's log has the details")
    )
