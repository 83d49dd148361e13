"""How often somebody may try to sign in."""

import pytest
from django.contrib.auth.forms import UsernameField

from sessions_app.attempts import Attempts


def test_addresses_that_one_party_holds_count_as_one() -> None:
    attempts = Attempts()
    waits = [attempts.begin(f"name-{n}", f"2001:db8::{n:x}") for n in range(30)]
    assert waits[:20] == [0.0] * 20
    assert all(wait > 0 for wait in waits[20:])
    assert attempts.begin("name", "2001:db8:0:1::1") == 0.0


def test_success_forgives_what_was_tried_from_anywhere_near() -> None:
    attempts = Attempts()
    for n in range(5):
        assert attempts.begin("anna", f"2001:db8::{n:x}") == 0.0
    assert attempts.begin("Anna", "2001:db8::7") > 0
    attempts.succeeded("ANNA", "2001:db8::8")
    assert attempts.begin("anna", "2001:db8::9") == 0.0


@pytest.mark.parametrize("spelled", ["anna", " anna", "anna\t", "ANNA", "\uff41nna", "ann\u1d43"])
def test_a_name_is_one_however_it_is_spelled(spelled: str) -> None:
    """Django's form takes these for the same name, or it is no name at all."""
    field = UsernameField(max_length=150)
    assert field.clean(spelled).casefold() == "anna"
    attempts = Attempts()
    for _ in range(5):
        assert attempts.begin("anna", "192.0.2.1") == 0.0
    assert attempts.begin(spelled, "192.0.2.1") > 0
