"""Untrusted text made fit to show, and secrets taken out of what is kept."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import Reason
from autopack.text import head, neutralise, tail
from builder_svc.domain.redaction import redacted_json, redacted_reasons


def test_what_a_terminal_would_obey_is_spelled_out() -> None:
    assert neutralise("\x1b[31mred\x07\x9b \u202eevil\u200b") == "\\x1b[31mred\\x07\\x9b \\u202eevil\\u200b"
    assert neutralise(b"caf\xc3\xa9 \xff\r\nnext\tline\n") == "café \\xff\nnext\tline\n"


@given(st.one_of(st.text(), st.binary()))
def test_no_control_character_gets_through(text: str | bytes) -> None:
    kept = set(neutralise(text)) - {"\n", "\t"}
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs"} for character in kept)


@given(st.text(), st.integers(1, 20))
def test_shortened_text_keeps_its_end_or_its_start(text: str, limit: int) -> None:
    assert len(head(text, limit)) <= limit >= len(tail(text, limit))
    assert text.startswith(head(text, limit).removesuffix("…")) or text == head(text, limit)
    assert text.endswith(tail(text, limit).removeprefix("…")) or text == tail(text, limit)


@given(st.lists(st.text('abc"\\é', min_size=4, max_size=6), min_size=1, max_size=3), st.text('abc"\\é'))
def test_no_secret_is_left_anywhere_in_a_document(secrets: list[str], around: str) -> None:
    document = {"list": [{"deep": around + secret + around} for secret in secrets], "number": 1}
    kept = json.loads(redacted_json(document, set(secrets)))
    assert not any(secret in part["deep"] for part in kept["list"] for secret in secrets)
    (reason,) = redacted_reasons([Reason("X", around + secrets[0])], set(secrets))
    assert secrets[0] not in reason.message
