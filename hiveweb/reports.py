"""Our own log lines and error reports: known secrets covered, nothing for a terminal to obey."""

import html
import logging
import re
from typing import Any

from django.conf import settings
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter

from sessions_app.masking import Mask

#: Control characters and what turns the writing direction; tab and newline stay.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def _mask() -> Mask:
    """What is known; nothing while the settings are still being read."""
    known = getattr(settings, "HIVE", None) if settings.configured else None
    return known.secrets.mask() if known is not None else Mask()


def covered(text: str) -> str:
    """A text with known secrets covered, also as HTML spells them."""
    mask = _mask()
    spelled = Mask([html.escape(n.decode("utf-8", "replace")).encode() for n in mask.needles])
    return spelled.text(mask.text(text))


class LineFormatter(logging.Formatter):
    """Log lines. Lines after the first (a traceback's) are indented: none looks like another."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        text = _mask().text(super().format(record))
        text = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
        return text.replace("\n", "\n  ")


class _Shown:
    """A value of a traceback's frame: what its repr says, covered before it is cut off."""

    def __init__(self, value: object) -> None:
        try:
            self._text = covered(repr(value))
        except Exception as error:  # noqa: BLE001 - a broken repr must not hide the error itself
            self._text = f"<its repr failed: {type(error).__name__}>"

    def __repr__(self) -> str:
        return self._text


class Report(ExceptionReporter):
    """What Django tells of an exception: on its debug pages, and to whom it writes."""

    def get_traceback_html(self) -> SafeString:
        """The page."""
        return SafeString(covered(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        """The same as text."""
        return SafeString(covered(super().get_traceback_text()))

    def get_traceback_frames(self) -> list[dict[str, Any]]:
        """The frames, with their values."""
        frames = super().get_traceback_frames()
        for frame in frames:
            frame["vars"] = [(name, _Shown(value)) for name, value in frame.get("vars", ())]
        return frames
