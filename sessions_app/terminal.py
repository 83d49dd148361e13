"""What a terminal is shown of text that strangers wrote: letters, lines, colours, nothing else.

A terminal obeys what it is sent: a log could set its title and its clipboard, answer in the
user's place, or draw over other lines. Standard library only.
"""

from __future__ import annotations

import codecs
import re

#: An unfinished sequence is waited for up to so many characters, and then dropped.
MAX_SEQUENCE = 64 * 1024
#: Left on: colours (SGR), erase in line, moves within the line; each with few, short numbers.
_KEPT = r"\[(?:[0-9;:]{0,64}m|[0-2]?K|[0-9]{0,4}[CDG])"
#: Control characters but tab, newline and carriage return; marks that turn the writing direction.
_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
#: A string (OSC, DCS, SOS, PM, APC) goes to its terminator, or to the end of its line.
_STRING = r"[^\x07\x1b\x9c\n]*"
_STRING_END = r"(?:\x07|\x9c|\x1b\\|(?=[\n\x1b]))"
_CSI = r"[0-?]*[ -/]*"
#: ECMA-48. One character of a class first, so that the search is fast where there is none.
_DROPPED = re.compile(
    rf"[{_CONTROL}]"
    rf"(?!(?<=\x1b){_KEPT})"
    rf"(?:(?<=\x1b)(?:\[{_CSI}[@-~]?|[\]PX^_]{_STRING}{_STRING_END}|[ -/]*[0-~])"
    rf"|(?<=\x9b){_CSI}[@-~]?"
    rf"|(?<=[\x90\x98\x9d-\x9f]){_STRING}{_STRING_END})?"
)
#: A sequence that may go on in the next piece.
_UNFINISHED = re.compile(
    rf"(?:\x1b(?:\[{_CSI}|[\]PX^_]{_STRING}\x1b?|[ -/]*)"
    rf"|\x9b{_CSI}|[\x90\x98\x9d-\x9f]{_STRING}\x1b?)\Z"
)
_C1 = re.compile(r"[\x80-\x9f]")
#: Back to plain letters.
RESET = b"\x1b[0m"


class TerminalFilter:
    """Takes control sequences out of bytes that come in pieces.

    Bytes that are not UTF-8, among them the controls of 8-bit terminals, become U+FFFD.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> bytes:
        """What may be shown of the bytes that follow; an unfinished sequence waits for its end."""
        text = self._rest + self._decoder.decode(data)
        self._rest = ""
        end = _unfinished(text)
        if end < len(text):
            self._rest = text[end:] if len(text) - end <= MAX_SEQUENCE else ""
            text = text[: end + 1]  # its first character goes, and ends a string that was open
        return _DROPPED.sub("", text).encode("utf-8", "replace")


def _unfinished(text: str) -> int:
    """Where a sequence begins that may go on in the next piece; the end where there is none."""
    last = text.rfind("\x1b")
    if text.endswith("\x1b") or (not text.isascii() and _C1.search(text)):
        found = _UNFINISHED.search(text)
    elif last >= 0:
        found = _UNFINISHED.match(text, last)  # one that began before would end there
    else:
        return len(text)
    return found.start() if found else len(text)


def harmless(data: bytes) -> bytes:
    """All of a text as a terminal may be shown it; what is unfinished at its end goes."""
    return TerminalFilter().feed(data)
