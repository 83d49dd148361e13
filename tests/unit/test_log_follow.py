"""Where a log's text may be cut."""

from hypothesis import given
from hypothesis import strategies as st

from sessions_app.log_follow import text_end


@given(st.binary(max_size=50), st.integers(0, 50))
def test_text_cut_and_joined_again_is_the_same_text(data: bytes, cut: int) -> None:
    cut = text_end(data[:cut])
    halves = data[:cut].decode(errors="replace") + data[cut:].decode(errors="replace")
    assert halves == data.decode(errors="replace")


@given(st.text(min_size=1, max_size=20), st.integers(1, 80))
def test_at_most_an_unfinished_character_is_held_back(text: str, cut: int) -> None:
    data = text.encode()[:cut]
    end = text_end(data)
    assert 0 <= len(data) - end <= 3
    data[:end].decode()
    assert end == len(data) or text_end(data[end:]) == 0
