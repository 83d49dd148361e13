"""What a terminal is shown: letters, lines and colours; everything it could obey is gone."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sessions_app.terminal import MAX_SEQUENCE, TerminalFilter, harmless

#: All that may be left of what begins with an escape.
KEPT = re.compile(r"\x1b\[(?:[0-9;:]{0,64}m|[0-2]?K|[0-9]{0,4}[CDG])")
FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain\ttext\r\n", b"plain\ttext\r\n"),
        ("✓ naïve 🐝\n".encode(), "✓ naïve 🐝\n".encode()),
        (b"\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mx\x1b[m", None),
        (b"50%\r\x1b[2K100%\x1b[K \x1b[3G\x1b[5C\x1b[D", None),
        (b"a\x1b]0;title\x07b", b"ab"),
        (b"a\x1b]52;c;cm0gLXJmIC8=\x1b\\b", b"ab"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", b"link"),
        (b"a\x1bPq#0;2\x1b\\b\x1b_apc\x1b\\c\x1b^pm\x1b\\d\x1bXsos\x1b\\e", b"abcde"),
        (b"\x1b[2J\x1b[H\x1b[1A\x1b[10;10f\x1b[5S\x1b[?1049h\x1b[?25lx\x1b[6n\x1b[c", b"x"),
        (b"\x1b[>4;1m\x1b[?4mx\x1b[99999C\x1b[9Ky", b"xy"),
        (b"\x1bcreset\x1b(0\x1b#8\x1b=\x1b7\x1b8", b"reset"),
        (b"\x1b[3\x1b[31mx\x1b\x1b[1my", b"\x1b[31mx\x1b[1my"),
        (b"\x1b[2\x08Jx", b"Jx"),
        ("\x9b31mx\x9d0;t\x07y\x90q\x9cz\x85".encode(), b"xyz"),
        (b"\x9b2Jx\x9d0;t\x07", "�2Jx�0;t".encode()),
        (b"a\x00\x07\x08\x0b\x0c\x0e\x7fb", b"ab"),
        ("a\u202eb\u2066c\u2069\u200e\u061cd\u2028e".encode(), b"abcde"),
        (b"\x1b]0;never ended\nnext", b"\nnext"),
        (b"end\x1b[3", b"end"),
        (b"end\x1b]52;c;aaaa", b"end"),
        (b"\xff\xfe\xc3", "��".encode()),
    ],
)
def test_only_colours_and_moves_within_a_line_are_left(raw: bytes, shown: bytes | None) -> None:
    assert harmless(raw) == (raw if shown is None else shown)


_TEXTS = ["\x1b", "[", "]", "P", "0;31", "m", "J", "52;c;", "\x07", "\\", "x", "?", "\x1b[1m"]
_TEXTS += ["\x9b", "\x9d", "\x9c", "\x90", "#", "🐝"]
_PIECES = st.lists(
    st.sampled_from([*(text.encode() for text in _TEXTS), b"\x9b", b" ", b"\n"]), max_size=25
)


@given(pieces=_PIECES, cuts=st.lists(st.integers(1, 7), max_size=30))
@example(pieces=[b"\x1b]", b"0;31", b"\x1b", b" ", b"x"], cuts=[1, 6, 1])
@example(pieces=[b"\x1b]", b"0;31", b"\x1b[", b"0;31"], cuts=[2, 4, 2])
@settings(max_examples=400, deadline=None)
def test_it_is_the_same_in_whatever_pieces_it_comes_and_nothing_dangerous_is_left(
    pieces: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(pieces)
    whole, part = TerminalFilter(), TerminalFilter()
    # what is unfinished at the end is not shown; a full stop ends it in both
    expected = whole.feed(data) + whole.feed(b"\n.\n")
    shown, at = b"", 0
    for cut in cuts:
        shown += part.feed(data[at : at + cut])
        at += cut
    shown += part.feed(data[at:]) + part.feed(b"\n.\n")

    assert shown == expected
    assert not FORBIDDEN.search(KEPT.sub("", shown.decode()))


def test_what_never_ends_takes_bounded_memory_and_time() -> None:
    terminal = TerminalFilter()
    terminal.feed(b"before\x1b]52;c;")
    begun = time.process_time()
    for _ in range(400):
        terminal.feed(b"A" * 4096)
        assert len(terminal._rest) <= MAX_SEQUENCE
    assert time.process_time() - begun < 5
    assert terminal.feed(b"\x1b[2J\nafter\n").endswith(b"\nafter\n")


def test_it_is_fast_enough_for_terminals(tell: Callable[[str], None]) -> None:
    line = "2026-11-22 \x1b[32m[INFO]\x1b[0m a line as hives print them ✓ with words\n".encode()
    data = line * (8_000_000 // len(line))
    terminal, begun = TerminalFilter(), time.process_time()
    for at in range(0, len(data), 65536):
        terminal.feed(data[at : at + 65536])
    speed = len(data) / (time.process_time() - begun) / 1e6
    tell(f"coloured lines to a terminal: {speed:.0f} MB/s")
    assert speed > 10  # on a loaded machine; on a quiet one 50 and more
