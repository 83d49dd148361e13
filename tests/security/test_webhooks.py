"""Webhooks as a way into private networks, or as a way to have something else said."""

import sqlite3
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.api_client import API, create, fetch
from tests.receiver import answers, receiver
from tests.security.conftest import Town
from tests.support import Installation, Server, eventually, installation

#: Where nothing may be sent, in every spelling.
PRIVATE = [
    *("http://127.0.0.1/", "http://localhost/", "http://LOCALHOST:8080/", "http://0.0.0.0/"),
    *("http://127.1/", "http://127.0.1/", "http://0x7f.1/", "http://0x7f000001/", "http://0177.1/"),
    *("http://2130706433/", "http://017700000001/", "http://0/", "http://127.0.0.1.:8080/"),
    *("http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
    *("http://[::127.0.0.1]/", "http://[0:0:0:0:0:ffff:7f00:0001]/", "http://[64:ff9b::7f00:1]/"),
    *(
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25lo]/",
        "http://[fc00::1]/",
    ),
    *("http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/"),
    *("http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://10.0.0.1/"),
    *("http://192.168.0.1/", "http://172.16.0.1:8500/", "http://224.0.0.1/", "http://[ff02::1]/"),
    *("https://127.0.0.1/", "https://localhost/", "http://255.255.255.255/"),
]
#: What is no plain URL of a web server.
CROOKED = [
    *("http://127.0.0.1@1.1.1.1/", "http://1.1.1.1@127.0.0.1/", "http://a:b@1.1.1.1/"),
    *("http://1.1.1.1#@127.0.0.1/", "http://1.1.1.1\\@127.0.0.1/", "http://1.1.1.1 /"),
    *(
        "http://1.1.1.1/\r\nX-Evil: 1",
        "http://1.1.1.1/%\n",
        "http://1.1.1.1\r\n.evil/",
        "http://\t/",
    ),
    *(
        "http://1.1.1.1/ HTTP/1.1\r\nHost: evil\r\n\r\n",
        "http://1.1.1.1:80\r\n/",
        "\nhttp://1.1.1.1/",
    ),
    *("http://1.1.1.1:22/", "http://1.1.1.1:25/", "http://1.1.1.1:70000/", "http://1.1.1.1:8 0/"),
    *("ftp://1.1.1.1/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL", "unix:///x"),
    *("//1.1.1.1/", "1.1.1.1", "http:1.1.1.1", "http:///etc/passwd", "HTTP://", "", "\0"),
    *("http://ⓛocalhost/", "http://１２７.0.0.1/", "http://localhost。/", "http://loc%61lhost/"),
]


@pytest.mark.parametrize("url", [*PRIVATE, *CROOKED])
def test_such_a_url_is_refused(town: Town, url: str) -> None:
    refused = fetch(town.server, "POST", f"{API}/webhooks", {"url": url})
    refused.problem(422, "invalid")
    assert fetch(town.server, "GET", f"{API}/webhooks").json == {"webhooks": []}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation from which one address of loopback may be reached, and no other."""
    base = tmp_path_factory.mktemp("place") / "site"
    with installation(base, HIVE_WEBHOOK_NETWORKS="127.0.0.2") as made:
        yield made


@pytest.fixture(scope="module")
def server(place: Installation) -> Server:
    """Its server."""
    return place.up()


def pinged(server: Server, webhook_id: str) -> dict[str, Any]:
    """How a ping went."""
    where = f"{API}/webhooks/{webhook_id}"
    ping = fetch(server, "POST", f"{where}/test").json

    def done() -> dict[str, Any] | None:
        rows = fetch(server, "GET", f"{where}/deliveries").json["deliveries"]
        return next((r for r in rows if r["id"] == ping["id"] and r["state"] != "waiting"), None)

    return eventually(done, "an answer")


def test_a_redirect_leads_nowhere(server: Server) -> None:
    with receiver() as ours, receiver(host="127.0.0.2") as there:
        made = fetch(server, "POST", f"{API}/webhooks", {"url": there.url}).json
        for to in (ours.url, "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd"):
            for status in (301, 302, 303, 307, 308):
                there.behaviour = answers(status, Location=to)
                how = pinged(server, made["id"])
                assert (how["state"], how["status"]) == ("failed", status)
        assert ours.requests == []
        refused = fetch(server, "PATCH", f"{API}/webhooks/{made['id']}", {"url": ours.url})
        refused.problem(422, "invalid")


def test_it_is_looked_at_again_before_each_request(place: Installation, server: Server) -> None:
    with receiver() as ours, receiver(host="127.0.0.2") as there:
        made = fetch(server, "POST", f"{API}/webhooks", {"url": there.url}).json
        assert pinged(server, made["id"])["state"] == "delivered"
        # given that somebody has edited the row
        for url in (ours.url, f"http://localhost:{ours.port}/", f"http://127.1:{ours.port}/"):
            with sqlite3.connect(place.database) as database:
                database.execute(
                    "UPDATE sessions_app_webhook SET url = ? WHERE id = ?",
                    [url, uuid.UUID(made["id"]).hex],
                )
            how = pinged(server, made["id"])
            assert (how["state"], how["status"]) == ("failed", None)
        assert ours.requests == []


def test_an_answer_is_not_kept(place: Installation, server: Server) -> None:
    def telltale(handler: Any) -> None:
        handler.send_response(500, "reason-7041")
        handler.send_header("X-Header", "header-7041")
        handler.end_headers()
        handler.wfile.write(b"body-7041")

    with receiver(telltale, host="127.0.0.2") as there:
        made = fetch(server, "POST", f"{API}/webhooks", {"url": there.url}).json
        create(server)
        eventually(lambda: "session.created" in there.types, "a request")
        assert pinged(server, made["id"])["error"] == "it answered 500"
        where = f"{API}/webhooks/{made['id']}"
        for path in (where, f"{where}/deliveries"):
            assert b"7041" not in fetch(server, "GET", path).body
        assert "7041" not in server.output
        # and no request carries a credential of ours, nor the database a secret of theirs
        secret = made["secret"].removeprefix("whsec_")
        for request in there.requests:
            assert {"authorization", "cookie"} & set(request.headers) == set()
    files = place.state_dir.glob("hiveweb.sqlite3*")
    assert not any(secret.encode() in file.read_bytes() for file in files)
