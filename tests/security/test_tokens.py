"""Attacks on tokens, links and passwords: guessing, timing, what is kept of them.

How fast one may guess: tests/unit/test_guard_rates.py. What a token may do and when it ends:
tests/integration/test_access.py. Of what a run has: tests/integration/test_run_token.py.
"""

import random
import re
import sqlite3
import statistics
import time
import uuid
from collections.abc import Callable, Sequence

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from sessions_app import access, accounts, run_token, tokens
from sessions_app.callers import Role
from sessions_app.conf import Conf
from tests.integration.api_client import API, fetch
from tests.integration.browsing import link, token
from tests.security.conftest import Town
from tests.support import TOKEN

#: What comes from one guess to the next, and how often each is tried.
ROUNDS = 400


def medians(look: Callable[[str], object], guesses: Sequence[str]) -> list[float]:
    """How long (s) each guess takes, by the median; mixed, so that the machine's moods even out."""
    taken: dict[str, list[float]] = {guess: [] for guess in guesses}
    order = [*guesses] * ROUNDS
    random.Random(7).shuffle(order)
    for guess in order:
        begun = time.perf_counter()
        look(guess)
        taken[guess].append(time.perf_counter() - begun)
    return [statistics.median(taken[guess]) for guess in guesses]


def nearer_and_nearer(secret: str) -> list[str]:
    """Wrong tokens of one length whose first 0, half and all but one characters are right."""
    wrong = "".join("a" if letter != "a" else "b" for letter in secret)
    return [secret[:n] + wrong[n:] for n in (0, len(secret) // 2, len(secret) - 1)]


def tells_nothing(look: Callable[[str], object], guesses: Sequence[str]) -> None:
    """The right beginning of a guess makes no difference that could be seen.

    A comparison that stops at the first wrong letter takes some 10 ns more for each right one, of
    10 µs and more that the whole takes: far below what any of this can show over a network. So the
    bound may be wide, and a query for each letter, or a table in memory, would still be seen.
    """
    for _ in range(3):  # a loaded machine may be unlucky
        far, half, near = medians(look, guesses)
        if max(far, half, near) < 1.25 * min(far, half, near) + 2e-6:
            return
    pytest.fail(f"{far:.2e} s, {half:.2e} s, {near:.2e} s")


def test_how_much_of_hive_token_is_right_is_not_seen(conf: Conf) -> None:
    secret = conf.token
    assert access.is_bootstrap(secret)
    tells_nothing(access.is_bootstrap, nearer_and_nearer(secret))


def test_it_is_compared_by_digests_of_one_length(conf: Conf) -> None:
    """So neither its beginning nor its length shows: what is compared has nothing to do with it."""
    assert access.is_bootstrap(conf.token)
    for guess in ("", conf.token[:-1], conf.token + "x", conf.token.upper(), "é" * 5000, "\udcff"):
        assert not access.is_bootstrap(guess)
    tells_nothing(access.is_bootstrap, ["x" * n for n in (1, len(conf.token), 2 * len(conf.token))])


def test_how_much_of_a_runs_token_is_right_is_not_seen() -> None:
    session_id = uuid.uuid4()
    secret = run_token.make(session_id)
    assert run_token.session_of(secret) == session_id
    head, _, digest = secret.rpartition("_")
    guesses = [f"{head}_{guess}" for guess in nearer_and_nearer(digest)]
    tells_nothing(run_token.session_of, guesses)


@pytest.mark.django_db
def test_how_much_of_an_api_token_is_right_is_not_seen() -> None:
    """It is looked up by its hash: a guess that is nearly right has quite another one."""
    secret = tokens.create("here", Role.VIEWER)[1]
    found = tokens.caller_of(tokens.digest(secret))
    assert found is not None
    near = nearer_and_nearer(secret)
    hashes = [tokens.digest(guess) for guess in near]
    assert all(hashes[2][:8] != tokens.digest(secret)[:8] for _ in hashes)
    tells_nothing(lambda guess: tokens.caller_of(tokens.digest(guess)), near)


@pytest.mark.django_db
def test_a_name_that_is_there_is_not_told_by_how_long_a_wrong_password_takes() -> None:
    """An account with a password, one without, a disabled one, and nobody: the same work."""
    there = accounts.create("there", Role.VIEWER)
    there.set_password("correct horse battery")
    there.save()
    accounts.create("without-password", Role.VIEWER)
    User.objects.create_user("disabled", password="correct horse battery", is_active=False)
    taken = {}
    for name in ("there", "without-password", "disabled", "nobody"):
        begun = time.process_time()
        assert authenticate(None, username=name, password="wrong") is None
        taken[name] = time.process_time() - begun
    # one hash more or less is all or nothing
    assert max(taken.values()) < 1.8 * min(taken.values()), taken


def guesses_at(secret: str) -> list[str]:
    """What somebody might try who has seen a part of a token."""
    body, checksum = secret[:-8], secret[-8:]
    flipped = body[:-1] + ("A" if body[-1] != "A" else "B")
    return [
        secret[:-1],
        secret + "0",
        secret.upper(),
        secret[:20] + "*" * 31 + checksum,
        body + "00000000",
        flipped + checksum,
        flipped + tokens._checksum(flipped),  # the checksum is no secret: well formed, and wrong
        secret.replace("hivetok_", "hiverun_"),
        tokens.digest(secret),  # what a stolen database has
        "%",
        "hivetok_%",
    ]


def test_a_guess_near_a_token_is_refused(town: Town) -> None:
    secret = token(town.site, "guessed", "viewer")["Authorization"].removeprefix("Bearer ")
    assert re.fullmatch(r"hivetok_[\w-]{43}[0-9a-f]{8}", secret)
    for guess in guesses_at(secret):
        headers = {"Authorization": f"Bearer {guess}"}
        reply = fetch(town.server, "GET", f"{API}/me", headers=headers)
        assert reply.status in (401, 429), guess
        assert secret.encode() not in reply.body
        assert guess.encode() not in reply.body
    # a token elsewhere than in its header is none, and a cookie of that name neither
    for path in (f"{API}/me?token={secret}", f"{API}/me?access_token={secret}"):
        assert fetch(town.server, "GET", path, headers={"Cookie": ""}).status == 401
    name = town.browser("tess").session_cookie
    for value in (secret, tokens.digest(secret), TOKEN):
        reply = fetch(town.server, "GET", f"{API}/me", headers={"Cookie": f"{name}={value}"})
        assert reply.status in (401, 429)


@pytest.mark.parametrize(
    "key", ["", "x", "a" * 43, "%00", "../x", "' OR 1=1 --", "x" * 5000, "é", "%ff", "[]"]
)
def test_a_guessed_link_signs_nobody_in(town: Town, key: str) -> None:
    made = link(town.site).partition("key=")[2]
    for guess in (key, made[:-1], made.upper(), made + key if key else made + "x"):
        path = f"/login?key={guess.replace(' ', '+')}".encode("utf-8", "replace").decode("latin-1")
        reply = fetch(
            town.server, "GET", path.replace("\xc3\xa9", "%C3%A9"), headers={"Cookie": ""}
        )
        assert reply.status in (200, 403, 429), reply
        assert all(line.startswith("hive_csrf") for line in reply.cookies)


def test_what_is_stored_lets_nobody_in(town: Town) -> None:
    """Who reads the database, or a backup of it, has no token, no link and no password."""
    secret = token(town.site, "stored", "administrator")["Authorization"].removeprefix("Bearer ")
    key = link(town.site).partition("key=")[2]
    town.site.script("user", "create", "stella")
    with sqlite3.connect(f"file:{town.site.database}?mode=ro", uri=True) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    for text in (secret, key, TOKEN, secret[14:51]):
        assert text not in dump
    assert tokens.digest(secret) in dump
    told = town.server.output + "".join(
        path.read_text(errors="replace") for path in town.site.log_dir.rglob("*") if path.is_file()
    )
    assert secret not in told
    assert key not in told
