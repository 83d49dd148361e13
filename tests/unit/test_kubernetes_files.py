"""deploy/kubernetes: its objects agree with each other, with the image and with the documentation.

No test has a cluster to apply them to: what can be wrong without one is looked for.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from sessions_app import heartbeat
from tests.support import ROOT
from tests.unit.test_cluster_files import (
    DEPLOY,
    OURS,
    PASSED_ON,
    ROLES,
    SCALING,
    SECRET,
    SETTINGS,
    SPAWNERS,
    is_command_of_ours,
)
from tests.unit.test_container_files import environment

OBJECTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((DEPLOY / "kubernetes" / "hiveweb.yaml").read_text())
)


def exists_in_image(path: str) -> bool:
    """Whether a path of the image, where the repository is /app, is in the repository."""
    return (ROOT / path.removeprefix("/app/")).exists() or path.startswith("/app/.venv/")


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


def test_a_pod_has_a_name_that_stays_and_the_others_reach_a_spawner() -> None:
    paths = {"HIVE_NODE": "metadata.name", "HIVE_INTERNAL_ADDRESS": "status.podIP"}
    for kind, part, names in (
        ("StatefulSet", "spawner", {"HIVE_NODE", "HIVE_INTERNAL_ADDRESS"}),
        ("Deployment", "web", {"HIVE_NODE"}),
    ):
        (container,) = only(kind, part)["spec"]["template"]["spec"]["containers"]
        told = {e["name"]: e["valueFrom"]["fieldRef"]["fieldPath"] for e in container["env"]}
        assert told == {name: paths[name] for name in names}
    # one key for all: in the secret, not in an environment of one of them
    text = (DEPLOY / "kubernetes" / "hiveweb.yaml").read_text()
    assert text.count("HIVE_SECRET_KEY") == 1


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
