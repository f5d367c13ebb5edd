"""What the tests of bells share."""

from tests.coordination.servers import ValkeyServer

PATIENCE = 20.0
# Of the clients' sockets.
TIMEOUT = 0.5


def subscribers(server: ValkeyServer) -> int:
    with server.client() as client:
        return len(client.client_list(_type="pubsub"))
