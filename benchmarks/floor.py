"""Starlette with asyncpg and one raw statement: about as little as Python can do for the same row."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@asynccontextmanager
async def open_pool(app: Starlette) -> AsyncIterator[None]:
    size = int(os.environ["BENCHMARK_POOL_SIZE"])
    url = os.environ["BENCHMARK_DATABASE_URL"].replace("+asyncpg", "")
    settings = {"search_path": os.environ["BENCHMARK_SCHEMA"]}
    async with asyncpg.create_pool(url, min_size=size, max_size=size, server_settings=settings) as pool:
        app.state.pool = pool
        yield


def as_json(row: asyncpg.Record | None) -> Response:
    """Answer with the row as it is; its `state` and `parts` are JSON already, as text."""
    if row is None:
        return Response(status_code=404)
    body = json.dumps(dict(row), default=_as_text)
    return Response(body, media_type="application/json", status_code=200)


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


async def create_task(request: Request) -> Response:
    return as_json(
        await request.app.state.pool.fetchrow(
            "INSERT INTO task (id, context_id, state, metadata) VALUES ($1, $2, 'submitted', '{}') RETURNING *",
            uuid4(),
            uuid4(),
        )
    )


async def get_task(request: Request) -> Response:
    return as_json(
        await request.app.state.pool.fetchrow("SELECT * FROM task WHERE id = $1", UUID(request.path_params["id"]))
    )


async def append_message(request: Request) -> Response:
    body = json.loads(await request.body())
    return as_json(
        await request.app.state.pool.fetchrow(
            "INSERT INTO message (id, task_id, role, parts, metadata) VALUES ($1, $2, $3, $4, '{}') RETURNING *",
            uuid4(),
            UUID(request.path_params["id"]),
            body["role"],
            json.dumps(body["parts"]),
        )
    )


async def create_session(request: Request) -> Response:
    body = json.loads(await request.body())
    return as_json(
        await request.app.state.pool.fetchrow(
            "INSERT INTO session (id, title, state) VALUES ($1, '', $2) RETURNING *", uuid4(), json.dumps(body["state"])
        )
    )


async def get_session(request: Request) -> Response:
    return as_json(
        await request.app.state.pool.fetchrow("SELECT * FROM session WHERE id = $1", UUID(request.path_params["id"]))
    )


app = Starlette(
    lifespan=open_pool,
    routes=[
        Route("/tasks", create_task, methods=["POST"]),
        Route("/tasks/{id}", get_task),
        Route("/tasks/{id}/messages", append_message, methods=["POST"]),
        Route("/sessions", create_session, methods=["POST"]),
        Route("/sessions/{id}", get_session),
    ],
)
