"""Endpoints for models: list, fetch, remove."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import JSONResponse, Response

from maskweave.serving.answers import problems
from maskweave.serving.models import list_models
from maskweave.serving.schemas import ModelInfo
from maskweave.serving.service import Service

ModelName = Annotated[str, Path(description="A name out of /v1/models.", max_length=200)]


def router(service: Service) -> APIRouter:
    """The endpoints of a service."""
    routes = APIRouter(tags=["models"])

    @routes.get("/v1/models", summary="The models", response_model=list[ModelInfo], responses=problems())
    async def models() -> JSONResponse:
        rows = await asyncio.to_thread(list_models, service.default)
        return JSONResponse([{**row, **service.models.describe(row, service.model)} for row in rows])

    @routes.post(
        "/v1/models/{name}",
        status_code=202,
        summary="Fetch a model of the catalog",
        response_class=Response,
        responses=problems(404, 409, 422),
    )
    async def fetch(name: ModelName) -> Response:
        service.models.fetch(name)
        return Response(status_code=202)

    @routes.delete(
        "/v1/models/{name}",
        status_code=204,
        summary="Remove a model's files",
        response_class=Response,
        responses=problems(404, 409, 422),
    )
    async def remove(name: ModelName) -> Response:
        await service.models.remove(name, service.model)
        return Response(status_code=204)

    return routes
