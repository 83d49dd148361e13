"""Files for several hosts (compose, systemd, Kubernetes) agree with the code and the documentation.

No test runs an engine: what can be wrong without one is looked for.
"""

import configparser
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hiveweb import cluster_settings
from hiveweb.env import SYSTEM_ENV_FILE, Env, read_env_file
from sessions_app import manual
from tests.support import ROOT
from tests.unit.test_container_files import environment

DEPLOY = ROOT / "deploy"
SCALING = (ROOT / "docs" / "scaling.md").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
ROLES = set(re.findall(r"^    (\w+)\) set --", (DEPLOY / "container/run.sh").read_text(), re.M))
SETTINGS = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.M))
OURS = {name: part for name, part in COMPOSE["services"].items() if "hiveweb" in part["image"]}
SPAWNERS = {name: part for name, part in OURS.items() if name.startswith("spawner")}
#: What is not a setting of ours, but passed on to sessions.
PASSED_ON = {"ANTHROPIC_API_KEY"}
SECRET = re.compile(r"password|secret|token|key|DATABASE_URL|REDIS_URL", re.IGNORECASE)
UNITS = {"spawner": DEPLOY / "hiveweb-spawner.service", "web": DEPLOY / "hiveweb-web.service"}


def is_command_of_ours(words: list[str]) -> bool:
    """``manage.py hive VERB``, of a verb that there is."""
    position = words.index("manage.py")
    return words[position + 1] == "hive" and words[position + 2] in manual.SUMMARIES


# --- compose ------------------------------------------------------------------------------------


def test_compose_has_two_servers_two_web_servers_and_three_spawners() -> None:
    roles = [tuple(part.get("command", ["migrate"])) for part in OURS.values()]
    assert sorted(roles) == sorted([("migrate",), *[("web",)] * 2, *[("spawner",)] * 3])
    assert {"postgres", "redis"} == set(COMPOSE["services"]) - set(OURS)
    for part in OURS.values():
        assert set(part.get("command", [])) <= ROLES
        assert (DEPLOY / part["build"]["context"]).resolve() == ROOT
    assert is_command_of_ours(OURS["migrate"]["entrypoint"])


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_a_service_of_compose_refers_to_what_is_there(name: str) -> None:
    part = COMPOSE["services"][name]
    assert part["image"].partition(":")[2] not in ("", "latest")
    for volume in part.get("volumes", []):
        source, target = volume.split(":")
        assert source in COMPOSE["volumes"]
        assert target.startswith("/")
    for needed, how in part.get("depends_on", {}).items():
        condition = how["condition"].removeprefix("service_")
        assert condition == "healthy" or needed == "migrate"
        assert needed == "migrate" or COMPOSE["services"][needed]["healthcheck"]["test"]
    for secret in part.get("secrets", []):
        assert (secret if isinstance(secret, str) else secret["source"]) in COMPOSE["secrets"]
    assert set(part["networks"]) <= set(COMPOSE["networks"])
    assert set(part.get("environment", {})) <= SETTINGS | PASSED_ON | {
        "POSTGRES_USER",
        "POSTGRES_DB",
        "POSTGRES_PASSWORD_FILE",
    }
    assert name == "migrate" or {"test", "interval", "timeout", "retries"} <= set(
        part["healthcheck"]
    )


def test_nothing_is_open_by_default() -> None:
    ports = [port for part in COMPOSE["services"].values() for port in part.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for server in ("postgres", "redis"):
        assert COMPOSE["services"][server]["networks"] == ["inside"]
        assert f"{server}_password" in COMPOSE["services"][server]["secrets"]
    # and no secret stands in a file: without those that one makes nothing starts
    for secret in COMPOSE["secrets"].values():
        assert not (DEPLOY / secret["file"]).exists()
    values = [
        value
        for part in COMPOSE["services"].values()
        for key, value in part.get("environment", {}).items()
        if SECRET.search(key)
    ]
    assert {value for value in values if value is not None} <= {"/run/secrets/postgres_password"}


def test_each_spawner_has_a_name_and_records_of_its_own_and_all_have_one_workspace() -> None:
    names = [part["environment"]["HIVE_NODE"] for part in SPAWNERS.values()]
    assert sorted(names) == sorted(SPAWNERS)
    ours = environment()
    places = [dict(reversed(v.split(":")) for v in p["volumes"]) for p in SPAWNERS.values()]
    assert len({place[ours["HIVE_STATE_DIR"]] for place in places}) == len(SPAWNERS)
    for setting in ("HIVE_WORKSPACE", "HIVE_LOG_DIR"):
        shared = {place[ours[setting]] for place in places}
        assert len(shared) == 1
        for part in OURS.values():
            assert f"{shared.copy().pop()}:{ours[setting]}" in part["volumes"]


def test_other_hosts_reach_each_spawner_and_believe_each_other() -> None:
    example = read_env_file(str(DEPLOY / "hive.env.example"))
    for name, part in SPAWNERS.items():
        given = {key: value for key, value in part["environment"].items() if value is not None}
        told = cluster_settings.read(Env(str(ROOT), {**example, **given, "HIVE_ENV_FILE": ""}))
        assert told.internal_host == "0.0.0.0"
        assert told.address == f"http://{name}:{told.internal_port}"
        assert told.node == name
    # each web server has a name that stays, too, and no container has a key of its own
    nodes = [part["environment"]["HIVE_NODE"] for part in OURS.values() if "environment" in part]
    assert sorted(nodes) == sorted(set(OURS) - {"migrate"})
    for part in OURS.values():
        assert "HIVE_SECRET_KEY" not in part.get("environment", {})
        assert part["secrets"] == OURS["web-1"]["secrets"]


def test_the_example_of_the_settings_is_what_the_image_has_and_what_all_share() -> None:
    example = read_env_file(str(DEPLOY / "hive.env.example"))
    assert set(example) <= SETTINGS
    image = {name: value for name, value in environment().items() if name.startswith("HIVE_")}
    assert example.items() >= image.items()
    assert {"DATABASE_URL", "REDIS_URL", "HIVE_SECRET_KEY"} <= set(example)
    assert example["HIVE_SHARED_STORAGE"] == "1", "the volumes of the workspace and logs are"
    (secret,) = OURS["web-1"]["secrets"]
    assert secret["target"] == SYSTEM_ENV_FILE
    for server in ("postgres", "redis"):
        assert f"@{server}:" in Env(str(ROOT), example).text(
            {"postgres": "DATABASE_URL", "redis": "REDIS_URL"}[server]
        )


def test_what_the_head_of_compose_says_makes_the_secrets(tmp_path: Path) -> None:
    # given the commands before the first `docker compose`
    head = (DEPLOY / "compose.yaml").read_text().partition("docker compose up -d")[0]
    commands = "\n".join(re.findall(r"^#   (.*)$", head, re.M))
    (tmp_path / "hive.env.example").write_text((DEPLOY / "hive.env.example").read_text())
    # when they are carried out
    subprocess.run(["sh", "-euc", commands], cwd=tmp_path, check=True)
    # then each secret is there, for its owner only, and none stands for all in the example
    made = {path.name: path for path in (tmp_path / "secrets").iterdir()}
    assert {secret["file"] for secret in COMPOSE["secrets"].values()} == {
        f"secrets/{name}" for name in made
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in made.values())
    settings = read_env_file(str(made["hive.env"]))
    for server, name in (("postgres", "DATABASE_URL"), ("redis", "REDIS_URL")):
        password = made[f"{server}_password"].read_text().strip()
        assert f":{password}@{server}:" in settings[name]
    example = read_env_file(str(DEPLOY / "hive.env.example"))
    assert len(settings["HIVE_SECRET_KEY"]) == 64
    assert set(settings) == set(example)
    # and they come neither into the repository nor into the image
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().split()
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored.index("!deploy") < ignored.index("deploy/secrets")


# --- systemd ------------------------------------------------------------------------------------


def unit(role: str) -> configparser.SectionProxy:
    """The service section; a key that stands twice in a section is an error."""
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have case
    parser.read(UNITS[role])
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"
    assert parser["Install"]["WantedBy"] == "multi-user.target"
    return parser["Service"]


def test_sessions_recorders_and_the_fence_outlive_the_spawner() -> None:
    service = unit("spawner")
    wanted = {"KillMode": "process", "OOMPolicy": "continue", "TasksMax": "infinity"}
    assert dict(service).items() >= {**wanted, "Restart": "always"}.items()
    assert not {"ExecStop", "ExecStopPost", "MemoryMax", "PrivateTmp", "RuntimeMaxSec"} & set(
        service
    )
    head = UNITS["spawner"].read_text().partition("[Unit]")[0]
    for name in ("DATABASE_URL", "HIVE_SECRET_KEY", "HIVE_INTERNAL_ADDRESS"):
        assert name in SETTINGS
        assert name in head
    words = shlex.split(service["ExecStart"])
    assert words[2:] == ["hive", "spawner"]
    assert words[3] in manual.SUMMARIES
    assert (ROOT / words[1].removeprefix("/srv/hiveweb/")).exists()


def test_the_web_server_is_shut_in_and_listens_on_this_machine() -> None:
    service = unit("web")
    wanted = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "PrivateTmp": "yes"}
    assert dict(service).items() >= {**wanted, "Restart": "always"}.items()
    words = shlex.split(service["ExecStart"])
    assert words[1:] == ["-b", "127.0.0.1", "-p", "8765", "hiveweb.asgi:application"]
    assert len(service["ReadWritePaths"].split()) == 3
    # it makes directories that the spawner's sessions use
    assert service["User"] == unit("spawner")["User"]


@pytest.mark.parametrize(
    "path",
    [
        "deploy/compose.yaml",
        "deploy/kubernetes/hiveweb.yaml",
        *(f"deploy/{u.name}" for u in UNITS.values()),
    ],
)
def test_the_documentation_points_to_it(path: str) -> None:
    assert path in SCALING
