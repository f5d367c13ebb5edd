"""Where the work in hand came from: set once per request or job, read by audit, events and logs."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Origin:
    """The call being served. `organization` and `actor` are filled in once the caller is known."""

    request_id: str = ""
    address: str | None = None
    organization: str = ""
    actor: str = ""


_origin: ContextVar[Origin | None] = ContextVar("holdfast_origin", default=None)


def current_origin() -> Origin:
    """Return the origin of the call being served, or an empty one outside of any."""
    return _origin.get() or Origin()


def set_origin(origin: Origin) -> None:
    """Name the call that this thread (or async task) serves from now on."""
    _origin.set(origin)
