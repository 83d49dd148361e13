"""One request to a webhook: what arrives, what counts as success, and that it always ends."""

import ipaddress
import socket
import ssl
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from sessions_app.webhooks.sending import MAX_HEAD, Sender
from tests.receiver import answers, hangs, receiver, says, silent

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
OK = b"HTTP/1.1 200 OK\r\n"


def sender(**options: object) -> Sender:
    """One that may reach loopback."""
    return Sender(LOOPBACK, **options)  # type: ignore[arg-type]


def test_what_arrives_is_what_was_given() -> None:
    body = '{"ü": 1}'.encode()
    with receiver() as there:
        result = sender().send(f"{there.url}/hook?key=1", {"webhook-id": "x"}, body)
        assert (result.status, result.error, result.retry_after) == (204, "", None)
        [request] = there.requests
        assert (request.path, request.body) == ("/hook?key=1", body)
        assert request.headers == {
            "host": f"127.0.0.1:{there.port}",
            "user-agent": "hiveweb",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            "webhook-id": "x",
        }


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as there, receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert sender().send(there.url, {}, b"{}").error == ""
        assert (len(there.requests), proxy.requests) == (1, [])


@pytest.mark.parametrize("status", [200, 201, 299])
def test_any_2xx_is_success(status: int) -> None:
    with receiver(answers(status)) as there:
        assert sender().send(there.url, {}, b"{}").error == ""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_failures_and_not_followed(status: int) -> None:
    with receiver() as other, receiver(answers(status, Location=other.url)) as there:
        result = sender().send(there.url, {}, b"{}")
        assert result.status == status
        assert "redirects are not followed" in result.error
        assert (len(there.requests), other.requests) == (1, [])


def test_retry_after_is_understood_in_both_forms() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    for said, low, high in (("7", 7, 7), (later, 60, 91), ("99999999999999", 10**8, 10**9)):
        with receiver(answers(503, Retry_After=said)) as there:
            result = sender().send(there.url, {}, b"{}")
            assert result.error == "it answered 503"
            assert result.retry_after is not None
            assert low <= result.retry_after <= high
    for said in (
        "soon",
        f"Mon, 01 Jan {'9' * 30} 00:00:00 GMT",
        "Mon, 01 Jan 2001 00:00:00 +99999",
    ):
        with receiver(answers(503, Retry_After=said)) as there:
            result = sender().send(there.url, {}, b"{}")
            assert (result.status, result.retry_after) == (503, None)


def test_a_name_is_looked_up_once_and_the_checked_address_is_reached() -> None:
    """A name that means a public address when it is checked, and ours a moment later."""
    asked = []

    def rebinding(host: str, _patience: float) -> list[str]:
        asked.append(host)
        return ["127.0.0.2" if len(asked) == 1 else "127.0.0.1"]

    only_the_first = (ipaddress.ip_network("127.0.0.2"),)
    with receiver(host="127.0.0.2") as there, receiver(port=there.port) as ours:
        careful = Sender(only_the_first, resolver=rebinding)
        assert careful.send(f"http://hook.example:{there.port}/", {}, b"{}").error == ""
        [request] = there.requests
        assert request.headers["host"] == f"hook.example:{there.port}"
        # and the next attempt checks it anew
        assert (
            "HIVE_WEBHOOK_NETWORKS"
            in careful.send(f"http://hook.example:{there.port}/", {}, b"{}").error
        )
        assert (asked, ours.requests) == (["hook.example"] * 2, [])


def test_the_next_address_is_tried_when_one_is_dead() -> None:
    with receiver(host="127.0.0.3") as there:
        both = sender(resolver=lambda _host, _patience: ["127.0.0.2", "127.0.0.3"])
        assert both.send(f"http://hook.example:{there.port}/", {}, b"{}").error == ""


def test_nobody_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        result = sender().send(f"http://127.0.0.1:{closed.getsockname()[1]}/", {}, b"{}")
    assert (result.status, result.error) == (None, "it cannot be reached: Connection refused")
    assert "no name" not in sender().send("http://localhost:1/", {}, b"{}").error


def test_a_connection_that_is_not_taken_in_is_given_up() -> None:
    with silent() as full, socket.socket() as first, socket.socket() as second:
        for taken in (first, second):  # its queue is full then
            taken.setblocking(False)
            taken.connect_ex(full.getsockname())
        began = time.monotonic()
        result = sender(connect=0.3).send(f"http://127.0.0.1:{full.getsockname()[1]}/", {}, b"{}")
    assert result.error == "it cannot be reached: no connection within 0.3 s"
    assert time.monotonic() - began < 10


def test_what_hangs_or_drips_is_cut_off() -> None:
    release = threading.Event()
    slow = {
        "hangs": hangs(release),
        "drips its status": says(*[bytes([byte]) for byte in OK * 20], pause=0.05),
        "drips headers": says(OK, pause=0.05, forever=b"X-Y: z\r\n"),
        "goes on and on with 100": says(forever=b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.05),
    }
    for name, behaviour in slow.items():
        with receiver(behaviour) as there:
            began = time.monotonic()
            result = sender(whole=0.4).send(there.url, {}, b"{}")
            assert (result.status, result.error) == (None, "no answer within 0.4 s"), name
            assert 0.3 < time.monotonic() - began < 10, name
            release.set()


def test_a_head_without_an_end_is_not_read_to_the_end() -> None:
    for forever in (b"X-Y: " + b"z" * 200 + b"\r\n", b"z" * 1000):
        with receiver(says(OK, forever=forever)) as there:
            result = sender().send(there.url, {}, b"{}")
            assert (result.status, result.error[:22]) == (None, "what it answers is no ")
            assert result.milliseconds < 10_000
    assert MAX_HEAD <= 64 * 1024


def test_a_body_changes_nothing_however_long_or_slow_or_broken() -> None:
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    for behaviour in (
        says(OK + b"\r\n", forever=b"x" * 1000),
        says(OK + b"Content-Length: 99999999999\r\n\r\n", forever=b"x" * 1000),
        says(OK + b"Content-Length: 1000\r\n\r\nx"),  # and closes
        says(chunked + b"nonsense\r\n"),
        says(chunked, pause=0.05, forever=b"1"),
        says(OK + b"\r\n", pause=0.05, forever=b"x"),
    ):
        with receiver(behaviour) as there:
            result = sender().send(there.url, {}, b"{}")
            assert (result.status, result.error) == (200, "")
            assert result.milliseconds < 10_000


def test_an_answer_that_breaks_off_is_a_failure() -> None:
    for said in (b"", b"HTTP/1.1 2", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 999999 OK\r\n\r\n"):
        with receiver(says(said)) as there:
            result = sender().send(there.url, {}, b"{}")
            assert result.status is None
            assert result.error


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for hook.example that signs itself, and its key."""
    base = tmp_path_factory.mktemp("tls")
    made, key = base / "cert.pem", base / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=hook.example", "-addext", "subjectAltName=DNS:hook.example"),
            *("-days", "2", "-keyout", key, "-out", made),
        ],
        check=True,
        capture_output=True,
    )
    return made, key


def test_tls_is_verified_by_name(certificate: tuple[Path, Path]) -> None:
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain(*certificate)
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    name = {"resolver": lambda _host, _patience: ["127.0.0.1"]}
    with receiver(context=here) as there:
        url = f"https://hook.example:{there.port}/"
        # trusted and under its name; else not
        assert sender(context=trusting, **name).send(url, {}, b"{}").error == ""
        other = sender(context=trusting, **name).send(url.replace("hook", "other"), {}, b"{}")
        stranger = sender(**name).send(url, {}, b"{}")
        for result in (other, stranger):
            assert result.error.startswith("its certificate cannot be verified: ")
        # and nobody falls back to plain HTTP
        assert len(there.requests) == 1
        plain = sender(**name).send(url.replace("https", "http"), {}, b"{}")
        assert plain.status is None
