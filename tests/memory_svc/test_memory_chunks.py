"""Passages stay under the limit, lose nothing, follow the fields, and always come to an end."""

from hypothesis import given
from hypothesis import strategies as st

from memory_svc.domain.chunks import OVERLAP, chunk

bodies = st.one_of(
    st.text(max_size=3000),
    st.lists(st.text(alphabet="ab \n", max_size=400), max_size=20).map("\n- **Fix:** ".join),
    st.integers(0, 20000).map(lambda n: "x" * n),
)


@given(st.text(max_size=300), bodies, st.integers(40, 1500), st.integers(0, 400))
def test_passages_keep_to_the_limit_and_lose_nothing(title: str, body: str, limit: int, overlap: int) -> None:
    chunks = chunk(title, body, limit, overlap)

    assert all(0 < len(piece) <= limit for piece in chunks)
    found = 0
    for word in body.split():
        held = next((at for at in range(found, len(chunks)) if word in chunks[at]), None)
        if held is None:  # a word longer than a passage is cut
            assert len(word) > limit // 4
        else:
            found = max(found, held - 1)


@given(bodies, st.integers(40, 1500), st.integers(0, 5000))
def test_the_number_of_passages_is_bounded_whatever_the_overlap(body: str, limit: int, overlap: int) -> None:
    assert len(chunk("", body, limit, overlap)) <= 4 * len(body) // limit + 1


def test_a_ledger_of_the_size_that_once_never_ended_is_cut_at_its_fields() -> None:
    field = "- **Fix:** " + "word " * 150
    chunks = chunk("DBG-0001: Loops", "\n".join([field.strip()] * 60), 1200)

    assert len(chunks) == 60
    assert all(piece.startswith("DBG-0001: Loops\n") for piece in chunks)
    assert all("\n- **Fix:** word" in piece for piece in chunks)


def test_neighbours_share_their_edge() -> None:
    words = " ".join(str(number) for number in range(2000))
    first, second, *_ = chunk("T", words, 1200)

    shared = second.removeprefix("T\n").split(" ")[0]
    assert shared in first.split(" ")
    assert len(first) - first.index(f" {shared} ") <= OVERLAP + 1


def test_a_short_entry_is_one_passage_and_an_empty_one_its_title() -> None:
    assert chunk("DEC-0001: One", "- **Decision:** d\n", 1200) == ("DEC-0001: One\n- **Decision:** d",)
    assert chunk("DEC-0001: One", "", 1200) == ("DEC-0001: One",)
    assert chunk("", " ", 1200) == ()
