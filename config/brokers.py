"""Celery's broker at an address of Valkey, in Celery's own words."""

from typing import Any
from urllib.parse import quote

from api.valkey_addresses import ValkeyAddress
from coordination.clients import TIMEOUT_SECONDS, sentinel_options, tls_options

# What Celery's keys begin with; an organization's begin with a brace.
KEY_PREFIX = "celery:"
# Above the second for which a worker's fetch waits. Without it a broker gone without a word holds up its caller.
ANSWER_SECONDS = 5.0


def broker_url(address: ValkeyAddress) -> str:
    """Return the URL as kombu's transports read it: of each Sentinel one, with the credentials of the master."""
    if address.path:
        return f"redis+socket://{address.userinfo}{quote(address.path)}?virtual_host={address.database}"
    scheme = "sentinel" if address.service else "rediss" if address.tls else "redis"
    return ";".join(
        f"{scheme}://{address.userinfo}{f'[{host}]' if ':' in host else host}:{port}/{address.database}"
        for host, port in address.hosts
    )


def broker_transport_options(address: ValkeyAddress) -> dict[str, Any]:
    options: dict[str, Any] = {
        "global_keyprefix": KEY_PREFIX,
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
    }
    if address.service:
        options |= {"master_name": address.service, "sentinel_kwargs": sentinel_options(address)}
    return options


def broker_use_ssl(address: ValkeyAddress) -> dict[str, Any] | None:
    return tls_options(address) if address.tls else None
