"""The output files on a session's page: a tree, previews that are inert, changes while it runs."""

import os
import re
import struct
import zlib

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PHONE, OpenPage
from tests.browser.support import (
    QUIET,
    create,
    ended,
    no_sideways_scrolling,
    open_session,
    until_status,
)
from tests.support import Installation, Server

NASTY = "<img src=x onerror=window.hacked=1>"
MARKDOWN = f"""# Report {NASTY}

<script>window.hacked=1</script> **bold** and `code` and <b>html</b>

[a link](javascript:window.hacked=1) ![a picture](http://example.com/x.png)

- one
  - nested
- [x] done

| name | value |
|------|-------|
| a    | **1** |

```html
<iframe src="javascript:window.hacked=1"></iframe>
```
"""
SVG = "<svg xmlns='http://www.w3.org/2000/svg' onload='window.hacked=1'><circle r='9'/></svg>"
#: What a page would fetch or run of a file's content.
ACTIVE = "[data-preview-body] :is(a, script, iframe, svg, object, embed, b, [onerror], [onload])"


def png(width: int, height: int) -> bytes:
    """A black picture."""

    def part(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(width)) * height)
    parts = part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.fixture(scope="module")
def full(shared_site: Installation, shared_server: Server) -> str:
    """A session that has ended and left files of all kinds."""
    session_id = ended(shared_server, "files", "--exit", "--files", "0")
    out = shared_site.output_dir(session_id)
    inner = out / "a dir" / "inner"
    inner.mkdir(parents=True)
    (inner / "50%?#.txt").write_text("deep\n")
    (out / f"{NASTY}.txt").write_text(f"{NASTY}\n\x1b[31mred\u202e\n")
    (out / "report.md").write_text(MARKDOWN)
    (out / "picture.png").write_bytes(png(40, 20))
    (out / "bomb.png").write_bytes(png(1, 1).replace(struct.pack(">II", 1, 1), b"\0\1\0\0" * 2))
    (out / "logo.svg").write_text(SVG)
    (out / "svg.png").write_text(SVG)
    (out / "data.bin").write_bytes(os.urandom(3000) + b"\0")
    (out / "long.txt").write_text("a line\n" * 100_000)
    (out / "empty.txt").touch()
    return session_id


def preview(page: Page, name: str) -> tuple[str, str]:
    """Click on a file; the note above its preview, and the preview's text."""
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.locator("[data-preview-name]")).to_have_text(re.compile(re.escape(name)))
    note = page.locator("[data-preview-note]")
    expect(note).not_to_have_text("Reading …")
    return note.text_content() or "", page.locator("[data-preview-body]").text_content() or ""


def test_files_of_all_kinds_are_previewed_and_none_does_anything(
    page: Page, shared_server: Server, full: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_session(page, shared_server, full)
    folder = page.locator("summary", has_text="a dir/")
    expect(folder).to_contain_text("1 file, 5 B")
    expect(page.locator("[data-outputs-count]")).to_contain_text("10, ")

    # text is text, with what a terminal would obey made visible
    assert preview(page, f"{NASTY}.txt")[1] == f"{NASTY}\n␛[31mred⟨U+202E⟩\n"
    assert preview(page, "50%?#.txt") == ("", "deep\n")
    note, text = preview(page, "long.txt")
    assert (note, len(text)) == ("The first 262 kB of 700 kB.", 256 * 1024)
    assert preview(page, "empty.txt") == ("It is empty.", "")
    note, text = preview(page, "data.bin")
    assert (text, note[:21]) == ("", "A binary file of 3.0 ")

    # pictures are pictures by what they begin with; SVG is text under any name
    assert preview(page, "picture.png")[0].startswith("40 × 20 pixels")
    picture = page.locator("[data-preview-body] img")
    assert picture.evaluate("async image => (await image.decode(), image.naturalWidth)") == 40
    assert "too large" in preview(page, "bomb.png")[0]
    expect(picture).to_have_count(0)
    for name in ("logo.svg", "svg.png"):
        assert preview(page, name)[1] == SVG
        expect(page.locator(ACTIVE)).to_have_count(0)

    # Markdown is drawn, and nothing of it can be followed
    text = preview(page, "report.md")[1]
    body = page.locator("[data-preview-body]")
    expect(body.locator("h4")).to_have_text(f"Report {NASTY}")
    assert "<script>window.hacked=1</script>" in text
    expect(body.locator("strong")).to_have_text(["bold", "1"])
    expect(body.locator("li li")).to_have_text("nested")
    expect(body.locator("td")).to_have_text(["a", "1"])
    expect(body.locator("pre code")).to_contain_text("<iframe")
    expect(body.locator(".link-like").first).to_have_text("a link javascript:window.hacked=1")
    expect(page.locator(f"{ACTIVE}, [data-preview-body] img")).to_have_count(0)
    page.get_by_role("button", name="Rendered").click()
    expect(body.locator("pre")).to_have_text(MARKDOWN, use_inner_text=False)

    assert page.evaluate("window.hacked") is None
    assert not [url for url in asked if not url.startswith((shared_server.url, "data:image/png"))]


def test_the_tree_and_the_preview_are_used_by_keyboard(
    page: Page, shared_server: Server, full: str
) -> None:
    open_session(page, shared_server, full)
    deep = page.get_by_role("link", name="50%?#.txt")
    folder = page.locator("summary", has_text="inner/")
    folder.focus()
    page.keyboard.press("Enter")
    expect(deep).to_be_hidden()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(deep).to_be_focused()

    page.keyboard.press("Enter")

    expect(page.locator("[data-preview-name]")).to_be_focused()
    expect(page.locator("[data-preview-body]")).to_have_text("deep")
    expect(deep).to_have_attribute("aria-current", "true")
    link = page.locator("[data-preview-download]").get_attribute("href")
    assert page.request.get(f"{shared_server.url}{link}").text() == "deep\n"
    page.locator("[data-preview-name]").focus()
    page.keyboard.press("Escape")
    expect(deep).to_be_focused()
    expect(page.locator("[data-preview]")).to_be_hidden()


def test_what_is_folded_before_the_files_are_known_stays_so(
    page: Page, shared_server: Server, full: str
) -> None:
    held: list[Route] = []
    files = re.compile(r"/outputs$")

    def hold(route: Route) -> None:
        held.append(route)

    page.route(files, hold)
    with page.expect_request(files):
        open_session(page, shared_server, full)
    folder = page.locator("summary", has_text="inner/")
    folder.focus()
    page.keyboard.press("Enter")
    deep = page.get_by_role("link", name="50%?#.txt")
    expect(deep).to_be_hidden()
    page.evaluate("document.querySelector('[data-outputs] .tree').dataset.old = ''")

    for route in held:
        route.continue_()

    expect(page.locator("[data-outputs] .tree[data-old]")).to_have_count(0)
    expect(folder).to_be_focused()
    expect(deep).to_be_hidden()
    page.keyboard.press("Enter")
    expect(deep).to_be_visible()


def test_what_changes_while_it_runs_is_marked(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server, "changes", *QUIET, "--files", "0")
    until_status(shared_server, session_id, "running")
    out = shared_site.output_dir(session_id)
    (out / "src").mkdir()
    (out / "src" / "old.txt").write_text("before")
    page.clock.install()
    open_session(page, shared_server, session_id)
    assert preview(page, "old.txt")[1] == "before"
    page.locator("summary", has_text="src/").click()
    page.locator("summary", has_text="src/").click()
    page.get_by_role("link", name="old.txt").focus()

    (out / "src" / "old.txt").write_text("after that")
    (out / "new.txt").write_text("x")
    page.clock.run_for(5100)

    expect(page.locator(".file", has_text="new.txt").locator(".file-mark")).to_have_text("new")
    expect(page.locator(".file", has_text="old.txt").locator(".file-mark")).to_have_text("changed")
    expect(page.locator("summary", has_text="src/")).to_contain_text("1 new or changed")
    expect(page.locator("[data-preview-body]")).to_have_text("after that")
    expect(page.get_by_role("link", name="old.txt")).to_be_focused()
    (out / "src" / "old.txt").unlink()
    page.clock.run_for(5100)
    expect(page.locator("[data-preview-note]")).to_have_text("This file is not there any more.")
    shared_server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})


def test_thousands_of_files_are_folded_and_cut(
    page: Page, shared_site: Installation, shared_server: Server
) -> None:
    session_id = ended(shared_server, "many", "--exit", "--files", "0")
    out = shared_site.output_dir(session_id)
    for folder in ("a", "b"):
        (out / folder).mkdir()
        for number in range(2600):
            (out / folder / f"{number:04}.txt").touch()
    open_session(page, shared_server, session_id)

    expect(page.locator("[data-outputs-note]")).to_contain_text("200 more are not shown")
    expect(page.locator("[data-outputs-count]")).to_have_text("5200, 0 B")
    expect(page.locator("[data-file]")).to_have_count(0)  # drawn when they are looked at
    page.locator("summary", has_text="b/").click()
    expect(page.locator("[data-file]")).to_have_count(2400)
    assert page.locator("[data-outputs]").evaluate("e => e.clientHeight") < 450


def test_without_scripts_the_files_are_links_in_a_tree(
    open_page: OpenPage, shared_server: Server, full: str
) -> None:
    plain = open_page(java_script_enabled=False, viewport=PHONE)
    plain.goto(f"{shared_server.url}/sessions/{full}/")

    expect(plain.locator("[data-file]")).to_have_count(10)
    expect(plain.locator("summary", has_text="a dir/")).to_contain_text("1 file, 5 B")
    link = plain.get_by_role("link", name="50%?#.txt")
    expect(link).to_be_visible()
    assert plain.request.get(shared_server.url + str(link.get_attribute("href"))).text() == "deep\n"
    expect(plain.locator("[data-preview]")).to_be_hidden()
    no_sideways_scrolling(plain)


def test_on_a_phone_a_preview_fits(open_page: OpenPage, shared_server: Server, full: str) -> None:
    phone = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    open_session(phone, shared_server, full)

    for name in ("long.txt", "report.md", "picture.png", f"{NASTY}.txt"):
        preview(phone, name)
        no_sideways_scrolling(phone)
        expect(phone.locator("[data-preview-name]")).to_be_in_viewport()
