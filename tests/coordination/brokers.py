"""Celery's broker at an address, as the settings make it."""

from typing import Any

from kombu.connection import Connection

from api.valkey_addresses import ValkeyAddress
from config.brokers import broker_transport_options, broker_url, broker_use_ssl


def broker_at(address: ValkeyAddress) -> Any:
    options = broker_transport_options(address)
    return Connection(  # type: ignore[no-untyped-call]
        broker_url(address), transport_options=options, ssl=broker_use_ssl(address)
    )
