"""An operation that waits, of the tests' own, in an API with the manners of the service's."""

import redis
from django.urls import include, path
from ninja import Router

from api.waiting import check_wait, wait, waits
from config import errors, urls
from config.api import DocumentParser, DocumentRenderer, HoldfastAPI
from coordination import keys
from coordination.shared import connection
from orgs.gate import APIKeyBearer, gate
from orgs.permissions import Scope, requires
from orgs.principals import Request
from orgs.schemas import In, Out

router = Router()


class TakeIn(In):
    wait_seconds: float = 0
    look_again_in: float | None = None
    ballast: str = ""


class TakenOut(Out):
    found: str | None


def _pop(key: str) -> object:
    client = connection.client()
    try:
        client.zadd(f"{key}:most", {"most": client.incr(f"{key}:now")}, gt=True)
        client.incr(f"{key}:tries")
        found = client.lpop(key)
        client.decr(f"{key}:now")
    except redis.RedisError as error:
        raise connection.breaker.refusal(error) from error
    return found


@router.post("/waiting/{name}/take", response=TakenOut)
@requires(Scope.QUEUES_WRITE)
@waits
def take(request: Request, name: str, body: TakeIn) -> dict[str, str | None]:
    """Take the next of what lies there."""
    check_wait(body.wait_seconds)
    key = keys.queue(request.principal.organization_id, name)
    found = _pop(key)
    if found is None:
        wait(request, channel=key, seconds=body.wait_seconds, look_again_in=body.look_again_in)
    return {"found": found.decode() if isinstance(found, bytes) else None}


api = HoldfastAPI(
    title="Waiting", urls_namespace="waiting", auth=APIKeyBearer(), parser=DocumentParser(), renderer=DocumentRenderer()
)
api.add_decorator(gate, mode="view")
errors.install(api)
api.add_router("", router)

urlpatterns = [path("api/v1/", api.urls), path("", include("config.urls"))]
handler400, handler404, handler500 = urls.handler400, urls.handler404, urls.handler500
