"""Where webhooks may point: URLs, and the addresses behind them."""

import contextlib
import ipaddress
import time

import pytest

from sessions_app import verbs
from sessions_app.conf import Conf
from sessions_app.errors import Invalid, Unavailable
from sessions_app.verb_steps import Pause, Print
from sessions_app.webhooks import targets

NETWORKS = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00:1::/32"))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://ci.example/hook", (True, "ci.example", 443, "/hook", "ci.example")),
        ("http://CI.example", (False, "ci.example", 80, "/", "ci.example")),
        ("https://ci.example:8443/a?b=c", (True, "ci.example", 8443, "/a?b=c", "ci.example:8443")),
        ("http://192.0.2.7:443/", (False, "192.0.2.7", 443, "/", "192.0.2.7:443")),
        ("https://[2606:4700::1]/", (True, "2606:4700::1", 443, "/", "[2606:4700::1]")),
        ("https://x1.a_b.xn--mnchen-3ya.example/", None),
    ],
)
def test_urls_that_are_taken(url: str, told: tuple[bool, str, int, str, str] | None) -> None:
    target = targets.parse(url)
    if told is not None:
        found = (target.tls, target.host, target.port, target.path, target.host_header)
        assert found == told


@pytest.mark.parametrize(
    "url",
    [
        *("", "ci.example", "//ci.example", "ftp://ci.example/", "file:///etc/passwd", "https://"),
        *("gopher://127.0.0.1:6379/_x", "javascript:alert(1)", "https:/ci.example", "http:///x"),
        *("https://user@ci.example/", "https://user:pw@ci.example/", "https://a@b@ci.example/"),
        *("https://ci.example/#x", "https://ci.example#@evil.example/", "https://ci.example/#"),
        *("https://ci.example/a b", "https://ci.example/\r\nHost: x", "https://ci.example/\tx"),
        *(" https://ci.example/", "https://ci.example\\@evil.example/", "https://ci.example/\x00"),
        *("https://bücher.example/", "https://ci.example/ü", "https://ci%2eexample/"),
        *("https://ci.example:0/", "https://ci.example:22/", "https://ci.example:25/"),
        *("https://ci.example:1023/", "https://ci.example:65536/", "https://ci.example:-1/"),
        *("https://ci.example:x/", "https://ci..example/", "https://ci.example./", "https://-x/"),
        *("http://127.1/", "http://0x7f.1/", "http://2130706433/", "http://0x7f000001/"),
        *("http://017700000001/", "http://127.0.0.01/", "http://127.0.0.1.1/", "http://0/"),
        *("http://1.2.3/", "http://x.0x7f/", "http://[::1", "http://[fe80::1%25eth0]/"),
        *("http://[fe80::1%eth0]/", "http://[127.0.0.1]/", "http://[x]/", "http://[v1.x]/"),
        "https://ci.example/" + "x" * 2000,
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(Invalid):
        targets.parse(url)


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"),
        *("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::1", "fd00:1::7"),
    ],
)
def test_addresses_that_may_be_reached(address: str) -> None:
    assert targets.may_be_reached(ipaddress.ip_address(address), NETWORKS)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.2.0.1", "127.0.0.1", "127.8.9.9", "172.16.0.1"),
        *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.170"),
        *("192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250"),
        *("240.0.0.1", "255.255.255.255", "192.88.99.1"),
        *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::"),
        *("2001::1", "2001:db8::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1"),
        *("fe80::1%2", "ff02::1", "100::1", "5f00::1", "::ffff:0:127.0.0.1"),
    ],
)
def test_addresses_that_may_not(address: str) -> None:
    assert not targets.may_be_reached(ipaddress.ip_address(address), NETWORKS)


def test_nobody_and_everybody_are_reached_whatever_is_allowed() -> None:
    networks = (ipaddress.ip_network("0.0.0.0/1"), ipaddress.ip_network("ff00::/8"))
    for address in ("0.0.0.0", "ff02::1", "::"):
        assert not targets.may_be_reached(ipaddress.ip_address(address), networks)


def test_one_private_address_among_others_is_enough_for_a_refusal() -> None:
    target = targets.parse("https://ci.example/")
    for found in (["1.1.1.1", "127.0.0.1"], ["127.0.0.1", "1.1.1.1"], []):
        with pytest.raises(Invalid):
            targets.addresses(target, (), resolver=lambda _host, _s, found=found: found)  # type: ignore[misc]


def test_names_are_looked_up_by_the_system() -> None:
    assert "127.0.0.1" in targets.resolve("localhost", 5)
    with pytest.raises(Invalid, match="localhost"):
        targets.addresses(targets.parse("http://localhost:8080/"), ())
    with pytest.raises(Invalid, match="no address"):
        targets.resolve("x" * 64, 5)


def test_names_that_take_long_wait_for_nobody() -> None:
    # given as many names that are being looked up as may be at once
    with contextlib.ExitStack() as busy:
        while targets._lookups.acquire(blocking=False):
            busy.callback(targets._lookups.release)
        # then the next one is given up in time
        with pytest.raises(Unavailable):
            targets.resolve("localhost", 0.05)
    assert targets.resolve("localhost", 5)


@pytest.mark.django_db
def test_a_command_that_looks_a_name_up_leaves_its_thread_to_others(conf: Conf) -> None:
    # given a name that takes its time
    steps = verbs.run(["webhook", "create", "http://localhost:8080/"])
    with contextlib.ExitStack() as busy:
        while targets._lookups.acquire(blocking=False):
            busy.callback(targets._lookups.release)
        # then the command's turn ends at once, again and again
        begun = time.monotonic()
        assert isinstance(next(steps), Pause)
        assert isinstance(next(steps), Pause)
        assert time.monotonic() - begun < targets.PATIENCE / 2
    # and what comes of it is said
    [refusal] = [step.data for step in steps if isinstance(step, Print)]
    assert b"localhost (127.0.0.1) is not in the internet" in refusal
