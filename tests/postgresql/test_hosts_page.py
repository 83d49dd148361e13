"""The page of the hosts: what it shows of each, as it changes, and draining one."""

import re

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Page, expect

from sessions_app import callers
from sessions_app.callers import Caller, Role, Via
from sessions_app.cluster import nodes
from sessions_app.conf import Conf
from tests.browser.conftest import browser, device, open_page, page
from tests.browser.support import create, live, no_sideways_scrolling, until_status
from tests.browser.test_accessibility import examine
from tests.integration.api_client import fetch
from tests.postgresql.apart import Apart
from tests.support import Installation, eventually

__all__ = ["browser", "device", "open_page", "page"]  # fixtures
OTHERS = """INSERT INTO sessions_app_node (name, instance, boot_id, version, address, slots, memory,
 pools, lease, heartbeat, since, obstacle, draining, lost_at) VALUES
 ('busy-2', 'b', 'b', '0.1.0', 'http://10.0.0.6:8765', 40, 64000000000, '["gpu", "busy-2"]',
  3600, now(), now(), 'memory is low: 300 MB free, 1.0 GB wanted', false, NULL),
 ('gone-3', 'c', 'c', '0.1.0', '', 8, 16000000000, '["default", "gone-3"]',
  60, now() - interval '2 hours', now(), '', false, now())"""


def test_hosts_are_shown_as_they_are_and_drained(page: Page, site: Installation) -> None:
    site.env["HIVE_NODE"], site.env["HIVE_SLOTS"] = "here-1", "8"
    apart = Apart(site)
    web = apart.web()
    apart.spawner()
    site.sql(OTHERS)
    page.goto(f"{web.url}/")
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Hosts").click()
    live(page)
    here, busy, gone = (
        page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))
        for name in ("here-1", "busy-2", "gone-3")
    )
    # given three hosts: each says how it does
    expect(here).to_contain_text(
        re.compile("active.*0 of 8 taken.*8 free.*GB free.*on [0-9]+", re.DOTALL)
    )
    expect(busy).to_contain_text("starts nothing now: memory is low")
    expect(busy.get_by_role("link", name="gpu")).to_have_attribute("href", "/?pool=gpu")
    expect(gone.locator(".host-state")).to_have_text("lost")
    expect(gone.locator("time")).to_have_text("2 h ago")
    expect(page.locator(".hosts-sum")).to_have_text("2 of 3 are up; 8 of 48 slots free.")
    # when a session runs there, the page says so by itself, and leads to it
    session_id = create(web, "Count the bees", "--lines", "1", "--hang", "--seconds", "600")
    until_status(web, session_id, "running")
    running = here.get_by_role("link", name="1 running")
    expect(running).to_have_attribute("href", "/?node=here-1&status=running")
    # when one is about to be drained, it is told what that means
    here.get_by_role("button", name="Drain…").click()
    question = page.get_by_role("dialog", name="Drain the host here-1?")
    expect(question).to_contain_text("What runs there goes on to its end (1 now)")
    examine(page)
    no_sideways_scrolling(page)
    question.get_by_role("button", name="Drain it").click()
    # then it is, and taken back as easily
    expect(page.get_by_role("status").filter(has_text="takes no further")).to_be_visible()
    expect(here.locator(".host-state")).to_have_text("draining")
    here.get_by_role("button", name="Uncordon").click()
    expect(here.locator(".host-state")).to_have_text("active")
    # and the link leads to what runs there, which says where it is
    running.click()
    page.get_by_role("row").filter(has_text="Count the bees").get_by_role("link").click()
    expect(page.locator("[data-fact=node]")).to_have_text("here-1")
    assert site.sql("SELECT draining FROM sessions_app_node WHERE name = 'here-1'") == [(False,)]


@pytest.mark.django_db
def test_only_administrators_get_buttons_and_addresses(conf: Conf, client: Client) -> None:
    nodes.arrive(conf)
    with connection.cursor() as cursor:
        cursor.execute(OTHERS)
    shown = client.get("/hosts").content.decode()
    assert 'action="/hosts/drain"' in shown
    assert "http://10.0.0.6:8765" in shown

    with callers.acting(Caller("emil", Role.OPERATOR, Via.TOKEN)):
        shown = client.get("/hosts").content.decode()
        assert "busy-2" in shown
        assert "/hosts/drain" not in shown
        assert "/hosts/forget" not in shown
        assert "10.0.0.6" not in shown
        client.post("/hosts/drain", {"name": "busy-2"})
        client.post("/hosts/forget", {"name": "gone-3"})
    told = {node["name"]: node["draining"] for node in nodes.everybody()}
    assert told["busy-2"] is False
    assert told["gone-3"] is False


@pytest.mark.django_db
def test_a_host_that_is_gone_is_forgotten_by_a_button(conf: Conf, client: Client) -> None:
    nodes.arrive(conf)
    with connection.cursor() as cursor:
        cursor.execute(OTHERS)
    # only of one that is gone, and after a question
    shown = client.get("/hosts").content.decode()
    assert re.findall(r"Forget the host ([^?]*)\?", shown) == ["gone-3"]
    client.post("/hosts/forget", {"name": "busy-2"})
    assert "busy-2" in client.get("/hosts").content.decode()
    client.post("/hosts/forget", {"name": "gone-3"})
    shown = client.get("/hosts").content.decode()
    assert "The host gone-3 is forgotten; 0 sessions of it stay listed." in shown
    assert {node["name"] for node in nodes.everybody()} == {"busy-2", conf.cluster.node}
    # one that was switched off with nothing to run is no alarm
    nodes.depart(conf)
    assert 'class="is-left"' in client.get("/hosts").content.decode()


def test_a_server_of_pages_only_tells_of_the_hosts(site: Installation) -> None:
    web = Apart(site).web()
    site.sql(OTHERS)
    for pool in ("gpu", "gpu", "nobody"):
        body = {"task": "x", "pool": pool, "start": True}
        assert web.request("POST", "/api/v1/sessions", body)[0] == 201
    # given one host that is up and one that is lost
    found = web.request("GET", "/api/v1/overview")[1]
    assert found["hosts"] == {"active": 1, "draining": 0, "lost": 1, "left": 0}
    assert found["queue"]["pools"] == [
        {"pool": "gpu", "waiting": 2},
        {"pool": "nobody", "waiting": 1},
    ]
    assert found["spawner"]["working"]
    assert [item["kind"] for item in found["attention"]] == ["host"]
    page = fetch(web, "GET", "/overview").body.decode()
    assert "1 active, 1 lost" in page
    assert "/?status=starting&amp;pool=gpu" in page
    told = fetch(web, "GET", "/metrics").body.decode()
    for line in (
        "hive_spawner_up 0.0",
        'hive_nodes{state="active"} 1.0',
        'hive_nodes{state="lost"} 1.0',
        'hive_pool_waiting{pool="gpu"} 2.0',
        "hive_sessions_unserved 1.0",
    ):
        assert f"\n{line}\n" in told, line
    # when the lost one is known to be gone for good, nobody is to look after it
    assert web.request("POST", "/api/v1/nodes/gone-3/drain")[0] == 200
    eventually(
        lambda: web.request("GET", "/api/v1/overview")[1]["hosts"]["left"] == 1, "it to have left"
    )
    found = web.request("GET", "/api/v1/nodes")[1]["nodes"]
    assert [node["state"] for node in found] == ["active", "left"]
    assert web.request("POST", "/api/v1/nodes/busy-2/forget")[0] == 409
    status, forgotten = web.request("POST", "/api/v1/nodes/gone-3/forget")
    assert (status, forgotten["sessions"]) == (200, 0)
    assert len(web.request("GET", "/api/v1/nodes")[1]["nodes"]) == 1


def test_the_form_asks_for_a_pool_and_so_do_its_commands(page: Page, site: Installation) -> None:
    web = Apart(site).web()
    site.sql(OTHERS)
    page.goto(f"{web.url}/new")
    page.get_by_label("Task").fill("a task")
    page.get_by_text("Hosts", exact=True).last.click()
    expect(page.locator("#pools option")).to_have_count(2)  # none of the one that is lost
    page.get_by_label("Pool").fill("gpu")
    page.get_by_label("When the host that runs it is lost").select_option("retry")
    page.get_by_label("Do not start yet").check()
    command = page.locator("[data-command]")
    expect(command).to_contain_text('"pool": "gpu",\n  "on_lost": "retry"')
    page.get_by_text("manage.py", exact=True).click()
    expect(command).to_contain_text("--pool gpu --on-lost retry -- 'a task'")
    page.get_by_role("button", name="Create session").click()
    # then its page says so, and the same again is asked for in the same way
    expect(page.locator(".facts").get_by_role("link", name="gpu")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("try again on another one")
    page.goto(page.url.replace("/sessions/", "/new?like=").rstrip("/"))
    expect(page.get_by_label("Pool")).to_have_value("gpu")
    expect(page.get_by_label("When the host that runs it is lost")).to_have_value("retry")
