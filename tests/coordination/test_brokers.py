"""Celery's broker over a socket: the form that kombu reads is another than that of REDIS_URL."""

from pathlib import Path

from api.valkey_addresses import parse_valkey_url
from coordination.clients import client_for
from tests.coordination.brokers import broker_at
from tests.coordination.servers import PASSWORD, ValkeyServer


def test_a_broker_is_found_at_a_socket(tmp_path: Path) -> None:
    place = tmp_path / "a b.sock"
    server = ValkeyServer(tmp_path / "server", "--unixsocket", str(place))
    server.start()
    address = parse_valkey_url(f"unix://:{PASSWORD}@{str(place).replace(' ', '%20')}?db=3")

    with broker_at(address) as broker:
        broker.SimpleQueue("woken").put("now")

    with client_for(address) as client:
        assert client.llen("celery:woken") == 1
    server.kill()
