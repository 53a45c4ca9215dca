"""Keys are handed over and revoked, and what they signed before stays verifiable."""

from pathlib import Path

from autopack.attestation.storage import BRANCH
from autopack.attestation.succession import retire
from autopack.signing.keys import create_private_key
from tests.verify.attested import Attested, attested, found


def rotated(directory: Path) -> tuple[Attested, Attested]:
    """A history whose second run another key signed, and the same with the first key."""
    made = attested(directory)
    made.run("r1")
    old, new = made.key, create_private_key(directory / "new.key")
    retire(made.store, old, new, None, 1_700_000_100)
    made.key = new
    made.run("r2")
    before = Attested.__new__(Attested)
    before.path, before.store, before.key = made.path, made.store, old
    return made, before


def test_history_holds_under_either_key_after_a_rotation(tmp_path: Path) -> None:
    made, before = rotated(tmp_path)
    for history in (made, before):
        assert found(history, "r1") == []
        assert found(history, "r2") == []


def test_without_the_branch_neither_key_leads_to_the_other(tmp_path: Path) -> None:
    made, before = rotated(tmp_path)
    made.store.update_refs([(BRANCH, "", made.store.resolve(BRANCH) or "")])
    assert set(found(before, "r2")) == {"KEY_NOT_TRUSTED"}
    assert set(found(made, "r1")) == {"KEY_NOT_TRUSTED"}


def test_what_a_retired_key_signs_afterwards_does_not_count(tmp_path: Path) -> None:
    made, before = rotated(tmp_path)
    made.key = before.key
    made.run("r3")
    made.publish("r3")
    made.key = create_private_key(tmp_path / "new.key")
    assert "KEY_RETIRED" in found(made, "r3")
    assert "KEY_RETIRED" in found(before, "r3")


def test_a_retired_key_hands_nothing_over_to_a_thief(tmp_path: Path) -> None:
    made, before = rotated(tmp_path)
    thief = create_private_key(tmp_path / "thief.key")
    retire(made.store, before.key, thief, None, 1_700_000_200)
    made.key = thief
    made.run("r3")
    made.publish("r3")
    made.key = create_private_key(tmp_path / "new.key")
    assert set(found(made, "r3")) == {"KEY_NOT_TRUSTED"}
    assert found(made, "r1") == []


def test_a_revoked_key_counts_up_to_the_commit_that_is_named(tmp_path: Path) -> None:
    made = attested(tmp_path)
    made.run("r1")
    made.publish("r1")
    good = made.store.resolve(BRANCH)
    made.run("r2")
    made.publish("r2")
    assert found(made, "r2") == []
    retire(made.store, made.key, None, good, 1_700_000_100)
    assert found(made, "r1") == []
    assert "KEY_RETIRED" in found(made, "r2")


def test_a_key_that_was_stolen_from_the_start_counts_for_nothing(tmp_path: Path) -> None:
    made = attested(tmp_path)
    made.run("r1")
    retire(made.store, made.key, None, "", 1_700_000_100)
    assert "KEY_RETIRED" in found(made, "r1")
