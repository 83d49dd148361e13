"""A run reports its own outcome with the token in its environment, and can do nothing else."""

import json
import pwd
from pathlib import Path

from tests.integration.acting import acting, begin, said
from tests.integration.looking import ended, get, running
from tests.support import SCRIPT, Installation, Server


def run_token(site: Installation, server: Server, session_id: str) -> str:
    """The token that a session's run was given."""
    running(server, session_id)
    said(site, session_id, "HIVE_MIND_TOKEN=hiverun_")
    line = site.log(session_id).read_text().splitlines()[0]
    return line.removeprefix("HIVE_MIND_TOKEN=")


def report(server: Server, session_id: str, token: str, status: str = "completed") -> int:
    """Report an outcome with a token; returns the HTTP status."""
    path = f"/api/v1/sessions/{session_id}/report"
    headers = {"Authorization": f"Bearer {token}"}
    return server.request("POST", path, {"status": status}, headers)[0]


def test_a_runs_token_is_good_for_its_own_report_and_nothing_else(site: Installation) -> None:
    server = acting(site).up()
    body = {"task": "x", "args": ["env", "HIVE_MIND_TOKEN", "sleep", "100"], "start": True}

    def make() -> str:
        made = server.request("POST", "/api/v1/sessions", body)[1]
        return str(made["session_id"])

    def look(session_id: str) -> dict[str, object]:
        answer = server.request("GET", f"/api/v1/sessions/{session_id}", None)
        return dict(answer[1])

    mine, other = make(), make()
    said(site, mine, "HIVE_MIND_TOKEN=hiverun_")
    token = site.log(mine).read_text().splitlines()[0].removeprefix("HIVE_MIND_TOKEN=")
    headers = {"Authorization": f"Bearer {token}"}

    refused = [
        server.request(method, path, None, headers)[0]
        for method, path in [
            ("GET", f"/api/v1/sessions/{mine}"),
            ("GET", "/api/v1/sessions"),
            ("POST", f"/api/v1/sessions/{mine}/stop"),
            ("POST", f"/api/v1/sessions/{other}/report"),
            ("GET", "/"),
            ("DELETE", "/api/v1/holds/claude-flow"),
        ]
    ]
    assert refused == [403] * 6
    assert report(server, mine, token[:-1] + ("0" if token[-1] != "0" else "1")) == 401
    assert report(server, mine, "hiverun_nonsense") == 401
    assert look(other)["status"] in ("starting", "running")

    assert report(server, mine, token) == 202
    assert report(server, mine, token) == 202
    assert report(server, mine, token, "failed") == 409
    while (session := look(mine))["status"] != "completed":
        assert session["status"] == "running"
    assert session["reason"] == "reported"


def test_the_script_reports_from_inside_a_run(site: Installation) -> None:
    server = acting(site).up()
    command = json.dumps(["sh", "-c", f'"{SCRIPT}" update-status "$HIVE_MIND_SESSION_ID" failed'])

    session = ended(server, begin(server, "run", command, "sleep", "100"))

    assert (session["status"], session["reason"]) == ("failed", "reported")


def test_a_run_of_another_user_reports_without_reaching_our_socket(site: Installation) -> None:
    """As in the container: the server is root, the run is not and cannot enter our directories."""
    base = site.base
    while base not in (Path("/tmp"), Path("/")):  # pytest's own directories are root's alone
        base.chmod(0o755)
        base = base.parent
    report_it = (
        'id -u; curl -s -w "%{http_code}\\n" -o /dev/null -d "{\\"status\\": \\"completed\\"}" '
        '-H "Authorization: Bearer $HIVE_MIND_TOKEN" '
        '"$HIVE_MIND_API/sessions/$HIVE_MIND_SESSION_ID/report"; exec sleep 100'
    )
    site.env.update(HIVE_RUN_AS="nobody", HIVE_COMMAND=json.dumps(["sh", "-c", report_it]))
    server = site.up()

    session_id = begin(server)

    session = ended(server, session_id)
    assert (session["status"], session["reason"]) == ("completed", "reported")
    uid = pwd.getpwnam("nobody").pw_uid
    # The report stops the run, perhaps before curl has printed what became of it.
    assert site.log(session_id).read_text().split()[0] == str(uid)


def test_a_report_without_a_server_is_written_down_where_the_user_may(site: Installation) -> None:
    server = acting(site).up()
    session_id = begin(server, "env", "HIVE_MIND_TOKEN", "sleep", "100")
    token = run_token(site, server, session_id)
    server.kill()
    site.env.update(HIVE_MIND_TOKEN=token, HIVE_MIND_API=f"{server.url}/api/v1")

    done = site.script("update-status", session_id, "completed")

    assert done.returncode == 0, done.stderr  # our own user: the database itself is there
    site.env.pop("HIVE_MIND_TOKEN")
    server = site.up()
    assert ended(server, session_id)["reason"] == "reported"
    assert get(server, session_id)["status"] == "completed"
