"""The list: filters, pages, steady rows, keyboard, narrow windows, no scripts."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, OpenPage, on_each_device
from tests.browser.support import create, follow, no_sideways_scrolling, open_list, soon
from tests.support import Installation, Server, slack

NASTY = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1> " + "W" * 300
#: The first row as one that ran, with the longest words that are usual.
LONGEST = """() => {
  const row = document.querySelector("[data-rows] tr");
  const say = (name, text) => { row.querySelector(`[data-${name}]`).textContent = text; };
  say("badge", "completed"); say("priority-word", "medium"); say("created", "58 min ago");
  say("duration", "12h 17m 00s"); say("output", "57 s ago"); say("line", "all of it ".repeat(20));
  row.querySelector("[data-duration]").dataset.from = "2026-01-01T00:00:00Z";
  row.querySelector("[data-output]").hidden = false;
}"""
#: What of that row reaches into its right edge, or lies upon something else.
BEYOND = """() => {
  const row = document.querySelector("[data-rows] tr");
  const edge = row.getBoundingClientRect().right - 10;
  const cells = [...row.cells].filter((cell) => cell.checkVisibility());
  const boxes = cells.map((cell) => [cell.className, cell.getBoundingClientRect()]);
  return boxes.flatMap(([name, one]) => [
    ...(one.right > edge ? [name] : []),
    ...boxes.filter(([other, two]) => other !== name && one.left < two.left && two.left < one.right
      && one.top < two.bottom && two.top < one.bottom).map(([other]) => `${name} on ${other}`),
  ]);
}"""


@pytest.fixture(scope="module")
def many(shared_site: Installation, shared_server: Server) -> list[str]:
    """120 sessions, oldest first: every third of high priority, the last ten failed."""
    code = (
        "from sessions_app import callers, services\n"
        "callers.become(callers.SYSTEM)\n"
        "made = [services.create(f'numbered {n}', priority='high' if n % 3 == 0 else 'low')"
        " for n in range(120)]\n"
        "[services.stop(session.id) for session in made[110:]]\n"
        "print(*[session.id for session in made])"
    )
    done = shared_site.manage("shell", "-v0", "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().split()


def titles(page: Page) -> list[str]:
    """The tasks that are shown, from the top."""
    found: list[str] = page.locator("[data-rows] [data-title]").all_text_contents()
    return found


def test_an_empty_list_helps(page: Page, server: Server) -> None:
    open_list(page, server)

    expect(page.locator("[data-empty]")).to_contain_text("manage.py hive create")
    expect(page.locator("[data-empty]")).to_contain_text(f"{server.url}/api/v1/sessions")
    expect(page.locator("table")).to_be_hidden()


@on_each_device
def test_pages_hold_fifty_and_lead_to_all(page: Page, shared_server: Server, many: object) -> None:
    open_list(page, shared_server, "?q=numbered")
    seen = titles(page)
    assert len(seen) == 50

    while page.locator("[data-next]").is_visible():
        follow(page.locator("[data-next]"))
        seen += titles(page)

    assert seen == [f"numbered {n}" for n in reversed(range(120))]
    follow(page.get_by_role("link", name="First page"))
    expect(page.locator("[data-title]").first).to_have_text("numbered 119")


@on_each_device
def test_filters_stand_in_the_address(page: Page, shared_server: Server, many: object) -> None:
    open_list(page, shared_server)
    follow(page.locator("a.chip.is-failed"))
    page.locator("select[name=priority]").select_option("high")
    page.get_by_role("searchbox").fill("Numbered 11")
    follow(page.get_by_role("button", name="Filter"))

    assert page.url.endswith("/?status=failed&q=Numbered+11&priority=high")
    assert titles(page) == ["numbered 117", "numbered 114", "numbered 111"]
    expect(page.locator('.chip[aria-current="true"]')).to_contain_text("failed")

    page.reload()
    assert len(titles(page)) == 3
    follow(page.get_by_role("link", name="Clear"))
    assert len(titles(page)) == 50


def test_an_id_can_be_searched_for(page: Page, shared_server: Server, many: list[str]) -> None:
    open_list(page, shared_server, f"?q={many[7][:13]}")
    assert titles(page) == ["numbered 7"]


def test_what_cannot_be_understood_is_said(page: Page, shared_server: Server) -> None:
    for query in ("?status=bogus", "?priority=urgent", "?cursor=%21%21"):
        answer = page.goto(f"{shared_server.url}/{query}")
        assert answer is not None
        assert answer.status == 400
        expect(page.get_by_role("alert")).to_contain_text("must be" if "=b" in query else "")
        expect(page.get_by_role("link", name="Show all sessions").first).to_be_visible()


def test_only_what_fits_the_filters_appears(page: Page, server: Server) -> None:
    open_list(page, server, "?priority=high&q=wanted")
    expect(page.locator("[data-empty-filtered]")).to_be_visible()

    create(server, "wanted, but low", start=False, priority="low")
    create(server, "another", start=False, priority="high")
    create(server, "WANTED indeed", start=False, priority="high")
    create(server, "y" * 5000 + " wanted far behind", start=False, priority="high")

    expect(page.locator("[data-rows] tr")).to_have_count(2)
    assert titles(page)[1] == "WANTED indeed"


def test_a_session_that_leaves_the_filter_leaves_the_list(page: Page, server: Server) -> None:
    session_id = create(server, "soon over", start=False)
    open_list(page, server, "?status=created")
    expect(page.locator("[data-rows] tr")).to_have_count(1)

    server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})

    expect(page.locator("[data-rows] tr")).to_have_count(0, timeout=soon())
    expect(page.locator("[data-empty-filtered]")).to_be_visible()


def test_rows_stay_in_place_under_the_pointer(page: Page, server: Server) -> None:
    create(server, "first", start=False)
    open_list(page, server)
    page.locator("[data-rows] tr").hover()
    page.evaluate(
        """() => {
          const row = document.querySelector("[data-rows] tr");
          const move = () => row.dispatchEvent(
            new PointerEvent("pointermove", {pointerType: "mouse", bubbles: true}));
          window.moving = setInterval(move, 100);
        }"""
    )

    create(server, "second", start=False)

    expect(page.locator("[data-held]")).to_have_text("Show 1 new", timeout=soon())
    assert titles(page) == ["first"]
    expect(page.locator(".chip.is-created [data-count]")).to_have_text("2")
    page.evaluate("clearInterval(window.moving)")
    expect(page.locator("[data-rows] tr")).to_have_count(2)
    expect(page.locator("[data-held]")).to_be_hidden()
    assert titles(page) == ["second", "first"]


def test_rows_that_come_do_not_move_what_is_read(
    page: Page, shared_server: Server, many: object
) -> None:
    open_list(page, shared_server)
    page.mouse.wheel(0, 900)
    row = page.locator("[data-rows] tr").nth(25)
    page.wait_for_function("() => window.scrollY > 500")
    before = row.bounding_box()
    row_id = row.get_attribute("data-id")

    create(shared_server, "on top of it", start=False)
    expect(page.locator("[data-title]").first).to_have_text("on top of it")

    after = page.locator(f'tr[data-id="{row_id}"]').bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 2


def test_a_first_page_stays_a_page_and_its_next_one_misses_nothing(
    page: Page, shared_server: Server, many: object
) -> None:
    open_list(page, shared_server)
    last = titles(page)[-3:]
    for number in range(3):
        create(shared_server, f"newer {number}", start=False)
    expect(page.locator("[data-title]").first).to_have_text("newer 2")
    expect(page.locator("[data-rows] tr")).to_have_count(50)

    page.locator("[data-next]").click()

    expect(page.locator("[data-title]").first).to_have_text(last[0])
    assert titles(page)[:3] == last


def test_a_burst_of_changes_leaves_the_page_responsive(
    page: Page, site: Installation, server: Server
) -> None:
    open_list(page, server)
    page.evaluate(
        """() => {
          window.longest = 0;
          let last = performance.now();
          const frame = () => {
            const now = performance.now();
            window.longest = Math.max(window.longest, now - last);
            last = now;
            requestAnimationFrame(frame);
          };
          requestAnimationFrame(frame);
        }"""
    )
    code = (
        "from sessions_app import callers, services\n"
        "callers.become(callers.SYSTEM)\n"
        "for n in range(1500): services.create(f'burst {n}')"
    )
    assert site.manage("shell", "-v0", "-c", code).returncode == 0

    expect(page.locator(".chip.is-created [data-count]")).to_have_text("1500")
    expect(page.locator("[data-title]").first).to_have_text("burst 1499")
    expect(page.locator("[data-rows] tr")).to_have_count(50)
    assert page.evaluate("window.longest") < 1000 * slack()


def test_the_keyboard_suffices(page: Page, shared_server: Server, many: object) -> None:
    open_list(page, shared_server, "?q=numbered")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()

    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("numbered 3")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=numbered+3*")
    page.locator("[data-title]").first.focus()
    page.keyboard.press("Enter")

    expect(page.locator("h1")).to_have_text("numbered 39")


def test_a_phone_needs_no_sideways_scrolling(open_page: OpenPage, server: Server) -> None:
    create(server, NASTY, start=False, priority="high")
    create(server, "short", "--fail", "3", "--seconds", "0")
    phone = open_page(viewport=PHONE, has_touch=True, is_mobile=True)

    for path in ("", "?status=failed", "?q=nothing-like-it", "new", "sessions/unknown/"):
        phone.goto(f"{server.url}/{path}")
        no_sideways_scrolling(phone)


def test_on_a_phone_a_row_has_room_for_its_longest_words(
    open_page: OpenPage, shared_server: Server, many: object
) -> None:
    phone = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    open_list(phone, shared_server, "?status=failed")
    phone.evaluate(LONGEST)

    beyond = phone.evaluate(BEYOND)

    assert beyond == []


def test_a_task_is_text_and_nothing_else(page: Page, server: Server) -> None:
    create(server, NASTY, start=False)
    open_list(page, server)
    expect(page.locator("[data-title]").first).to_contain_text("<script>")

    create(server, NASTY + " live", start=False)
    expect(page.locator("[data-rows] tr")).to_have_count(2)

    expect(page.locator("[data-title]").first).to_contain_text("<img src=x onerror=")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script").count() == 0


def test_reading_and_filtering_need_no_scripts(
    open_page: OpenPage, shared_server: Server, many: object
) -> None:
    plain = open_page(java_script_enabled=False)
    plain.goto(f"{shared_server.url}/?q=numbered")
    assert len(titles(plain)) == 50
    plain.locator("a.chip.is-failed").click()
    assert len(titles(plain)) == 10
    expect(plain.locator("[data-summary]").first).to_have_text("stopped before it ran")
    expect(plain.locator("[data-ago]").first).to_contain_text("ago")
    plain.locator("[data-title]").first.click()
    expect(plain.locator("h1")).to_have_text("numbered 119")
