"""One connection for each event loop, which ends with the loop. Needs no Django."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

import redis.asyncio

from coordination.connections import AsyncConnection


class LoopConnections:
    """The connections of the event loops that run."""

    def __init__(self, client: Callable[[], redis.asyncio.Redis]) -> None:
        self._client = client
        # Not by weak references: a loop's sockets hold the loop, which would be kept with them for ever.
        self._kept: dict[asyncio.AbstractEventLoop, tuple[AsyncConnection, AsyncGenerator[None, None]]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def find(self) -> AsyncConnection:
        """Return the running loop's connection; it is made where there is none."""
        loop = asyncio.get_running_loop()
        if loop not in self._kept:
            for other in [one for one in list(self._kept) if one.is_closed()]:
                # It ended without a word to its generators: its sockets are closed when nobody holds them.
                self._kept.pop(other, None)
            client = self._client()
            connection = AsyncConnection(lambda: client)
            closing = self._closed_at_the_end(loop, connection)
            # Begun without an await: it comes to its yield at once.
            with suppress(StopIteration):
                closing.asend(None).send(None)
            self._kept[loop] = connection, closing
        return self._kept[loop][0]

    async def close(self) -> None:
        """Close the running loop's connection, if it has one."""
        _, closing = self._kept.get(asyncio.get_running_loop(), (None, None))
        if closing is not None:
            await closing.aclose()

    async def _closed_at_the_end(
        self, loop: asyncio.AbstractEventLoop, connection: AsyncConnection
    ) -> AsyncGenerator[None, None]:
        """Close the connection when the generator ends, as a loop's generators do before it: asyncio.run sees to it."""
        try:
            yield
        finally:
            self._kept.pop(loop, None)
            await connection.bells.close()
            await connection.client().aclose()
