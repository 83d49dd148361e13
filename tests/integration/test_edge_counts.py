"""Connections with real sockets: too many of them."""

import contextlib
import select

from tests.integration.api_client import API, create
from tests.integration.edges import OURS, PATIENCE, connected, connections, is_served
from tests.support import BEARER, Server, eventually


def test_one_address_cannot_take_all_connections(hasty: Server) -> None:
    eventually(lambda: not connections(hasty), "earlier connections to end", PATIENCE)
    with contextlib.ExitStack() as stack:
        # given: one address has as many as it may, all busy
        greedy = [stack.enter_context(connected(hasty, "127.0.0.2")) for _ in range(20)]
        path = f"{API}/sessions/{create(hasty)['session_id']}/wait?until=end&timeout=20"
        for connection in greedy:
            connection.sendall(f"GET {path} HTTP/1.1\r\n{OURS}\r\n".encode())
        # when it wants another, it is turned away at once
        assert not is_served(hasty, "127.0.0.2")
        # then others are served, until there are as many as there may be at all
        others = [stack.enter_context(connected(hasty, "127.0.0.3")) for _ in range(10)]
        for connection in others:
            connection.sendall(f"GET {path} HTTP/1.1\r\n{OURS}\r\n".encode())
        assert not is_served(hasty, "127.0.0.4")
        assert not select.select(greedy + others, [], [], 0)[0]
        # and when one has gone another may come
        greedy[0].close()
        eventually(lambda: is_served(hasty, "127.0.0.2"), "a place to be free", PATIENCE)
    assert "HIVE_MAX_CONNECTIONS_PER_ADDRESS" in hasty.output


def test_websockets_count_and_are_counted_down(hasty: Server) -> None:
    from websockets.sync.client import connect  # noqa: PLC0415 - slow to import

    eventually(lambda: not connections(hasty), "earlier connections to end", PATIENCE)
    address = f"ws://127.0.0.1:{hasty.port}/ws/sessions"
    for _ in range(2):
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(
                    connect(
                        address,
                        proxy=None,
                        additional_headers=BEARER,
                        source_address=("127.0.0.5", 0),
                    )
                )
            assert not is_served(hasty, "127.0.0.5")
        eventually(lambda: is_served(hasty, "127.0.0.5"), "the places to be free", PATIENCE)
