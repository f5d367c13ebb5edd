"""Where a store works: on connections of its own, or in the transaction of one that it is given."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from accounts.models import User
from accounts.stores import (
    PostgresSettingsStore,
    SettingsConflict,
    SettingsStore,
    StoreUnavailable,
    UnknownUser,
)
from api import pools
from api.addresses import BadSetting
from api.executors import find_address
from api.pools import close_stores
from tests import factories
from tests.accounts.stores import load, run
from tests.orgs.pooler import needs_pgbouncer, pooled
from tests.orgs.servers import CHECKOUT, free_port, service_environ
from tests.statements import WAITING

DRIVERS = ["postgresql+asyncpg", "postgresql+psycopg"]
PLAIN = """
import asyncio, json, sys
from django.conf import settings
from accounts.stores import PostgresSettingsStore, close_stores

async def main():
    store = PostgresSettingsStore(None, sys.argv[1])
    await store.store({"number": 2**70})
    print(json.dumps(await store.load()), settings.configured)
    await close_stores()

asyncio.run(main())
"""


def own(**changes: Any) -> dict[str, Any]:
    return dict(find_address()) | changes


async def terminate(pid: int) -> None:
    """End a connection as a server does that stops."""
    async with await psycopg.AsyncConnection.connect(**own()) as other:
        await other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


async def hold(holder: psycopg.AsyncConnection, user: User) -> None:
    """Lock what writers of the user's settings lock."""
    await holder.execute("SELECT set_config('role', 'holdfast_system', true)")
    await holder.execute("SELECT FROM accounts_user WHERE id = %s FOR UPDATE", [user.id])


async def someone_waits(holder: psycopg.AsyncConnection) -> None:
    ends = time.monotonic() + 10
    while (await (await holder.execute(WAITING)).fetchone()) == (0,):
        assert time.monotonic() < ends, "nobody waits"
        await asyncio.sleep(0)


def engine(driver: str) -> AsyncEngine:
    place = own()
    sign_in = f"{place['user']}:{place['password']}"
    return create_async_engine(f"{driver}://{sign_in}@{place['host']}:{place['port']}/{place['dbname']}")


def with_engine(driver: str, work: Callable[[AsyncEngine], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        made = engine(driver)
        try:
            return await work(made)
        finally:
            await made.dispose()

    return run(whole)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_store_works_in_the_transaction_of_a_session(driver: str, user: User) -> None:
    async def work(made: AsyncEngine) -> list[Any]:
        async with AsyncSession(made) as session:
            store = PostgresSettingsStore(session, user.id)
            generations = [await store.store({"number": 2**70}), await store.store({"number": 0.1}, expected=[1])]
            seen = [await store.load(), await SettingsStore(user.id).load()]
            await session.commit()
            return [generations, *seen, await SettingsStore(user.id).load()]

    assert with_engine(driver, work) == [[1, 2], {"number": 0.1}, None, {"number": 0.1}]


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_a_session_takes_back_was_not_stored(driver: str, user: User) -> None:
    async def work(made: AsyncEngine) -> None:
        async with AsyncSession(made) as session:
            await PostgresSettingsStore(session, user.id).store({"a": 1})
            await session.rollback()

    with_engine(driver, work)

    assert load(user.id) is None


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_store_works_on_a_connection_of_an_engine(driver: str, user: User) -> None:
    async def work(made: AsyncEngine) -> None:
        async with made.begin() as opened:
            await SettingsStore(user.id, connection=opened).store({"a": 1})

    with_engine(driver, work)

    assert load(user.id) == {"a": 1}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_conflict_leaves_the_transaction_of_a_session_usable(driver: str, user: User) -> None:
    async def work(made: AsyncEngine) -> Any:
        async with AsyncSession(made) as session:
            store = PostgresSettingsStore(session, user.id)
            with pytest.raises(SettingsConflict):
                await store.store({"a": 1}, expected=3)
            with pytest.raises(UnknownUser):
                await PostgresSettingsStore(session, "nobody").load()
            return await store.store({"a": 1})

    assert with_engine(driver, work) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_session_without_a_server_is_unavailable(driver: str, user: User) -> None:
    async def work() -> None:
        made = create_async_engine(f"{driver}://nobody:nothing@127.0.0.1:{free_port()}/none")
        async with AsyncSession(made) as session:
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                await PostgresSettingsStore(session, user.id).load()
        await made.dispose()

    run(work)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_session_whose_server_went_away_is_unavailable(driver: str, user: User) -> None:
    async def work(made: AsyncEngine) -> None:
        async with AsyncSession(made) as session:
            opened = await session.connection()
            pid = (await opened.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
            await terminate(pid)
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                await PostgresSettingsStore(session, user.id).load()

    with_engine(driver, work)


def test_a_store_works_in_the_transaction_of_a_psycopg_connection(user: User) -> None:
    async def work() -> list[Any]:
        async with await psycopg.AsyncConnection.connect(**own()) as opened:
            store = PostgresSettingsStore(opened, user.id)
            await store.store({"a": 1})
            cursor = await opened.execute("SELECT current_user::text")
            seen = [await store.load(), await SettingsStore(user.id).load(), await cursor.fetchone()]
        return [*seen, await SettingsStore(user.id).load()]

    # The rest of the transaction has the role that it had.
    assert run(work) == [{"a": 1}, None, (connection.settings_dict["USER"],), {"a": 1}]


def test_a_store_reads_rows_as_it_knows_them_whatever_the_connection_makes_of_rows(user: User) -> None:
    async def work() -> Any:
        async with await psycopg.AsyncConnection.connect(**own(), row_factory=psycopg.rows.dict_row) as opened:
            store = SettingsStore(user.id, connection=opened)
            await store.store({"a": 1})
            return await store.load()

    assert run(work) == {"a": 1}


@pytest.mark.parametrize("given", [object(), "postgresql://localhost/holdfast", 5])
def test_what_is_no_connection_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="AsyncSession"):
        PostgresSettingsStore(given, "user123")


def test_a_connection_and_an_address_together_are_refused() -> None:
    with pytest.raises(TypeError, match="not both"):
        SettingsStore("user123", connection=object(), database_url="postgresql://localhost/holdfast")


def test_a_store_takes_the_address_that_it_is_given(user: User) -> None:
    place = own()
    url = f"postgresql+asyncpg://{place['user']}:{place['password']}@{place['host']}:{place['port']}/{place['dbname']}"

    async def work() -> Any:
        store = SettingsStore(user.id, database_url=url)
        await store.store({"a": 1})
        return await store.load()

    assert run(work) == {"a": 1}


def test_a_store_without_a_server_is_unavailable_and_says_why() -> None:
    url = f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/none"

    with pytest.raises(StoreUnavailable, match="Connection refused") as raised:
        run(SettingsStore("user123", database_url=url).load)

    assert "nothing" not in str(raised.value)


def test_a_connection_that_the_server_ended_is_replaced(user: User) -> None:
    async def work() -> list[Any]:
        store = SettingsStore(user.id)
        await store.store({"a": 1})
        async with pools.pool_for(find_address()).connection() as idle:
            pid = idle.info.backend_pid
        await terminate(pid)
        seen = [await store.load(), await store.store({"a": 2})]
        async with pools.pool_for(find_address()).connection() as idle:
            return [*seen, idle.info.backend_pid != pid]

    assert run(work) == [{"a": 1}, 2, True]


def test_connections_are_kept_for_the_next_call(user: User) -> None:
    async def backend() -> int:
        async with pools.pool_for(find_address()).connection() as idle:
            return idle.info.backend_pid

    async def work() -> list[int]:
        first = await backend()
        await SettingsStore(user.id).load()
        return [first, await backend()]

    first, second = run(work)

    assert first == second


def test_more_calls_than_connections_take_turns(user: User) -> None:
    async def work() -> list[Any]:
        loads = (SettingsStore(user.id).load() for _ in range(pools.MOST_CONNECTIONS * 3))
        return list(await asyncio.gather(*loads))

    assert run(work) == [None] * pools.MOST_CONNECTIONS * 3


def test_a_call_that_no_connection_comes_free_for_is_unavailable(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "PATIENT_SECONDS", 0.01)

    async def work() -> None:
        held = [pools.pool_for(find_address()).connection() for _ in range(pools.MOST_CONNECTIONS)]
        for each in held:
            await each.__aenter__()
        with pytest.raises(StoreUnavailable, match="All 10 connections are in use"):
            await SettingsStore(user.id).load()
        for each in held:
            await each.__aexit__(None, None, None)

    run(work)


def test_a_call_that_is_cancelled_leaves_the_next_one_a_working_connection(user: User) -> None:
    async def work() -> Any:
        store = SettingsStore(user.id)
        await store.store({"a": 1})
        async with await psycopg.AsyncConnection.connect(**own()) as holder:
            await hold(holder, user)
            waiting = asyncio.create_task(store.store({"a": 2}))
            await someone_waits(holder)
            waiting.cancel()
            await asyncio.wait([waiting])
        return [waiting.cancelled(), await store.load()]

    assert run(work) == [True, {"a": 1}]


def test_a_store_outlives_its_connections_and_its_event_loop(user: User) -> None:
    store = SettingsStore(user.id)

    async def work() -> int:
        first = await store.store({})
        await close_stores()
        return first + await store.store({})

    assert (run(work), run(lambda: store.store({}))) == (3, 3)


def test_django_where_it_is_configured_says_where_the_database_is() -> None:
    place = dict(find_address())

    configured = settings.DATABASES["default"]
    assert (place["dbname"], place["port"]) == (configured["NAME"], configured["PORT"])
    assert "server_side_binding" not in place


def plain(user: User, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program that has Django installed and not configured."""
    without = {name: value for name, value in environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PLAIN, str(user.id)],
        env=without, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def _parts() -> dict[str, str]:
    place = own()
    parts = {"HOST": "host", "PORT": "port", "NAME": "dbname", "USER": "user", "PASS": "password"}
    return {f"DB_{name}": str(place[part]) for name, part in parts.items()}


@pytest.mark.parametrize("form", ["url", "url of another driver", "parts", "file"])
def test_a_store_works_where_django_is_not_configured(form: str, user: User, tmp_path: Path) -> None:
    environ = service_environ()
    url = environ.pop("DATABASE_URL")
    if form == "file":
        (tmp_path / "url").write_text(f"{url}\n")
    given = {
        "url": {"DATABASE_URL": url},
        "url of another driver": {"DATABASE_URL": url.replace("postgresql", "postgresql+asyncpg") + "?ssl=disable"},
        "parts": _parts(),
        "file": {"DATABASE_URL_FILE": str(tmp_path / "url")},
    }[form]

    done = plain(user, environ | given)

    assert (done.stdout, done.stderr) == (json.dumps({"number": 2**70}) + " False\n", "")


@needs_pgbouncer
def test_stores_take_turns_on_one_connection_behind_a_transaction_pooler(user: User, tmp_path: Path) -> None:
    other = factories.make_user()

    async def work() -> list[Any]:
        stores = [SettingsStore(each.id, database_url=url) for each in (user, other)]
        for step in range(5):
            await asyncio.gather(*(store.store({"of": store.user_id, "step": step}) for store in stores))
        return [await store.load() for store in stores]

    with pooled(tmp_path) as port:
        url = service_environ(port=port)["DATABASE_URL"]
        assert run(work) == [{"of": str(each.id), "step": 4} for each in (user, other)]


def test_a_store_that_nothing_tells_where_the_database_is_says_so(user: User) -> None:
    environ = service_environ()
    del environ["DATABASE_URL"]

    done = plain(user, environ)

    assert done.stderr.splitlines()[-1] == (
        f"{BadSetting.__module__}.BadSetting: Neither DATABASE_URL nor DB_HOST, DB_NAME or DB_USER is set."
    )


def test_a_program_that_never_closes_its_stores_ends_in_order(user: User) -> None:
    environ = service_environ() | {"PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "")}
    program = PLAIN.replace("    await close_stores()\n", "")

    done = subprocess.run(
        [sys.executable, "-c", program, str(user.id)],
        env=environ, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
