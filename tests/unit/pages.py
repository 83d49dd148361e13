"""Asking for pages as browsers and their scripts do."""

from typing import Any

#: What a script sends along; a form that is sent without one does not.
JSON = {"Accept": "application/json"}


def text_of(response: Any) -> str:
    """The page as text."""
    return str(response.content.decode())
