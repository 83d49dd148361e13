"""What Django tells of an exception, with known secrets covered."""

import html
from typing import Any

from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter

from hiveweb.logs import mask
from sessions_app.masking import Mask


def covered(text: str) -> str:
    """A text with known secrets covered, also as HTML spells them."""
    known = mask()
    spelled = Mask([html.escape(n.decode("utf-8", "replace")).encode() for n in known.needles])
    return spelled.text(known.text(text))


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
