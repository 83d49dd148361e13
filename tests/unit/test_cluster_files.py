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

from hiveweb.env import SYSTEM_ENV_FILE, Env, read_env_file
from sessions_app import heartbeat, manual
from tests.support import ROOT
from tests.unit.test_container_files import environment

DEPLOY = ROOT / "deploy"
SCALING = (ROOT / "docs" / "scaling.md").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OBJECTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((DEPLOY / "kubernetes" / "hiveweb.yaml").read_text())
)
ROLES = set(re.findall(r"^    (\w+)\) set --", (DEPLOY / "container/run.sh").read_text(), re.M))
SETTINGS = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.M))
OURS = {name: part for name, part in COMPOSE["services"].items() if "hiveweb" in part["image"]}
SPAWNERS = {name: part for name, part in OURS.items() if name.startswith("spawner")}
#: What is not a setting of ours, but passed on to sessions.
PASSED_ON = {"ANTHROPIC_API_KEY"}
SECRET = re.compile(r"password|secret|token|key|DATABASE_URL|REDIS_URL", re.IGNORECASE)
UNITS = {"spawner": DEPLOY / "hiveweb-spawner.service", "web": DEPLOY / "hiveweb-web.service"}


def exists_in_image(path: str) -> bool:
    """Whether a path of the image, where the repository is /app, is in the repository."""
    return (ROOT / path.removeprefix("/app/")).exists() or path.startswith("/app/.venv/")


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


def test_the_example_of_the_settings_is_what_the_image_has_and_what_all_share() -> None:
    example = read_env_file(str(DEPLOY / "hive.env.example"))
    assert set(example) <= SETTINGS
    image = {name: value for name, value in environment().items() if name.startswith("HIVE_")}
    assert example.items() >= image.items()
    assert {"DATABASE_URL", "REDIS_URL", "HIVE_SECRET_KEY"} <= set(example)
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
    name, _, value = service["Environment"].partition("=")
    assert name in SETTINGS
    assert value.removeprefix("/var/lib/") == service["StateDirectory"]
    # it makes directories that the spawner's sessions use
    assert service["User"] == unit("spawner")["User"]


# --- Kubernetes ---------------------------------------------------------------------------------


def only(kind: str, part: str) -> dict[str, Any]:
    """The object of a kind that belongs to a part."""
    (found,) = [o for o in OBJECTS if o["kind"] == kind and o["metadata"]["name"].endswith(part)]
    return found


def containers(owner: dict[str, Any]) -> list[dict[str, Any]]:
    """All containers of a pod's template."""
    pod = owner["spec"]["template"]["spec"]
    return [*pod["initContainers"], *pod["containers"]]


WORKLOADS = [only("Deployment", "web"), only("StatefulSet", "spawner")]
CONTAINERS = [
    pytest.param(owner, container, id=f"{owner['kind']}-{container['name']}")
    for owner in WORKLOADS
    for container in containers(owner)
]


def test_every_object_is_one_that_an_api_server_takes() -> None:
    versions = {
        "ConfigMap": "v1",
        "PersistentVolumeClaim": "v1",
        "Service": "v1",
        "Deployment": "apps/v1",
        "StatefulSet": "apps/v1",
        "PodDisruptionBudget": "policy/v1",
    }
    assert {o["kind"] for o in OBJECTS} == set(versions), "no Secret: its values are yours"
    for found in OBJECTS:
        assert found["apiVersion"] == versions[found["kind"]]
        assert re.fullmatch(r"[a-z][a-z-]{1,50}", found["metadata"]["name"])
    names = [(o["kind"], o["metadata"]["name"]) for o in OBJECTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("owner", WORKLOADS, ids=lambda owner: str(owner["kind"]))
def test_what_selects_pods_finds_them(owner: dict[str, Any]) -> None:
    spec, part = owner["spec"], owner["metadata"]["labels"]["part"]
    labels = spec["template"]["metadata"]["labels"]
    budget, service = only("PodDisruptionBudget", part), only("Service", part)
    assert spec["selector"]["matchLabels"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert {"minAvailable", "maxUnavailable"} & set(budget["spec"])
    assert service["spec"]["selector"] == labels
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    for port in service["spec"].get("ports", []):
        assert port["targetPort"] in [known["name"] for known in container["ports"]]
    assert pod["automountServiceAccountToken"] is False
    assert owner["kind"] == "Deployment" or spec["serviceName"] == service["metadata"]["name"]


@pytest.mark.parametrize(("owner", "container"), CONTAINERS)
def test_a_container_has_what_it_takes(owner: dict[str, Any], container: dict[str, Any]) -> None:
    pod = owner["spec"]["template"]["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    volumes |= {t["metadata"]["name"] for t in owner["spec"].get("volumeClaimTemplates", [])}
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    claims = [
        v["persistentVolumeClaim"]["claimName"]
        for v in pod["volumes"]
        if len(v) == 2 and "persistentVolumeClaim" in v
    ]
    assert claims == [only("PersistentVolumeClaim", "files")["metadata"]["name"]]
    ours = environment()
    paths = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {ours[n] for n in ("HIVE_WORKSPACE", "HIVE_LOG_DIR", "HIVE_STATE_DIR")} <= paths
    # settings and secrets by reference
    references = [next(iter(source)) for source in container["envFrom"]]
    assert references == ["configMapRef", "secretRef"]
    for entry in container.get("env", []):
        assert entry["name"] in SETTINGS
        assert "valueFrom" in entry
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    # what it runs is there
    assert container["image"] == OURS["web-1"]["image"]
    assert set(container.get("args", [])) <= ROLES
    words = shlex.split(" ".join(container.get("command", [])))
    assert not words or is_command_of_ours(words)
    for word in words:
        assert not re.match(r"(/app|deploy|\.venv)/", word) or exists_in_image(word)


def test_settings_of_kubernetes_are_ours_and_no_secret_is_among_them() -> None:
    data = only("ConfigMap", "hiveweb")["data"]
    assert set(data) <= SETTINGS
    assert not [name for name in data if SECRET.search(name)]
    text = (DEPLOY / "kubernetes" / "hiveweb.yaml").read_text()
    assert set(re.findall(r"--from-literal=([A-Z_]+)=", text)) <= SETTINGS | PASSED_ON


def test_probes_ask_what_the_server_answers() -> None:
    (web,) = only("Deployment", "web")["spec"]["template"]["spec"]["containers"]
    urls = (ROOT / "hiveweb" / "urls.py").read_text()
    for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert web[probe]["httpGet"]["path"] == path
        assert f'"{path[1:]}"' in urls
    (spawner,) = only("StatefulSet", "spawner")["spec"]["template"]["spec"]["containers"]
    # a database that is away must not end sessions
    assert not {"livenessProbe", "startupProbe"} & set(spawner)
    for command in (
        spawner["readinessProbe"]["exec"]["command"],
        *(part["healthcheck"]["test"] for part in SPAWNERS.values()),
    ):
        assert f"{environment()['HIVE_STATE_DIR']}/{heartbeat.NAME}" in command[-1]


def test_a_spawner_is_drained_before_its_pod_ends_and_there_is_time_for_it() -> None:
    pod = only("StatefulSet", "spawner")["spec"]["template"]["spec"]
    (spawner,) = pod["containers"]
    (command,) = spawner["lifecycle"]["preStop"]["exec"]["command"]
    assert exists_in_image(command)
    assert Path(ROOT / command.removeprefix("/app/")).stat().st_mode & 0o100
    assert pod["terminationGracePeriodSeconds"] >= 3600
    assert f"{pod['terminationGracePeriodSeconds'] // 3600} hours" in SCALING


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
