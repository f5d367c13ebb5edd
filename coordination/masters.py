"""Pools that follow the master that the Sentinels name. Needs no Django.

A connection that stays open leads to the server that was the master when it was opened. One that was promoted over
while it was paused believes that it still is the master, until the Sentinels reach it some ten seconds later, and
would answer. So the Sentinels are asked again now and then before a connection is used, and after an answer that was
slow to come: a master that has been replaced answers nobody. Of a server that is paused, replaced and resumed within
CONFIRM_SECONDS nothing is noticed; `down-after-milliseconds` above that rules it out.

Where no Sentinel names a master, since none can be reached, new connections lead to the one that was named last.
"""

import asyncio
import threading
import time
import weakref
from contextlib import suppress
from typing import Any

from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelConnectionPool
from redis.asyncio.sentinel import SentinelManagedConnection as AsyncSentinelManagedConnection
from redis.connection import SSLConnection
from redis.exceptions import ConnectionError as ServerGone
from redis.sentinel import SentinelConnectionPool, SentinelManagedConnection

# For so long it is believed who the master is, and an answer that took longer is confirmed.
CONFIRM_SECONDS = 0.5
# Of the time that asking takes in vain, how much more passes before it is tried again.
REST = 10


def _due(began: float) -> float:
    """Return when to ask again after asking since `began`."""
    now = time.monotonic()
    return now + max(CONFIRM_SECONDS, (now - began) * REST)


class MasterConnection(SentinelManagedConnection):
    _sent_at: float | None = None

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        self._sent_at = time.monotonic()
        super().send_packed_command(command, check_health)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        answer = super().read_response(*args, **kwargs)
        sent_at, self._sent_at = self._sent_at, None
        if sent_at is None:
            # Pushed, or a further answer: asking for each would cost more than the calls do.
            self.connection_pool.confirm()
            master = self.connection_pool.master_address
        elif time.monotonic() - sent_at > CONFIRM_SECONDS:
            master = self.connection_pool.ask_for_master()
        else:
            return answer
        if master != (self.host, self.port):
            self.disconnect()
            raise ServerGone("The server that answered is not the master any more.")
        return answer


class MasterSSLConnection(MasterConnection, SSLConnection):
    pass


class MasterPool(SentinelConnectionPool):
    """As redis-py's pool, and never behind a fail-over by more than CONFIRM_SECONDS."""

    def __init__(self, service_name: str, sentinel_manager: Any, **kwargs: Any) -> None:
        kind = MasterSSLConnection if kwargs.pop("ssl", False) else MasterConnection
        super().__init__(service_name, sentinel_manager, connection_class=kind, **kwargs)
        # Not redis-py's stand-in for the pool, which knows the Sentinels only. As there, nothing keeps the pool alive.
        self.connection_kwargs["connection_pool"] = weakref.proxy(self)
        self._due, self._asking = 0.0, threading.Lock()

    def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        self.confirm()
        return super().get_connection(*args, **kwargs)

    def confirm(self) -> None:
        """Ask who the master is where that was long ago; nobody may know: then it is the one that it was."""
        if time.monotonic() >= self._due:
            with self._asking:
                if time.monotonic() >= self._due:
                    began = time.monotonic()
                    with suppress(ServerGone):
                        self.ask_for_master()
                    self._due = _due(began)

    def ask_for_master(self) -> Any:
        """Return the master's address, and close the connections that lead to another; raises ServerGone."""
        return super().get_master_address()

    def get_master_address(self) -> Any:
        """Return where a new connection is to lead."""
        if self.master_address is not None and time.monotonic() < self._due:
            return self.master_address
        began = time.monotonic()
        try:
            return self.ask_for_master()
        except ServerGone:
            if self.master_address is None:
                raise
            return self.master_address
        finally:
            self._due = _due(began)

    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        if inuse_connections:
            self.sentinel_manager.close()


class AsyncMasterConnection(AsyncSentinelManagedConnection):
    _sent_at: float | None = None

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        self._sent_at = time.monotonic()
        await super().send_packed_command(command, check_health)

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        answer = await super().read_response(*args, **kwargs)
        sent_at, self._sent_at = self._sent_at, None
        if sent_at is None:
            # Pushed, or a further answer: asking for each would cost more than the calls do.
            await self.connection_pool.confirm()
            master = self.connection_pool.master_address
        elif time.monotonic() - sent_at > CONFIRM_SECONDS:
            master = await self.connection_pool.ask_for_master()
        else:
            return answer
        if master != (self.host, self.port):
            await self.disconnect()
            raise ServerGone("The server that answered is not the master any more.")
        return answer


class AsyncMasterSSLConnection(AsyncMasterConnection, AsyncSSLConnection):
    pass


class AsyncMasterPool(AsyncSentinelConnectionPool):
    """The same for asyncio."""

    def __init__(self, service_name: str, sentinel_manager: Any, **kwargs: Any) -> None:
        kind = AsyncMasterSSLConnection if kwargs.pop("ssl", False) else AsyncMasterConnection
        super().__init__(service_name, sentinel_manager, connection_class=kind, **kwargs)
        self._due, self._asking = 0.0, asyncio.Lock()

    async def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        await self.confirm()
        return await super().get_connection(*args, **kwargs)

    async def confirm(self) -> None:
        """As MasterPool.confirm."""
        if time.monotonic() >= self._due:
            async with self._asking:
                if time.monotonic() >= self._due:
                    began = time.monotonic()
                    with suppress(ServerGone):
                        await self.ask_for_master()
                    self._due = _due(began)

    async def ask_for_master(self) -> Any:
        """As MasterPool.ask_for_master."""
        return await super().get_master_address()

    async def get_master_address(self) -> Any:
        """As MasterPool.get_master_address."""
        if self.master_address is not None and time.monotonic() < self._due:
            return self.master_address
        began = time.monotonic()
        try:
            return await self.ask_for_master()
        except ServerGone:
            if self.master_address is None:
                raise
            return self.master_address
        finally:
            self._due = _due(began)

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if inuse_connections:
            await self.sentinel_manager.aclose()
