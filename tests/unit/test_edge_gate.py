"""Whose connections are counted, without a network. In a process of its own: see hiveweb.edge."""

import subprocess

from tests.support import PYTHON, ROOT

COUNTING = """
import ipaddress
import daphne.server
from twisted.internet.address import IPv6Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from hiveweb.edge import Gate
from sessions_app.conf import Edge

def connect(gate, host):
    address = IPv6Address("TCP", host, 1)
    protocol = gate.buildProtocol(address)
    if protocol is not None:
        protocol.makeConnection(StringTransport(peerAddress=address))
    return protocol is not None

edge = Edge(max_per_address=2, trusted_proxies=(ipaddress.ip_network("2001:db8:1::1"),))
gate = Gate(Factory.forProtocol(Protocol), edge)
print([connect(gate, "2001:db8:1::1") for _ in range(4)])
print([connect(gate, f"2001:db8:2::{n}") for n in range(4)])
"""


def test_a_proxy_with_an_ipv6_address_is_no_single_client() -> None:
    done = subprocess.run(
        [PYTHON, "-c", COUNTING], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == [
        "[True, True, True, True]",
        "[True, True, False, False]",  # of one /64
    ], done.stderr
