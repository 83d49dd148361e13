"""The attack list in SECURITY.md names tests that exist, and every test that is here."""

import re

from tests.support import ROOT

TEXT = (ROOT / "SECURITY.md").read_text()


def test_every_row_names_its_tests_and_every_file_here_has_a_row() -> None:
    rows = TEXT.partition("## The attack list")[2].splitlines()
    rows = [row for row in rows if row.startswith("| ") and not row.startswith("| attack")]
    assert len(rows) > 20
    named = [re.findall(r"`(tests/[\w/]+\.py)`", row) for row in rows]
    assert all(named), [row for row, tests in zip(rows, named, strict=True) if not tests]
    listed = {path for tests in named for path in tests}
    assert {path for path in listed if not (ROOT / path).is_file()} == set()
    here = {str(path.relative_to(ROOT)) for path in (ROOT / "tests/security").glob("test_*.py")}
    assert here - listed == {"tests/security/test_list.py"}


def test_its_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / link).is_file(), link
