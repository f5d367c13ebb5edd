"""rediss://: the server's certificate is verified, by every client that the service has."""

import asyncio
import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django_redis.cache import RedisCache
from kombu.exceptions import OperationalError

from api.valkey_addresses import ValkeyAddress, parse_valkey_url
from coordination.clients import async_client_for, client_for
from coordination.connections import AsyncConnection, Connection, Unavailable
from tests.coordination.brokers import broker_at
from tests.coordination.certificates import Authority, tls_in_front
from tests.coordination.counting import counting
from tests.coordination.servers import PASSWORD, ValkeyServer


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found.load_cert_chain(*authority.issue("server"))
    return found


@pytest.fixture
def port(valkey: ValkeyServer, context: ssl.SSLContext) -> Iterator[int]:
    with tls_in_front(valkey.port, context) as found:
        yield found


@pytest.fixture
def address(port: int, authority: Authority) -> ValkeyAddress:
    return _address(port, f"ssl_ca_certs={authority.certificate}")


def _address(port: int, query: str, host: str = "127.0.0.1") -> ValkeyAddress:
    return parse_valkey_url(f"rediss://:{PASSWORD}@{host}:{port}/0?{query}")


def _count(address: ValkeyAddress, tenant: uuid.UUID) -> int:
    with client_for(address) as client:
        return Connection(lambda: client).run(counting(tenant))


def test_a_server_whose_certificate_is_valid_is_called(address: ValkeyAddress, tenant: uuid.UUID) -> None:
    assert _count(address, tenant) == 1


def test_it_is_called_from_a_loop(address: ValkeyAddress, tenant: uuid.UUID) -> None:
    async def scenario() -> int:
        async with async_client_for(address) as client:
            return await AsyncConnection(lambda: client).run(counting(tenant))

    assert asyncio.run(scenario()) == 1


def test_django_s_cache_is_kept_there(address: ValkeyAddress, valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    cache = RedisCache([address.url], dict(settings.CACHES["default"]))

    cache.set(f"{{{tenant}}}:x", 1)

    with valkey.client() as client:
        assert client.get(f"{{{tenant}}}:x") == b"1"


def test_celery_s_broker_is_there(address: ValkeyAddress, valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    with broker_at(address) as broker:
        broker.ensure_connection(max_retries=1)
        broker.SimpleQueue(str(tenant)).put("woken")

    with valkey.client() as client:
        assert client.llen(f"celery:{tenant}") == 1


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "stranger")


REFUSED = r"^Valkey's certificate is not accepted: unable to get local issuer certificate\.$"


def test_a_certificate_of_another_authority_is_refused(port: int, stranger: Authority, tenant: uuid.UUID) -> None:
    with pytest.raises(Unavailable, match=REFUSED):
        _count(_address(port, f"ssl_ca_certs={stranger.certificate}"), tenant)


def test_it_is_refused_on_a_loop(port: int, stranger: Authority, tenant: uuid.UUID) -> None:
    async def scenario() -> int:
        async with async_client_for(_address(port, f"ssl_ca_certs={stranger.certificate}")) as client:
            return await AsyncConnection(lambda: client).run(counting(tenant))

    with pytest.raises(Unavailable, match=REFUSED):
        asyncio.run(scenario())


def test_celery_refuses_it_too(port: int, stranger: Authority) -> None:
    address = _address(port, f"ssl_ca_certs={stranger.certificate}")

    with broker_at(address) as broker, pytest.raises(OperationalError, match="certificate verify failed"):
        broker.ensure_connection(max_retries=1, interval_start=0)


def test_without_an_authority_those_of_the_system_count(port: int, tenant: uuid.UUID) -> None:
    with pytest.raises(Unavailable, match=REFUSED):
        _count(_address(port, "ssl_cert_reqs=required"), tenant)


def test_a_certificate_for_another_host_is_refused(port: int, authority: Authority, tenant: uuid.UUID) -> None:
    with pytest.raises(Unavailable, match=r"^Valkey's certificate is not accepted: Hostname mismatch"):
        _count(_address(port, f"ssl_ca_certs={authority.certificate}", "localhost"), tenant)


@pytest.mark.parametrize("query", ["ssl_cert_reqs=none", "ssl_check_hostname=false&ssl_ca_certs={ca}"])
def test_what_is_not_to_be_verified_is_not(port: int, authority: Authority, tenant: uuid.UUID, query: str) -> None:
    address = _address(port, query.format(ca=authority.certificate), "localhost")

    assert _count(address, tenant) == 1


def test_a_server_that_asks_for_a_certificate_is_shown_it(
    valkey: ValkeyServer, context: ssl.SSLContext, authority: Authority, tenant: uuid.UUID
) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.certificate)
    certificate, key = authority.issue("client")
    with tls_in_front(valkey.port, context) as port:
        query = f"ssl_ca_certs={authority.certificate}&ssl_certfile={certificate}&ssl_keyfile={key}"

        assert _count(_address(port, query), tenant) == 1
