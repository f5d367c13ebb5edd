"""Django behind an ASGI server: bodies are collected before a thread is taken, and calls that wait leave theirs."""

import asyncio
from collections.abc import Awaitable, Callable
from io import BytesIO

from django.conf import settings

from api.waiting import CALL, PATIENT, TooManyWaits, WaitingCall
from config.bodies import STILL_SENT, Bodies, Body
from config.bridge import Answer, Bridge, Done, Message, Receive, Send, environ_from
from config.limits import body_limit
from config.refusals import note_gone, refuse
from config.waits import CallerGone, Waits
from orgs.authentication import REFUSALS, authenticate_header
from orgs.connections import drop_dead_connection

ASGIApplication = Callable[[Message, Receive, Send], Awaitable[None]]


class Web:
    """The ASGI application for all that Django answers."""

    def __init__(self, bodies: Bodies, django: Bridge, waits: Waits | None = None) -> None:
        self.bodies, self.django = bodies, django
        self.waits = waits or Waits(settings.WAITING_CALLS, settings.WAITING_CALLS_PER_ORGANIZATION)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        bodies, begun = self.bodies, False
        try:
            async with bodies.collected(
                scope, receive, limit=lambda: body_limit(scope["path"]), admit=lambda: self._admit(scope)
            ) as body:
                environ = environ_from(scope, body.stream, body.size)
                environ[PATIENT] = True
                answer = await self.django.call(environ)
                call: WaitingCall | None = environ.get(CALL)
                if call is not None and call.pause is not None:
                    answer = await self._wait(call, answer.organization, scope, receive, body)
                bodies.keep(answer, body)
                begun = True
                await bodies.send(answer, send)
        except REFUSALS:
            # Django says why and notes it, before it looks at the body.
            await (await self.django.call(environ_from(scope, BytesIO(), 0))).send(send)
            await bodies.drain(receive)
        except CallerGone as gone:
            note_gone(scope, gone.call)
        except Exception as error:
            if begun:
                raise
            await refuse(scope, send, error)
            if isinstance(error, STILL_SENT):
                await bodies.drain(receive)

    async def _wait(self, call: WaitingCall, organization: str, scope: Message, receive: Receive, body: Body) -> Answer:
        """Try the same call again until it has its answer, whole each time: a key may have been revoked meanwhile."""

        async def attempt(done: Done) -> Answer:
            call.resume()
            body.stream.seek(0)
            environ = environ_from(scope, body.stream, body.size)
            environ |= {PATIENT: True, CALL: call, "HTTP_X_REQUEST_ID": call.origin.request_id}
            return await self.django.call(environ, done)

        with self.waits.place(call, organization) as tries:
            # Also a small body counts: it stays for seconds.
            if not self.bodies.hold_whole(body, organization):
                raise TooManyWaits("The bodies of calls that wait take all the memory that they may.")
            return await self.waits.finish(call, receive, tries.limit(attempt))

    async def _admit(self, scope: Message) -> str:
        """Return the organization of the caller's key or token; raises one of REFUSALS.

        In a thread: a key is looked up in the database, and the keys of a token's issuer may have to be read first.
        """
        authorization, named = _header(scope, b"authorization"), _header(scope, b"holdfast-org")
        return await asyncio.get_running_loop().run_in_executor(
            self.django.threads, _organization, authorization, named
        )


def _header(scope: Message, wanted: bytes) -> str | None:
    """Return a header as Django will see it: sent several times it is joined."""
    found = [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
    return ",".join(found) if found else None


def _organization(authorization: str | None, named: str | None) -> str:
    drop_dead_connection()
    return authenticate_header(authorization or "", named).organization
