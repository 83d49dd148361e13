"""Secrets in bytes that are read in pieces: covered whole, wherever reading began."""

import json
import os
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app import log_tail, run_token, tokens
from sessions_app.masking import Known, Mask, needles
from sessions_app.models import Webhook
from sessions_app.secret import Secret, SecretFile
from sessions_app.webhooks import signing

#: Two letters, so that needles overlap each other, themselves, and the ends of reads.
_LETTERS = st.integers(8, 14).flatmap(lambda n: st.text("ab", min_size=n, max_size=n))
_SECRETS = st.lists(_LETTERS.filter(lambda text: len(set(text)) > 1), min_size=1, max_size=3)


def expected(data: bytes, secrets: list[str]) -> bytes:
    """By the definition: a byte is covered when an occurrence of a secret has it."""
    covered = bytearray(data)
    for secret in secrets:
        for found in re.finditer(rb"(?=%s)" % re.escape(secret.encode()), data):
            covered[found.start() : found.start() + len(secret)] = b"*" * len(secret)
    return bytes(covered)


@given(
    secrets=_SECRETS,
    data=st.text("ab\n", max_size=120),
    reads=st.lists(st.tuples(st.integers(0, 120), st.integers(1, 50)), min_size=1, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_a_byte_is_covered_wherever_reading_begins_and_ends(
    tmp_path_factory: pytest.TempPathFactory,
    secrets: list[str],
    data: str,
    reads: list[tuple[int, int]],
) -> None:
    # given a log whose end is no begin of a secret
    path = tmp_path_factory.getbasetemp() / "log"
    content = data.encode() + b"\n"
    path.write_bytes(content)
    whole = expected(content, secrets)
    mask = Known(map(Secret, secrets)).mask()

    for offset, limit in reads:
        chunk = log_tail.read(str(path), offset, limit)
        shown = log_tail.as_shown(str(path), chunk, mask)
        assert shown.data == whole[offset : offset + limit]
        assert shown.offset == chunk.offset


@given(secrets=_SECRETS, data=st.text("ab\n", max_size=80), pieces=st.lists(st.integers(1, 9)))
@settings(max_examples=150, deadline=None)
def test_who_follows_a_log_that_grows_never_sees_a_secret(
    tmp_path_factory: pytest.TempPathFactory, secrets: list[str], data: str, pieces: list[int]
) -> None:
    # given a log that is written piece by piece, and a reader that is always faster
    path = tmp_path_factory.getbasetemp() / "grows"
    content = data.encode() + secrets[0].encode() + b"\n"
    mask = Known(map(Secret, secrets)).mask()
    path.write_bytes(b"")
    seen, written = b"", 0

    for size in [*pieces, len(content)]:
        with path.open("ab") as file:
            file.write(content[written : written + size])
        written = min(written + size, len(content))
        chunk = log_tail.read(str(path), len(seen))
        seen += log_tail.as_shown(str(path), chunk, mask, growing=True).data

    # then all has come as in one reading, but that 3 bytes are no begin worth waiting for
    whole = expected(content, secrets)
    found = [
        m.start() for secret in secrets for m in re.finditer(f"(?={secret})", content.decode())
    ]
    early = {start + index for start in found for index in range(3)}
    assert len(seen) == len(content)
    for index, byte in enumerate(seen):
        assert byte == whole[index] or (index in early and byte == content[index])
    assert not any(secret.encode() in seen for secret in secrets)


def test_the_begin_of_a_secret_waits_for_its_rest_and_is_covered_at_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"the key is correct-ho")
    mask = Mask([b"correct-horse"])
    chunk = log_tail.read(str(log), 0)

    assert log_tail.as_shown(str(log), chunk, mask, growing=True).data == b"the key is "
    assert log_tail.as_shown(str(log), chunk, mask).data == b"the key is **********"


API_TOKEN = f"hivetok_{'aB-_9' * 8}xyz0123abcd"


WEBHOOK_SECRET = f"whsec_{'aB+/9' * 8}xyz="


@pytest.mark.parametrize(
    "token",
    [run_token.make(uuid.uuid4()), API_TOKEN, WEBHOOK_SECRET],
    ids=["run", "api", "webhook"],
)
def test_a_token_of_ours_is_told_by_its_form(tmp_path: Path, token: str) -> None:
    log = tmp_path / "log"
    rest = b" hiverun_, hivetok_ and whsec_ are prefixes"
    log.write_bytes(b"x" * 70_000 + token.encode() + rest)
    for offset in (0, 69_000, 70_000, 70_050):
        chunk = log_tail.read(str(log), offset, 1100)
        shown = log_tail.as_shown(str(log), chunk, Mask()).data
        whole = b"x" * 70_000 + b"*" * len(token) + rest
        assert shown == whole[offset : offset + 1100]
    # and: piece by piece
    for size in range(8, len(token)):
        assert Mask().cover_cut(b"z" + token[:size].encode()) == b"z" + b"*" * size


def test_tokens_are_made_in_that_form() -> None:
    assert tokens.SHAPE.match(API_TOKEN)
    assert Mask().cover(API_TOKEN.encode()) == b"*" * len(API_TOKEN)
    secret = signing.secret(Webhook(salt="x"))
    assert Mask().cover(secret.encode()) == b"*" * len(WEBHOOK_SECRET)


def test_a_secret_of_several_lines_is_covered_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEF\n-----END KEY-----\n"
    mask = Known([Secret(key)]).mask()

    assert mask.cover(key.encode()) == re.sub(rb"[^\n]", b"*", key.encode())
    assert mask.cover(b"only hkiG9w0BAQEF of it") == b"only ************ of it"
    said = json.dumps({"key": key, "id": 7}).encode()
    assert b"hkiG9w0" not in mask.cover(said)
    assert b'"id": 7' in mask.cover(said)


@pytest.mark.parametrize("secret", ['quo"ted\\pass', "pässwörd-ü", "tab\there-it-is"])
def test_a_secret_is_found_as_json_spells_it(secret: str) -> None:
    mask = Known([Secret(secret)]).mask()
    for spelled in (secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        covered = mask.cover(spelled.encode())
        assert len(covered) == len(spelled.encode())
        assert not set(covered.decode()) - set('*"'), covered


@pytest.mark.parametrize("secret", ["short", "aaaaaaaaaaaa", "", "1234567"])
def test_what_is_too_short_or_too_plain_is_not_looked_for(secret: str) -> None:
    assert not list(needles(secret))


def test_a_file_is_read_again_and_what_it_held_stays_known(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    known = Known([SecretFile(str(file))])
    assert known.mask().needles == ()

    file.write_text("first-secret\n")
    known.look()
    file.write_text("second-secret\n")
    known.look()

    assert known.mask().cover(b"first-secret second-secret") == b"************ *************"


def test_boxes_do_not_show_what_is_in_them() -> None:
    secret = Secret("correct-horse")
    assert f"{secret} {secret!r} {[secret]} {secret!s:>5}" == "*** *** [***]   ***"
    assert "correct" not in repr(Known([secret]))
    assert "correct" not in repr(Known([secret]).mask())
    assert secret == Secret("correct-horse") != Secret("another")
    assert len({secret, Secret("correct-horse")}) == 1


def test_reading_a_log_stays_fast(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """given: five secrets and 64 MB of log without any of them"""
    log = tmp_path / "log"
    line = b"2026-11-22 20:59:46 \x1b[32m[INFO]\x1b[0m a line as hives print them, with words\n"
    log.write_bytes(line * (64_000_000 // len(line)))
    mask = Mask(os.urandom(24).hex().encode() for _ in range(5))
    begun = time.process_time()
    offset = 0
    while (chunk := log_tail.read(str(log), offset, 256 * 1024)).data:
        offset += len(log_tail.as_shown(str(log), chunk, mask).data)
    speed = offset / (time.process_time() - begun) / 1e6
    tell(f"reading with 5 secrets: {speed:,.0f} MB/s")
    assert speed > 100  # on a loaded machine; on a quiet one 500 and more
