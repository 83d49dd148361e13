"""The image's files agree with each other, with the repository and with the documentation.

No test here builds an image: that takes an engine. What can be wrong without one is looked for.
"""

import json
import re
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from hiveweb.env import SYSTEM_ENV_FILE, Env, read_env_file
from hiveweb.installation import build_conf
from tests.support import ROOT, SCRIPT

CONTAINER = ROOT / "deploy" / "container"
COMPOSE = (ROOT / "compose.yaml").read_text()
#: What a RUN line may begin with: package lists, make targets, and what makes users and links.
ALLOWED = {"apt-get", "npm", "make", "useradd", "mkdir", "ln", "rm"}
#: Where docs/session-api.md says that things are.
PROMISED = {
    "HIVE_WORKSPACE": "/workspace",
    "HIVE_LOG_DIR": "/var/log/multi-agent",
}


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile: its name, its text in one line, its build stage."""

    name: str
    text: str
    stage: int


def read_dockerfile() -> list[Instruction]:
    """The Dockerfile's instructions, continued lines joined, comments left out."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    joined = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    found: list[Instruction] = []
    stage = -1
    for line in joined.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        name, _, text = line.strip().partition(" ")
        stage += name == "FROM"
        found.append(Instruction(name, " ".join(text.split()), stage))
    return found


INSTRUCTIONS = read_dockerfile()
LAST_STAGE = max(instruction.stage for instruction in INSTRUCTIONS)


def texts(name: str, stage: int | None = None) -> list[str]:
    """What follows each instruction of that name."""
    return [
        instruction.text
        for instruction in INSTRUCTIONS
        if instruction.name == name and stage in (None, instruction.stage)
    ]


def environment() -> dict[str, str]:
    """ENV of the image."""
    pairs = (pair for text in texts("ENV", LAST_STAGE) for pair in shlex.split(text))
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def sources() -> list[str]:
    """What is copied from the repository, not from another stage."""
    found: list[str] = []
    for text in texts("COPY"):
        words = text.split()
        if not words[0].startswith("--from"):
            found.extend(words[:-1])
    return found


@pytest.mark.parametrize("text", texts("RUN"))
def test_a_run_line_is_a_make_target_or_a_package_list(text: str) -> None:
    for command in text.split("&&"):
        words = shlex.split(command)
        assert words[0] in ALLOWED
        if words[0] == "make":
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert set(words[1:]) <= set(targets)
        if words[:2] == ["apt-get", "install"]:
            assert {"-y", "--no-install-recommends"} <= set(words)


def test_the_packages_that_the_contract_and_the_scripts_use_are_installed() -> None:
    (install,) = [text for text in texts("RUN", LAST_STAGE) if "apt-get install" in text]
    assert {"bash", "ca-certificates", "curl", "git", "jq", "lsof", "make", "tini"} <= set(
        install.split()
    )
    assert "rm -rf /var/lib/apt/lists/*" in install


@pytest.mark.parametrize("image", texts("FROM"))
def test_a_base_image_names_its_version_and_its_debian(image: str) -> None:
    name, tag = image.split()[0].split(":")
    version = r"3\.11-slim" if name == "python" else r"\d+"
    assert re.fullmatch(rf"{version}-bookworm", tag)


def test_what_is_copied_is_in_the_repository_and_in_the_build_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert "*" in ignored  # the list names what comes in, not what stays out
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    for source in sources():
        assert (ROOT / source).exists()
        assert source == "." or source.removeprefix("./").split("/")[0] in let_in
    for name in let_in:
        assert (ROOT / name).exists()


def test_no_secret_and_no_data_can_come_in() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    for name in (".env", "hive.env", "var", "workspace", ".git", ".venv"):
        assert f"!{name}" not in ignored
    secrets = re.compile("TOKEN|KEY|SECRET|PASSWORD", re.IGNORECASE)
    assert not [name for name in environment() if secrets.search(name)]
    assert texts("ARG") == []
    assert not [name for name in read_env_file(str(CONTAINER / "hive.env")) if secrets.search(name)]


def test_every_process_in_the_container_finds_the_same_installation() -> None:
    # given the image's environment, and the file that is read where there is none
    ours = {name: value for name, value in environment().items() if name.startswith("HIVE_")}
    copied = [text.split() for text in texts("COPY", LAST_STAGE)]
    assert ["deploy/container/hive.env", SYSTEM_ENV_FILE] in copied
    # then both say the same, and what the contract promises
    assert ours == read_env_file(str(CONTAINER / "hive.env"))
    assert ours.items() >= PROMISED.items()
    assert ours["HIVE_RUN_AS"] == "dev"
    assert any(text.startswith("useradd") and text.endswith(" dev") for text in texts("RUN"))
    # and the settings are ones we know
    conf = build_conf(Env(str(ROOT), {**ours, "HIVE_ENV_FILE": "/dev/null"}), ROOT)
    assert str(conf.outputs_dir) == "/workspace/ext/hive-sessions"
    assert str(conf.index_file) == "/workspace/.swarm/sessions/index.json"
    assert conf.host == "0.0.0.0"


def test_the_drop_in_is_where_the_contract_says() -> None:
    # the repository is copied to /app as it is
    assert texts("WORKDIR", LAST_STAGE) == ["/app"]
    assert ". ." in texts("COPY", LAST_STAGE)
    assert SCRIPT.relative_to(ROOT) == Path("scripts/hive-session-manager.sh")
    assert "/app/scripts/hive-session-manager.sh" in (ROOT / "docs/session-api.md").read_text()


def test_an_init_that_reaps_runs_the_script_that_restarts() -> None:
    (entry,) = texts("ENTRYPOINT")
    init, dashes, script = json.loads(entry)
    assert (init, dashes) == ("/usr/bin/tini", "--")
    path = ROOT / Path(script).relative_to("/app")
    assert path.stat().st_mode & stat.S_IXUSR
    assert path.read_text().startswith("#!/bin/sh\n")
    # hiveweb stays root, to start sessions as another user
    assert texts("USER") == []


def test_docker_and_compose_ask_for_health_in_the_same_way() -> None:
    (check,) = texts("HEALTHCHECK")
    options, _, command = check.partition(" CMD ")
    (in_compose,) = re.findall(r"test: \[\"CMD-SHELL\", '(.+)'\]", COMPOSE)
    assert command == in_compose.replace("$$", "$")
    assert "/healthz" in command
    for option in options.split():
        name, _, value = option.removeprefix("--").partition("=")
        assert f"{name.replace('-', '_')}: {value}\n" in COMPOSE


def test_compose_publishes_to_this_machine_only() -> None:
    (ports,) = re.findall(r"ports:\n((?:\s+- .*\n)+)", COMPOSE)
    assert re.findall(r'- "([^"]+)"', ports) == ["127.0.0.1:8765:8765"]
    assert texts("EXPOSE") == ["8765"]
    assert build_conf(Env(str(ROOT), {"HIVE_ENV_FILE": "/dev/null"}), ROOT).port == 8765
    assert re.search(r"HIVE_TOKEN: +#", COMPOSE), "taken from outside, if there is one"


def test_compose_keeps_what_must_outlive_a_container() -> None:
    (mounts,) = re.findall(r"    volumes:\n((?:\s+- .*\n)+)", COMPOSE)
    places = dict(reversed(mount.split(":")) for mount in re.findall(r"- (\S+)", mounts))
    ours = environment()
    # named volumes, declared at the end, and the one directory that the host looks into
    declared = re.findall(r"^  (\w+):\n", COMPOSE[COMPOSE.index("\nvolumes:") :], re.MULTILINE)
    assert places.pop("/workspace/ext") == "./workspace/ext"
    assert set(places.values()) == set(declared)
    for name in ("HIVE_WORKSPACE", "HIVE_LOG_DIR", "HIVE_STATE_DIR"):
        assert ours[name] in places
    assert "container_name: multi-agent-container\n" in COMPOSE
    assert "init: false" in COMPOSE
    assert "restart: unless-stopped\n" in COMPOSE


def test_the_npm_tools_are_pinned_exactly() -> None:
    package = json.loads((CONTAINER / "package.json").read_text())
    lock = json.loads((CONTAINER / "package-lock.json").read_text())
    wanted = package["dependencies"]
    assert re.fullmatch(r"2\.7\.\d+", wanted["claude-flow"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", wanted["@anthropic-ai/claude-code"])
    assert lock["packages"][""]["dependencies"] == wanted
    for name, entry in lock["packages"].items():
        # what is not ours has a checksum; where it comes from is the builder's matter
        ours = not name or name.startswith("left-out/") or entry.get("link")
        assert ours or entry["integrity"].startswith("sha512-")
        assert "://" not in entry.get("resolved", "")
        assert not entry.get("link") or (CONTAINER / entry["resolved"] / "package.json").exists()


def test_the_node_of_the_image_runs_what_is_pinned() -> None:
    (node,) = [image for image in texts("FROM") if image.startswith("node:")]
    major = int(node.removeprefix("node:").split("-")[0])
    lock = json.loads((CONTAINER / "package-lock.json").read_text())["packages"]
    for name in ("claude-flow", "@anthropic-ai/claude-code", "better-sqlite3"):
        needed = lock[f"node_modules/{name}"]["engines"]["node"]
        assert min(int(found) for found in re.findall(r"(\d+)(?:\.|$| )", needed)) <= major


def test_what_the_documentation_says_of_the_image_is_true() -> None:
    page = (ROOT / "docs" / "container.md").read_text()
    package = json.loads((CONTAINER / "package.json").read_text())
    for name in ("claude-flow", "@anthropic-ai/claude-code"):
        assert f"`{name}` {package['dependencies'][name]}" in page
    for image in texts("FROM"):
        assert f"`{image.split()[0]}`" in page
    for name, value in environment().items():
        if name.startswith("HIVE_"):
            assert f"| `{name}` | `{value}` |" in page
