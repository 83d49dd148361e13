"""People with roles who sign in, and what a reader gets of a page: words and contrast."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page

from tests.support import Server

SECRET = "correct horse battery"
LONG = "bartholomew.featherstonehaugh-of-the-night-shift"
#: Users of each role, some with a password, and links for those who come by one; a held profile.
PEOPLE = f"""
import json, uuid
from datetime import UTC, datetime, timedelta
from sessions_app import access, accounts, admission, callers
from sessions_app.callers import Role
callers.become(callers.SYSTEM)
links = {{}}
for name, role in (
    ("anna", "operator"), ("bert", "operator"), ("carla", "operator"), ("dora", "operator"),
    ("vera", "viewer"), ({LONG!r}, "operator"),
):
    user = accounts.create(name, Role(role))
    if name == "dora":
        user.set_password({SECRET!r})
        user.save()
    links[name] = [access.make_link(user) for _ in range(4)]
until = datetime.now(UTC) + timedelta(hours=1)
admission.hold("sample", until, "said so", uuid.uuid4())
print(json.dumps(links))
"""

#: Opens a page, at a phone's width if asked, in which somebody is signed in by a link.
Comes = Callable[..., Page]


def created_by(page: Page, server: Server, task: str) -> str:
    """The id of a session that whoever is signed in there creates."""
    answer = page.request.post(
        f"{server.url}/api/v1/sessions",
        data={"task": task, "profile": "sample"},
        headers={"Origin": server.url},
    )
    assert answer.status == 201, answer.text()
    return str(answer.json()["session_id"])


def sign_in(page: Page, name: str, password: str) -> None:
    """Fill in the form."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    """By the menu below one's name."""
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Sign out").click()


def says(page: Page, field: Locator) -> str:
    """What a screen reader reads as the description of a field."""
    ids = (field.get_attribute("aria-describedby") or "").split()
    return " ".join(page.locator(f"#{item}").inner_text() for item in ids)


#: The worst contrast of a page's texts with what is behind them, and its text.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => rgb(colour).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgb(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) =>
    element.checkVisibility() &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((element) => {
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.textContent.trim()];
  }).toSorted((a, b) => a[0] - b[0])[0];
}"""
UNLABELLED = """() => [...document.querySelectorAll("input, select, textarea")]
  .filter((field) => field.type !== "hidden" && !field.hidden && !field.labels.length
    && !field.ariaLabel)
  .map((field) => field.name)"""
