"""The routers of coordination, one for each primitive."""

from ninja import Router

from coordination.api.cache import router as cache_router
from coordination.api.locks import router as locks_router
from coordination.api.queues import router as queues_router
from coordination.api.rate_limits import router as rate_limits_router

routers: tuple[Router, ...] = (cache_router, rate_limits_router, locks_router, queues_router)
