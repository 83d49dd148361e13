"""The documentation agrees with the code: settings, reasons, limits, links."""

import re
from pathlib import Path

import pytest

from hiveweb.env import Env
from hiveweb.installation import BYTES_PER_SESSION, DEFAULT_EXCLUDES, build_conf
from sessions_app import limits, queries, validation
from sessions_app.lifecycle import Reason, Status
from sessions_app.profiles import DEFAULT_COMMAND
from tests import screenshots
from tests.support import ROOT

DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
]
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
#: Read by name in these modules and nowhere else.
READERS = (
    "hiveweb/env.py",
    "hiveweb/installation.py",
    "hiveweb/edge_settings.py",
    "hiveweb/telemetry_settings.py",
    "hiveweb/known_secrets.py",
    "hiveweb/logs.py",
    "hiveweb/settings.py",
    "hiveweb/databases.py",
    "hiveweb/cluster_settings.py",
)
_NAME = r"(?:HIVE_[A-Z_]+|[A-Z]+_URL)"


def anchors(page: Path) -> set[str]:
    """What a link may name in a page: its headings, as they are spelled in addresses."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text()
    for page in DOCS.rglob("*.md"):
        if page != DOCS / "README.md":
            assert f"({page.relative_to(DOCS)})" in index


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_a_context_a_choice_and_a_cost_on_one_page(page: Path) -> None:
    text = page.read_text()
    positions = [text.index(f"**{part}**") for part in ("Context.", "Choice.", "What it costs.")]
    assert positions == sorted(positions)
    assert len(text.splitlines()) <= 40


def test_pictures_are_small() -> None:
    sizes = [picture.stat().st_size for picture in (DOCS / "screenshots").glob("*.png")]
    assert len(sizes) >= 6
    assert max(sizes) <= screenshots.MAX_BYTES
    assert sum(sizes) <= screenshots.MAX_BYTES_OF_ALL


def test_every_setting_is_described_and_no_other() -> None:
    code = "\n".join((ROOT / name).read_text() for name in READERS)
    read = set(re.findall(rf'(?:\w+|get)\(\s*(?:env, )?"({_NAME})"', code))
    read |= {f"HIVE_LIMIT_{name.upper()}" for name in limits.NAMES}
    described = set(re.findall(rf"^\| `({_NAME})` \|", (DOCS / "settings.md").read_text(), re.M))
    assert described == read


def test_the_defaults_are_those_of_the_code() -> None:
    # given what a page says of each setting
    rows = re.findall(
        rf"^\| `({_NAME})` \| (.+?) \| (.+) \|$", (DOCS / "settings.md").read_text(), re.M
    )
    said = {name: default for name, default, _ in rows}
    # when nothing is set
    conf = build_conf(Env(str(ROOT), {"HIVE_ENV_FILE": "/dev/null"}), ROOT)
    # then it is as the page says
    assert said["HIVE_WORKSPACE"] == f"`{conf.workspace.relative_to(ROOT)}`"
    assert said["HIVE_LOG_DIR"] == f"`{conf.log_dir.relative_to(ROOT)}`"
    assert said["HIVE_STATE_DIR"] == f"`{conf.state_dir.relative_to(ROOT)}`"
    assert said["HIVE_HOST"] == f"`{conf.host}`"
    assert said["HIVE_PORT"] == f"`{conf.port}`"
    assert said["HIVE_COMMAND"] == f"`{' '.join(DEFAULT_COMMAND)}`"
    assert said["HIVE_STOP_GRACE"] == f"`{conf.stop_grace:g}`"
    assert said["HIVE_COLLECT_MAX_MB"] == f"`{conf.collect_max_bytes // 2**20}`"
    assert said["HIVE_COLLECT_EXCLUDE"] == f"`{DEFAULT_EXCLUDES}`"
    assert said["HIVE_AUTOSPAWN"] == ("on" if conf.autospawn else "off")
    assert said["HIVE_SLOTS"].startswith(f"memory / {BYTES_PER_SESSION // 2**20} MiB")


def test_every_reason_is_explained() -> None:
    page = (DOCS / "operations.md").read_text()
    assert set(re.findall(r"^\| `([a-z_]+)` \|", page, re.M)) == {str(reason) for reason in Reason}


def test_the_readme_names_the_states_and_the_limits() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    for status in Status:
        assert f"`{status}`" in text
    assert f"| a task | {validation.MAX_TASK_BYTES:,} bytes |" in text
    assert f"{validation.MAX_METADATA_BYTES:,} bytes; {validation.MAX_ARGS:,} words" in text
    assert f"words and {validation.MAX_ARGS_BYTES:,} bytes" in text
    assert f"{queries.MAX_PAGE} sessions |" in text
