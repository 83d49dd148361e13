"""The terminal that logs are drawn on, run as modules in the browser they are made for."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from tests.support import Server

ESC = "\x1b"
CSI = "\x1b["
#: Feeds pieces of text to a terminal; gives its lines as texts, or as [text, style] runs.
DRAW = """
async ({pieces, runs, maxLines}) => {
  const { Screen } = await import("/static/js/screen.js");
  const { AnsiParser } = await import("/static/js/ansi.js");
  const screen = new Screen(0, maxLines ?? undefined);
  const parser = new AnsiParser(screen);
  let offset = 0;
  for (const piece of pieces) {
    const starts = [];
    for (const character of piece) {
      offset += new TextEncoder().encode(character).length;
      if (character === "\\n") starts.push(offset);
    }
    parser.feed(piece, starts);
  }
  window.screenUnderTest = screen;
  if (runs) return screen.lines.map((line) => line.toRuns().map(({text, style}) => [text, style]));
  return screen.lines.map((line) => line.toRuns().map(({text}) => text).join(""));
}
"""


@pytest.fixture(scope="module")
def terminal(browser: Any, shared_server: Server) -> Any:
    """A page of ours, to load modules from."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{shared_server.url}/new")
    yield page
    context.close()


def drawn(terminal: Page, *pieces: str) -> list[str]:
    """The lines after these pieces; the empty one after a last line feed is left out."""
    lines: list[str] = terminal.evaluate(DRAW, {"pieces": pieces})
    return lines[:-1] if lines[-1] == "" else lines


def runs(terminal: Page, text: str) -> list[list[Any]]:
    """The runs of the first line."""
    found: list[list[list[Any]]] = terminal.evaluate(DRAW, {"pieces": [text], "runs": True})
    return found[0]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("no end", ["no end"]),
        ("12345\rAB\n", ["AB345"]),
        ("abc\b\bX\n", ["aXc"]),
        ("\b\bx\n", ["x"]),
        (f"working 10%\r{CSI}Kdone\n", ["done"]),
        (f"abcdef{CSI}3D{CSI}K\n", ["abc"]),
        (f"abcdef{CSI}3D{CSI}1K\n", ["    ef"]),
        (f"abcdef{CSI}2Kx\n", ["      x"]),
        (f"a\nb\nc\n{CSI}2A{CSI}2K\rB\n\nend\n", ["a", "B", "c", "end"]),
        (f"a\nb\n{CSI}Fb2\n", ["a", "b2"]),
        (f"a{CSI}5Cb\n", ["a     b"]),
        (f"abc{CSI}2Gx\n", ["axc"]),
        (f"abcdef{CSI}1G{CSI}2P\n", ["cdef"]),
        (f"abc{CSI}1G{CSI}2@\n", ["  abc"]),
        (f"abc{CSI}1G{CSI}2X\n", ["  c"]),
        (f"x{CSI}s1234{CSI}uy\n", ["xy234"]),
        (f"x{ESC}71234{ESC}8y\n", ["xy234"]),
        (f"before\n{CSI}2J{CSI}Hfirst\n{CSI}2J{CSI}Hsecond\n", ["before", "second"]),
        (f"before\n{CSI}?1049hmenu\nmenu{CSI}?1049lafter\n", ["before", "after"]),
        ("a\tb\n", ["a       b"]),
        ("\x00\x07\x0b\x0c\x7fx\x85y\n", ["xy"]),
        ("漢字\r12\n", ["12字"]),
        ("漢字\r1\n", ["1 字"]),
        ("漢字\b\b\bx\n", [" x字"]),
        ("e\u0301\rx\n", ["x"]),
        ("👨\u200d👩\u200d👧!\r__\n", ["__!"]),
        ("🐝 bee\n", ["🐝 bee"]),
        (f"{ESC}]0;a title\x07shown\n", ["shown"]),
        (f"{ESC}]8;;http://x/{ESC}\\link{ESC}]8;;{ESC}\\\n", ["link"]),
        (f"{ESC}Pdevice control{ESC}\\shown\n", ["shown"]),
        (f"{ESC}(B{ESC}=shown\n", ["shown"]),
        (f"{CSI}?25lhidden cursor{CSI}?25h\n", ["hidden cursor"]),
        (f"{CSI}>0q{CSI}=1;2cshown\n", ["shown"]),
        (f"{CSI}999999999Ashown{CSI}0;0\n", ["shown"]),
        (f"unfinished {ESC}]no end\nnext\n", ["unfinished ", "next"]),
        (f"unfinished {CSI}31\nnext\n", ["unfinished ", "next"]),
        ("\x9b31mred\x9b0m\n", ["red"]),
    ],
)
def test_a_log_is_drawn_as_a_terminal_would(terminal: Page, text: str, lines: list[str]) -> None:
    assert drawn(terminal, text) == lines


@pytest.mark.parametrize(
    ("parameters", "style"),
    [
        ("31", {"fg": 1}),
        ("97", {"fg": 15}),
        ("44", {"bg": 4}),
        ("103", {"bg": 11}),
        ("1;3;4;9", {"bold": True, "italic": True, "underline": True, "strike": True}),
        ("2", {"dim": True}),
        ("7", {"inverse": True}),
        ("38;5;208", {"fg": 208}),
        ("48;5;17", {"bg": 17}),
        ("38;2;1;2;3", {"fg": "#010203"}),
        ("38:2::1:2:3", {"fg": "#010203"}),
        ("38:5:9", {"fg": 9}),
        ("48;2;255;0;300;1", {"bg": "#ff00ff", "bold": True}),
        ("4:3", {"underline": True}),
        ("58;5;1;1", {"bold": True}),
        ("1;22;31;39", {}),
        ("31;0", {}),
        ("", {}),
        ("38;5", {}),
        ("38;9;1", {}),
        ("31;7;27;49", {"fg": 1}),
        ("5;73;1000", {}),
    ],
)
def test_colours_and_attributes(terminal: Page, parameters: str, style: dict[str, Any]) -> None:
    assert runs(terminal, f"{CSI}{parameters}mtext\n") == [["text", style]]


def test_equal_styles_are_one_run(terminal: Page) -> None:
    text = f"{CSI}1m{CSI}31mone{CSI}0m{CSI}31;1mtwo{CSI}0mthree"
    assert [run[0] for run in runs(terminal, text)] == ["onetwo", "three"]


def test_lines_know_the_byte_they_begin_at(terminal: Page) -> None:
    drawn(terminal, "🐝\nsecond\nthird")
    offsets = terminal.evaluate("screenUnderTest.lines.map((line) => line.offset)")
    assert offsets == [0, 5, 12]


def test_only_the_last_lines_are_kept(terminal: Page) -> None:
    pieces = ["".join(f"line {n}\n" for n in range(part, part + 500)) for part in (0, 500, 1000)]
    lines = terminal.evaluate(DRAW, {"pieces": pieces, "maxLines": 100})
    assert 95 <= len(lines) <= 100
    assert lines[-2:] == ["line 1499", ""]
    first = int(lines[0].split()[1])
    offset = terminal.evaluate("screenUnderTest.lines[0].offset")
    assert offset == sum(len(f"line {n}\n") for n in range(first))


def test_a_spinner_that_runs_for_ever_takes_no_room(terminal: Page) -> None:
    drawn(terminal, f"\r{CSI}K⠋ working on it" * 20_000)
    kept = terminal.evaluate("[screenUnderTest.lines.length, screenUnderTest.characters]")
    assert kept[0] == 1
    assert kept[1] < 100


def test_a_line_without_an_end_is_broken(terminal: Page) -> None:
    lines = drawn(terminal, *["x" * 50_000] * 10)
    assert sum(map(len, lines)) == 500_000
    assert max(map(len, lines)) <= 65_536


TEXT = st.text(
    st.one_of(
        st.sampled_from(list("ab \n\r\b\t\x1b[]0123456789;?:mKAJHCDPX@su\x07\\🐝漢\u0301\u200d")),
        st.characters(codec="utf-8"),
    ),
    max_size=200,
)


@settings(max_examples=60, deadline=None)
@given(text=TEXT, cut=st.integers(0, 200))
def test_whatever_comes_is_drawn_alike_however_it_is_cut(
    terminal: Page, text: str, cut: int
) -> None:
    whole = drawn(terminal, text)

    assert drawn(terminal, text[:cut], text[cut:]) == whole
    assert not any(character in "".join(whole) for character in "\x1b\x07\x08\r\n")


def test_colours_are_readable(terminal: Page) -> None:
    worst = terminal.evaluate(
        """async () => {
          const { coloursOf, contrast } = await import("/static/js/colours.js");
          const rgb = (text, other) => text ? text.match(/\\d+/g).map(Number) : other;
          let worst = 21;
          for (let fg = 0; fg < 256; fg += 1) {
            for (const bg of [undefined, 0, 1, 3, 7, 8, 15, 19, 226, 244, "#808080"]) {
              for (const more of [{}, {inverse: true}, {dim: true}]) {
                const style = {...more, fg};
                if (bg !== undefined) style.bg = bg;
                const {color, background} = coloursOf(style);
                worst = Math.min(worst, contrast(
                  rgb(color, [215, 218, 224]), rgb(background, [22, 24, 29])));
              }
            }
          }
          return worst;
        }"""
    )
    assert worst >= 4.5
