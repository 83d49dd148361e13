"""Signing in and out, roles, owners and tokens, as the dashboard shows them."""

import re

from playwright.sync_api import Dialog, expect

from tests.browser.conftest import OpenPage, on_each_device
from tests.browser.people import (
    SECRET,
    Comes,
    created_by,
    says,
    sign_in,
    sign_out,
)
from tests.browser.support import (
    create,
    live,
    open_list,
    open_session,
    press,
)
from tests.support import Installation, Server, eventually


def test_who_comes_by_a_link_chooses_a_password_and_comes_by_it(
    comes: Comes, shared_server: Server
) -> None:
    page = comes("anna")
    assert page.url == f"{shared_server.url}/"
    expect(page.get_by_text("choose a password")).to_be_visible()
    page.goto(f"{shared_server.url}/account")
    first = page.get_by_label("New password", exact=True)
    second = page.get_by_label("New password, once more")
    expect(first).to_have_attribute("autocomplete", "new-password")
    assert "At least 12 characters" in says(page, first)

    first.fill("anna")
    second.fill("another")
    page.get_by_role("button", name="Save password").click()
    expect(first).to_be_focused()
    expect(first).to_have_attribute("aria-invalid", "true")
    assert "too short" in says(page, first)
    assert "not the same" in says(page, second)
    page.goto(page.url)  # the address where the mistakes were told
    assert page.url == f"{shared_server.url}/account"
    first.fill(SECRET)
    second.fill(SECRET)
    page.get_by_role("button", name="Save password").click()
    expect(page.get_by_role("status").first).to_contain_text("Your password was changed")
    expect(page.get_by_label("Present password")).to_have_attribute(
        "autocomplete", "current-password"
    )
    sign_out(page)
    expect(page.get_by_role("status").first).to_have_text("You are signed out.")

    page.goto(f"{shared_server.url}/login?key=used")
    expect(page.get_by_role("alert")).to_contain_text("already used")
    expect(page.get_by_text("hive link --user NAME")).to_be_visible()
    for _ in range(6):
        sign_in(page, "somebody", "")
    expect(page.get_by_role("alert")).to_contain_text("Too many attempts; try again in")
    expect(page.get_by_label("Name")).to_have_value("somebody")
    page.goto(f"{shared_server.url}/?q=wanted")
    name, password = page.get_by_label("Name"), page.get_by_label("Password")
    expect(name).to_be_focused()
    expect(name).to_have_attribute("autocomplete", "username")
    expect(password).to_have_attribute("autocomplete", "current-password")
    sign_in(page, "anna", "wrong horse battery")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong")
    expect(name).to_have_value("anna")
    expect(password).to_be_focused()
    expect(password).to_have_attribute("aria-invalid", "true")
    assert "wrong" in says(page, password)
    sign_in(page, "anna", SECRET)
    live(page)
    assert page.url == f"{shared_server.url}/?q=wanted"
    expect(page.locator("[data-menu] summary")).to_contain_text("anna")


def test_signing_out_in_one_tab_is_told_in_another(comes: Comes, shared_server: Server) -> None:
    tab = comes("dora")
    session_id = created_by(tab, shared_server, "left open")
    other = tab.context.new_page()
    open_session(other, shared_server, session_id)
    tries: list[str] = []

    sign_out(tab)

    expect(other.locator("[data-lost]")).to_contain_text("You are signed out")
    expect(other.locator("html")).to_have_attribute("data-connection", "out")
    other.on("websocket", lambda socket: tries.append(socket.url))
    other.get_by_role("button", name="Start", exact=True).click()
    expect(other.locator("[data-toasts]")).to_contain_text("Nothing was changed")
    other.wait_for_timeout(1000)  # a lost connection would have been tried again
    assert not tries
    other.locator("[data-lost]").get_by_role("link", name="Sign in").click()
    sign_in(other, "dora", SECRET)
    live(other)
    assert other.url == f"{shared_server.url}/sessions/{session_id}/"


def test_an_identity_that_ended_while_the_line_was_down_is_noticed(
    comes: Comes, shared_server: Server
) -> None:
    page = comes("dora")
    page.add_init_script(
        "window.Plain = WebSocket; window.lines = [];"
        "window.WebSocket = class extends Plain { constructor(url) { super(url);"
        " lines.push(this); } }; "
    )
    open_list(page, shared_server)
    page.context.clear_cookies()

    page.evaluate("lines[0].close()")

    expect(page.locator("[data-lost]")).to_contain_text("You are signed out")


@on_each_device
def test_a_token_is_shown_once_and_not_lost_by_leaving(
    comes: Comes, shared_server: Server, device: str
) -> None:
    page = comes("carla", permissions=["clipboard-read", "clipboard-write"])
    laptop = f"laptop-{device}"
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.goto(f"{shared_server.url}/account")
    name = page.locator("#token_name")
    name.fill("not a name")
    press(page.get_by_role("button", name="Create token"))
    expect(name).to_be_focused()
    assert "letters, digits, dots and dashes" in says(page, name)

    name.fill(laptop)
    press(page.get_by_role("button", name="Create token"))
    expect(page.get_by_role("heading", name=f"Copy the token “{laptop}” now")).to_be_focused()
    text = page.locator("[data-token]").inner_text()
    assert re.fullmatch(r"hivetok_[\w-]{51}", text)
    name.fill("another")
    leaving = [
        page.get_by_role("button", name="Create token"),
        page.get_by_role("link", name="Sessions").first,
    ]
    for way in leaving:
        with page.expect_event("dialog"):
            press(way)
        expect(leaving[0]).to_be_enabled()
    assert asked == ["beforeunload"] * 2
    expect(page.locator("[data-token]")).to_have_text(text)

    press(page.locator(".made [data-copy]"))
    expect(page.locator(".made [data-copy]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == text
    bearer = {"Authorization": f"Bearer {text}"}
    assert shared_server.request("GET", "/api/v1/queue", headers=bearer)[0] == 200
    page.goto(f"{shared_server.url}/account")
    assert len(asked) == 2, "it was copied"
    assert text not in page.content()
    page.locator("#token_name").fill(f"put-away-{device}")
    press(page.get_by_role("button", name="Create token"))
    press(page.get_by_role("button", name="I have stored it"))
    expect(page.locator("[data-token]")).to_be_hidden()
    expect(page.locator("[data-once-over]")).to_be_focused()
    page.goto(f"{shared_server.url}/account")
    assert len(asked) == 2, "it was stored"

    token = page.locator(".token", has_text=laptop)
    expect(token).to_contain_text("valid")
    expect(token).to_contain_text("operator")
    expect(token.locator("[data-exact]")).to_have_attribute("title", re.compile("20"))
    press(token.get_by_role("button", name=f"Revoke… {laptop}"))
    press(page.get_by_role("button", name="Keep it"))
    expect(page.get_by_role("dialog")).to_be_hidden()
    press(token.get_by_role("button", name=f"Revoke… {laptop}"))
    expect(page.get_by_role("dialog")).to_contain_text("cannot be taken back")
    press(page.get_by_role("button", name="Revoke it"))
    expect(page.get_by_role("status").first).to_have_text(f"The token {laptop} is revoked.")
    press(page.get_by_text(re.compile("[12] revoked or expired")))
    expect(token).to_contain_text("revoked")
    expect(token.get_by_role("button")).to_have_count(0)
    eventually(
        lambda: shared_server.request("GET", "/api/v1/queue", headers=bearer)[0] == 401,
        "it to be refused",
    )


def test_a_viewer_is_offered_nothing_that_would_be_refused(
    comes: Comes, open_page: OpenPage, shared_server: Server
) -> None:
    session_id = create(shared_server, "of somebody else", start=False)
    page = comes("vera")
    open_list(page, shared_server)
    expect(page.locator("[data-hold=sample]")).to_be_visible()
    assert page.locator("[data-action=lift], [data-new], a[href='/new']").count() == 0
    template = "document.querySelector('[data-hold-template]').content.querySelector('form')"
    assert page.evaluate(template) is None
    open_session(page, shared_server, session_id)
    # but the list of what there is, which says why not
    buttons = page.locator("[data-actions] button:not([popovertarget]), [data-change] button")
    shared_server.request("POST", f"/api/v1/sessions/{session_id}/stop", {})
    expect(page.locator("[data-badge]")).to_have_text("failed")
    for button in buttons.all():
        expect(button).to_be_hidden()

    answer = page.goto(f"{shared_server.url}/new")

    assert answer is not None
    assert answer.status == 403
    expect(page.locator("main")).to_contain_text("takes the role operator")
    expect(page.locator("main")).to_contain_text("You are here as vera")
    administrator = open_page()
    open_list(administrator, shared_server)
    expect(administrator.get_by_role("button", name="Lift the hold of sample")).to_be_visible()
    open_session(administrator, shared_server, session_id)
    expect(administrator.get_by_role("button", name="Retry")).to_be_visible()


def test_a_role_that_is_taken_back_is_told_kindly(
    comes: Comes, shared_site: Installation, shared_server: Server
) -> None:
    page = comes("bert")
    session_id = created_by(page, shared_server, "still mine")
    open_session(page, shared_server, session_id)
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()

    assert shared_site.hive("user", "role", "bert", "--role", "viewer").returncode == 0

    expect(page.locator("[data-lost]")).to_contain_text("What you may do here has changed")
    expect(page.locator("html")).to_have_attribute("data-connection", "live")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_hidden()
    page.evaluate("document.querySelector('[data-action=start]').hidden = false")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("[data-toasts]")).to_contain_text("You may not do this (any more)")
    page.get_by_role("link", name="Reload the page").click()
    live(page)
    expect(page.locator("[data-new]")).to_have_count(0)


def test_owners_are_shown_and_can_be_filtered_by(comes: Comes, shared_server: Server) -> None:
    page = comes("anna")
    other = page.context.new_page()
    page.goto(f"{shared_server.url}/?q=owned")
    page.locator("select[name=owner]").select_option("mine")
    page.get_by_role("button", name="Filter").click()
    live(page)
    assert {"q=owned", "owner=me"} <= set(page.url.partition("?")[2].split("&"))
    open_list(other, shared_server, "?q=owned")

    create(shared_server, "owned by a program", start=False)
    mine = created_by(page, shared_server, "owned by anna")

    titles, owners = "[data-rows] [data-title]", "[data-rows] [data-owner]"
    expect(other.locator(titles)).to_have_text(["owned by anna", "owned by a program"])
    expect(other.locator(owners)).to_have_text(["anna", "token:HIVE_TOKEN"])
    expect(page.locator(titles)).to_have_text(["owned by anna"])
    other.reload()
    other.locator("select[name=owner]").select_option("token:HIVE_TOKEN")
    other.get_by_role("button", name="Filter").click()
    expect(other.locator(titles)).to_have_text(["owned by a program"])
    open_session(page, shared_server, mine)
    expect(page.locator("[data-events]")).to_contain_text("Created by anna")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.locator("[data-events]")).to_contain_text("Pinned by anna: kept by every cleanup")
    page.locator(".facts").get_by_role("link", name="anna").click()
    expect(page.locator("select[name=owner]")).to_have_value("me")


def test_the_account_needs_no_scripts(comes: Comes, shared_server: Server) -> None:
    page = comes("carla", java_script_enabled=False)
    page.goto(f"{shared_server.url}/account")
    page.locator("#token_name").fill("by-hand")
    page.get_by_role("button", name="Create token").click()
    expect(page.locator("[data-token]")).to_contain_text("hivetok_")
    page.get_by_role("button", name="Revoke… by-hand").click()
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_role("status").first).to_have_text("The token by-hand is revoked.")
    sign_out(page)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
