"""The form for a new session with its scripts: commands, drafts, later starts, same again."""

import json
import os
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenPage, on_each_device
from tests.browser.support import create, on_phone, press
from tests.browser.test_dashboard_form import session_of
from tests.support import PYTHON, ROOT, TOKEN, Installation, Server, eventually

PLAIN = [
    "one",
    "two words",
    "line one\nline two\n",
    'it\'s "quoted" $HOME `id` $(id) \\ \\n !! !x',
    "'",
    "''\n'",
    "--start",
    "-",
    "null",
    "{}",
    "~",
    "=ls",
    "#x",
    "*?[a]{b,c}",
    "%s %d",
    "JSON\nJSON\n",
    "🐝 ä 漢字 \u00a0",
]
STEERING = ["tab\there", "\x1b[31mred\x1b[201~\nid\n", "\x07'\\\x7f\x9b1f", "\u202eabc\u2069"]
MODULES = "([name, input]) => import('/static/js/shell.js').then((m) => input.map(m[name]))"


def words_of(shell: str, command: str) -> list[str]:
    """The words that a shell makes of a command's arguments."""
    script = f"printf '%s\\0' {command}"
    done = subprocess.run([shell, "-c", script], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


def test_a_quoted_word_is_what_it_was(page: Page, shared_server: Server) -> None:
    page.goto(f"{shared_server.url}/new")

    plain = page.evaluate(MODULES, ["quote", PLAIN])
    steering = page.evaluate(MODULES, ["quote", STEERING])

    assert words_of("dash", " ".join(plain)) == PLAIN
    assert words_of("bash", " ".join([*plain, *steering])) == [*PLAIN, *STEERING]
    assert plain[0] == "one"
    assert "".join(steering).isprintable()  # a terminal it is pasted into obeys nothing


@pytest.fixture(scope="module")
def splitting(browser: Any, shared_server: Server) -> Any:
    """A page that has our modules."""
    context = browser.new_context()
    made = context.new_page()
    made.goto(f"{shared_server.url}/login")
    yield made
    context.close()


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.sampled_from(list("ab'\"\\ \n\t$#;ä")), max_size=14))
@example(text="--x 'a b' \"c \\\" d \\n\" e\\ f '' ")
def test_arguments_are_split_as_the_server_splits_them(splitting: Page, text: str) -> None:
    try:
        expected = shlex.split(text)
    except ValueError:
        expected = None
    assert splitting.evaluate(MODULES, ["split", [text]]) == [expected]


def run(site: Installation, command: str) -> None:
    """Run a command that was copied, in the directory of the checkout."""
    env = {**site.env, "PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}"}
    argv = ["bash", "-c", command]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def sessions(server: Server) -> list[dict[str, Any]]:
    """All of them, the newest first."""
    found: list[dict[str, Any]] = server.request("GET", "/api/v1/sessions")[1]["sessions"]
    return found


def without_identity(session: dict[str, Any]) -> dict[str, Any]:
    """What two sessions of one kind have in common."""
    names = ("task", "priority", "metadata", "args", "profile", "limits", "on_usage_limit")
    return {name: session[name] for name in names}


def until(session: dict[str, Any]) -> datetime:
    """Before when it does not start."""
    return datetime.fromisoformat(session["waiting"]["until"])


TASK = '-it\'s\n"$HOME" `id` \\n !x 🐝\n'
ARGS = "--lines 1 'it'\\''s' '' \"$x\n\""
METADATA = '{"n": 12345678901234567890, "k": "it\'s $x \\u001b ä"}'


@pytest.mark.parametrize("tool", ["curl", "Shell", "manage.py"])
def test_the_copied_command_makes_the_same_session(
    page: Page, shared_site: Installation, shared_server: Server, tool: str
) -> None:
    page.goto(f"{shared_server.url}/new")
    page.get_by_label("Task").fill(TASK)
    page.get_by_label("Profile").select_option("sample")
    page.get_by_label("Priority").select_option("low")
    page.get_by_text("Arguments and metadata").click()
    page.get_by_label("Extra arguments").fill(ARGS)
    page.get_by_label("Metadata").fill(METADATA)
    page.get_by_text("Limits", exact=True).click()
    page.get_by_label("Run time").fill("15m")
    page.get_by_label("Memory").fill("off")
    page.get_by_label("usage limit").select_option("retry")
    page.get_by_label("Start later").check()
    later = datetime.now(UTC) + timedelta(days=1)
    page.get_by_label("Not before").fill(later.strftime("%Y-%m-%dT%H:%M"))
    page.get_by_text(tool, exact=True).click()
    command = page.locator("[data-command]").text_content() or ""
    assert TOKEN not in page.content()
    before = len(sessions(shared_server))

    run(shared_site, command)
    copied = sessions(shared_server)[0]
    page.get_by_role("button", name="Create session").click()
    made = session_of(page, shared_server)

    assert len(sessions(shared_server)) == before + 2
    assert without_identity(copied) == without_identity(made)
    assert made["metadata"] == json.loads(METADATA)
    assert until(copied) == until(made)


TRICKY = ["--start", "--", "-x", "null", "{}", "high", "--profile=sample", "tab\t\x1b[0m", "\ud800"]
BARE = """([task, profile]) => import('/static/js/commands.js').then((m) => m.commands({
  task, profile, priority: "medium", args: [], metadata: "", limits: {}, onUsageLimit: "",
  start: "no"}, location.origin))"""


def test_a_task_that_looks_like_something_else_is_a_task(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    page.goto(f"{shared_server.url}/new")
    for task in TRICKY:
        for profile, tools in (("", ("script", "curl")), ("sample", ("script",))):
            made = page.evaluate(BARE, [task, profile])
            for tool in tools:
                run(shared_site, made[tool]["text"])
                session = sessions(shared_server)[0]
                assert session["task"] == task.replace("\ud800", "\ufffd"), made[tool]
                assert session["profile"] == (profile or "claude-flow")
                assert (session["status"], session["metadata"]) == ("created", None)


def test_arguments_of_a_session_that_does_not_start_are_for_its_start(
    page: Page, shared_server: Server
) -> None:
    page.goto(f"{shared_server.url}/new")
    expect(page.locator("[data-preview]")).to_contain_text("appear here as you type")
    page.get_by_label("Task").fill("t")
    page.get_by_text("Arguments and metadata").click()
    page.get_by_label("Extra arguments").fill("--x 'a b'")
    page.get_by_label("Do not start yet").check()
    page.get_by_text("Shell", exact=True).click()

    script = "scripts/hive-session-manager.sh"
    expect(page.locator("[data-command]")).to_have_text(f"id=$({script} create t)")
    later = page.locator("[data-later-command]")
    expect(later).to_have_text(f"{script} start --detach \"$id\" --x 'a b'")
    page.get_by_label("Metadata").fill("[1]")
    expect(later).to_be_hidden()
    expect(page.locator("[data-preview-note]")).to_have_text("The metadata is no JSON object yet.")


@on_each_device
def test_a_later_start_is_in_the_readers_time(open_page: OpenPage, shared_server: Server) -> None:
    page = open_page(timezone_id="Asia/Kathmandu")
    later = (datetime.now(UTC) + timedelta(days=2)).replace(second=0, microsecond=0)
    page.goto(f"{shared_server.url}/new")
    page.get_by_label("Task").fill("at night")
    press(page.get_by_label("Start later"))
    there = later + timedelta(hours=5, minutes=45)
    page.get_by_label("Not before").fill(there.strftime("%Y-%m-%dT%H:%M"))
    if on_phone(page):
        press(page.get_by_role("button", name="Create session"))
    else:
        page.keyboard.press("Control+Enter")

    session = session_of(page, shared_server)
    assert session["status"] == "starting"
    assert until(session) == later
    expect(page.locator("[data-summary]")).to_contain_text("put off")


def test_without_scripts_a_later_start_is_in_utc(
    open_page: OpenPage, shared_server: Server
) -> None:
    page = open_page(java_script_enabled=False, timezone_id="Asia/Kathmandu")
    later = (datetime.now(UTC) + timedelta(days=2)).replace(second=0, microsecond=0)
    page.goto(f"{shared_server.url}/new")
    expect(page.locator("[data-preview]")).to_be_hidden()
    page.get_by_label("Start later").check()
    page.get_by_role("button", name="Create session").click()
    expect(page.get_by_text("Say from when on it may start")).to_be_visible()
    assert page.evaluate("document.activeElement.name") == "task"
    page.get_by_label("Task").fill("at night")
    page.get_by_label("Not before").fill(later.strftime("%Y-%m-%dT%H:%M"))
    page.get_by_role("button", name="Create session").click()

    assert until(session_of(page, shared_server)) == later


@on_each_device
def test_the_same_again(page: Page, shared_server: Server) -> None:
    limits = {"run_time": "90m", "log_size": 65_537}
    fields = {"priority": "high", "metadata": {"k": "ä"}, "profile": "sample", "limits": limits}
    old = create(shared_server, TASK, "--x", "a b", "", start=False, **fields)
    page.goto(f"{shared_server.url}/sessions/{old}/")
    press(page.get_by_role("link", name="Same again"))

    expect(page.get_by_label("Run time")).to_have_value("90m")
    expect(page.get_by_label("Metadata")).to_be_visible()  # what is filled in is not folded away
    press(page.get_by_label("Do not start yet"))
    press(page.get_by_role("button", name="Create session"))
    page.wait_for_url(lambda url: "/sessions/" in url and old not in url)
    new = session_of(page, shared_server)
    assert without_identity(new) == without_identity(
        shared_server.request("GET", f"/api/v1/sessions/{old}")[1]
    )
    assert new["parent"] is None


def test_nothing_typed_is_lost_when_the_server_is_away(page: Page, shared_server: Server) -> None:
    page.goto(f"{shared_server.url}/new")
    before = len(sessions(shared_server))
    page.get_by_label("Task").fill("a long thought\nin two lines")
    page.get_by_label("Do not start yet").check()
    page.context.set_offline(True)
    page.get_by_role("button", name="Create session").click()
    expect(page.locator("[data-toasts]")).to_contain_text("What you typed is kept")
    page.context.set_offline(False)

    page.goto(f"{shared_server.url}/")  # left by mistake
    page.goto(f"{shared_server.url}/new")
    expect(page.locator("[data-draft]")).to_be_visible()
    expect(page.get_by_label("Task")).to_have_value("a long thought\nin two lines")
    expect(page.get_by_label("Do not start yet")).to_be_checked()

    def lose_the_answer(route: Route) -> None:
        assert route.fetch().status == 201
        route.abort()

    page.route("**/new", lose_the_answer, times=1)
    page.get_by_role("button", name="Create session").click()
    eventually(lambda: len(sessions(shared_server)) == before + 1, "the session to be made")
    page.get_by_role("button", name="Create session").click()
    assert session_of(page, shared_server)["task"] == "a long thought\nin two lines"
    assert len(sessions(shared_server)) == before + 1  # what is sent again is not made again

    page.goto(f"{shared_server.url}/new")
    expect(page.get_by_label("Task")).to_have_value("")
    expect(page.locator("[data-draft]")).to_be_hidden()


def test_mistakes_in_what_is_folded_away_are_unfolded(page: Page, shared_server: Server) -> None:
    page.goto(f"{shared_server.url}/new")
    page.get_by_label("Task").fill("t")
    page.get_by_text("Limits", exact=True).click()
    page.get_by_label("Memory").fill("much")
    page.get_by_text("Limits", exact=True).click()
    page.keyboard.press("Control+Enter")

    expect(page.get_by_label("Memory")).to_be_focused()
    expect(page.locator(".field-error")).to_contain_text("must be a size such as")
