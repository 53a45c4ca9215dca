"""The change digest: the same change has the same one everywhere, any other change another."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from autopack.gitstore.digest import change_digest
from autopack.gitstore.records import FileChange

CHANGE = FileChange("src/a.py", 0o100644, 0o100644, "1" * 40, "2" * 40)
CHANGES = st.lists(
    st.builds(
        FileChange,
        st.sampled_from(["a", "b", "a\n", 'a"', "caf\udce9", "é"]),
        st.sampled_from([0, 0o100644]),
        st.sampled_from([0o100644, 0o100755]),
        st.sampled_from(["", "1" * 40]),
        st.sampled_from(["2" * 40, "3" * 40]),
    ),
    max_size=4,
    unique_by=lambda change: change.path,
)


def test_the_digest_is_what_it_was_in_every_release() -> None:
    """Approvals are kept for years: another value here breaks them."""
    added = FileChange("caf\udce9", 0, 0o100755, "", "3" * 40)

    assert change_digest([CHANGE, added], "policy") == (
        "1250c2548809182093e4230b13148ef5230b32d08f7a667bfa2494f965957f49"
    )


def test_the_order_does_not_count() -> None:
    other = dataclasses.replace(CHANGE, path="b")

    assert change_digest([CHANGE, other], "p") == change_digest([other, CHANGE], "p")


def test_everything_else_counts() -> None:
    variants = [
        ([CHANGE], "policy"),
        ([CHANGE], "other"),
        ([], "policy"),
        ([dataclasses.replace(CHANGE, path="b")], "policy"),
        ([dataclasses.replace(CHANGE, old_mode=0)], "policy"),
        ([dataclasses.replace(CHANGE, new_mode=0o100755)], "policy"),
        ([dataclasses.replace(CHANGE, old_oid="")], "policy"),
        ([dataclasses.replace(CHANGE, new_oid="3" * 40)], "policy"),
    ]

    assert len({change_digest(changes, policy) for changes, policy in variants}) == len(variants)


@given(CHANGES, CHANGES)
def test_different_changes_never_have_one_digest(one: list[FileChange], two: list[FileChange]) -> None:
    same = sorted(one, key=repr) == sorted(two, key=repr)

    assert (change_digest(one, "p") == change_digest(two, "p")) == same
