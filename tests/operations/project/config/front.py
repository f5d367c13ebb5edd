"""An application that answers when both servers do, and appends a row for each POST before it answers."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import redis.asyncio

from operations.embedded.launch import tether

tether()

_ROWS = "CREATE TABLE IF NOT EXISTS acknowledged (number bigint GENERATED ALWAYS AS IDENTITY)"


async def application(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "lifespan":
        return
    try:
        status, body = 200, await _answer(scope["method"])
    except (psycopg.Error, redis.RedisError) as problem:
        status, body = 503, str(problem)
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})


async def _answer(method: str) -> str:
    async with await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"]) as connection:
        await connection.execute(_ROWS)
        row: tuple[Any, ...] | None
        if method == "POST":
            row = await (await connection.execute("INSERT INTO acknowledged DEFAULT VALUES RETURNING number")).fetchone()
        else:
            row = await (await connection.execute("SELECT count(*) FROM acknowledged")).fetchone()
    async with redis.asyncio.Redis.from_url(os.environ["REDIS_URL"]) as client:
        await client.ping()
    assert row is not None
    return str(row[0])
