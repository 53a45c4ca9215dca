"""Whatever is changed of an attested history is found."""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autopack.attestation.predicates import CHANGE
from autopack.attestation.storage import BRANCH, KEYS_FILE, add_files, change_file, ref_of
from autopack.attestation.succession import retire
from autopack.attestation.trust import trust
from autopack.attestation.verification import Verifier
from autopack.gitstore.store import Signature
from autopack.signing.approvals import sign_approval
from autopack.signing.dsse import parse_envelope
from autopack.signing.keys import PrivateKey, create_private_key
from autopack.signing.statement import parse_statement, to_payload
from autopack.testing.repositories import make_commit
from tests.verify.attested import POLICY, ApprovalGiven, Attested, attested, found

BY = Signature("Mallory", "m@example.org", 1_700_000_009)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Attested:
    history = attested(tmp_path_factory.mktemp("history"))
    history.run("r1")
    history.run("r2")
    return history


@pytest.fixture
def restored(made: Attested) -> Iterator[Attested]:
    """The history, put back as it was afterwards."""
    before = made.store.refs("refs/")
    yield made
    put_back(made, before)


def put_back(made: Attested, before: dict[str, str]) -> None:
    now = made.store.refs("refs/")
    moves = [(ref, before.get(ref, ""), oid) for ref, oid in now.items() if before.get(ref) != oid]
    moves += [(ref, oid, "") for ref, oid in before.items() if ref not in now]
    made.store.update_refs(moves)


def files_of(made: Attested, run_id: str = "r1") -> dict[str, bytes]:
    tip = made.store.resolve(ref_of(run_id)) or ""
    return {entry.path: made.store.read_blob(entry.oid) for entry in made.store.entries(tip)}


def replace_files(made: Attested, files: dict[str, bytes], run_id: str = "r1") -> None:
    """The run's files as an attacker writes them who may write every ref."""
    old = made.store.resolve(ref_of(run_id)) or ""
    new = add_files(made.store, None, files, made.store.parents(old), "attest\n", 1)
    made.store.update_refs([(ref_of(run_id), new, old)])


def test_an_untouched_history_holds(made: Attested) -> None:
    assert found(made, "r1") == []
    assert found(made, "r2") == []
    assert found(made, "main") == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_of_any_file_is_found(made: Attested, data: st.DataObject) -> None:
    before = made.store.refs("refs/")
    files = files_of(made)
    name = data.draw(st.sampled_from(sorted(files)), "file")
    position = data.draw(st.integers(0, len(files[name]) * 8 - 1), "bit")
    changed = bytearray(files[name])
    changed[position // 8] ^= 1 << position % 8
    replace_files(made, {**files, name: bytes(changed)})
    try:
        assert found(made, "r1") != []
    finally:
        put_back(made, before)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cut_doubled_or_reordered_parts_of_any_file_are_found(made: Attested, data: st.DataObject) -> None:
    before = made.store.refs("refs/")
    files = files_of(made)
    name = data.draw(st.sampled_from(sorted(files)), "file")
    old = files[name]
    lines = old.splitlines(keepends=True)
    kind = data.draw(st.sampled_from(["cut", "without", "twice", "swapped", "inserted"]), "how")
    at = data.draw(st.integers(0, len(lines) - 1), "line")
    other = data.draw(st.integers(0, len(lines) - 1), "other line")
    match kind:
        case "cut":
            new = old[: data.draw(st.integers(0, len(old) - 1), "length")]
        case "without":
            new = b"".join(lines[:at] + lines[at + 1 :])
        case "twice":
            new = b"".join([*lines[: at + 1], lines[at], *lines[at + 1 :]])
        case "swapped":
            lines[at], lines[other] = lines[other], lines[at]
            new = b"".join(lines)
        case _:
            place = data.draw(st.integers(0, len(old)), "place")
            new = old[:place] + data.draw(st.binary(min_size=1, max_size=20), "bytes") + old[place:]
    replace_files(made, {**files, name: new})
    try:
        assert (found(made, "r1") != []) == (new != old)
    finally:
        put_back(made, before)


@pytest.mark.parametrize("number", range(6))
def test_a_file_that_is_gone_is_found(restored: Attested, number: int) -> None:
    files = files_of(restored)
    del files[sorted(files)[number]]
    replace_files(restored, files)
    assert found(restored, "r1") != []


def test_an_attestation_of_another_commit_is_found(restored: Attested) -> None:
    files = files_of(restored)
    first, second = (change_file(commit) for commit in restored.commits[:2])
    replace_files(restored, {**files, first: files[second], second: files[first]})
    assert found(restored, "r1") == ["OTHER_SUBJECT", "OTHER_SUBJECT", "OTHER_SUBJECT", "PHASE_DROPPED"]


def test_the_end_of_another_run_is_found(restored: Attested) -> None:
    other = files_of(restored, "r2")
    replace_files(restored, {**files_of(restored), "run.json": other["run.json"]})
    assert found(restored, "r1") == ["OTHER_SUBJECT"]


def rewritten(made: Attested, edit: Callable[[list[str]], list[tuple[str, str]]]) -> str:
    """main as somebody rewrites it: trees and messages in a new order, on the run's base."""
    commits = made.commits
    head = made.store.parents(commits[0])[0]
    for tree, message in edit(commits):
        head = made.store.commit(tree=tree, parents=[head], message=message, author=BY)
    old = made.store.resolve("refs/heads/main") or ""
    made.store.update_refs([("refs/heads/main", head, old)])
    return head


@pytest.mark.parametrize("how", ["reordered", "dropped", "squashed", "copied"])
def test_commits_that_are_made_anew_are_found(restored: Attested, how: str) -> None:
    def edit(commits: list[str]) -> list[tuple[str, str]]:
        store = restored.store
        kept = [(store.commit_tree(commit), store.message(commit)) for commit in commits]
        return {
            "reordered": [kept[1], kept[0], kept[2]],
            "dropped": [kept[0], kept[2]],
            "squashed": [kept[2]],
            "copied": kept,
        }[how]

    base = restored.store.parents(restored.commits[0])[0]
    rewritten(restored, edit)
    codes = found(restored, f"{base}..main")
    assert codes
    assert set(codes) <= {"ATTESTATION_MISSING", "ORDER_BROKEN"}


def test_a_commit_between_attested_ones_is_found(restored: Attested) -> None:
    store = restored.store
    head = make_commit(store, {**restored.files, "evil.py": b"evil = 1\n"}, restored.head, message="evil")
    store.update_refs([("refs/heads/main", head, store.resolve("refs/heads/main") or "")])
    assert found(restored, f"{restored.commits[0]}..main")[-1] == "NOT_ATTESTED"


def test_another_key_is_found_whoever_signed_everything_again(restored: Attested, tmp_path: Path) -> None:
    mallory = create_private_key(tmp_path / "mallory.key")
    files = files_of(restored)
    for name, data in files.items():
        if name.endswith(".jsonl") and name != "log.jsonl":
            payloads = [parse_envelope(line, name).payload for line in data.splitlines()]
            files[name] = b"".join(restored.signed(payload, mallory) + b"\n" for payload in payloads)
    replace_files(restored, files)
    assert found(restored, f"{restored.commits[0]}^..{restored.commits[2]}") == ["KEY_NOT_TRUSTED"] * 3


@pytest.mark.parametrize(
    ("part", "value", "code"),
    [
        ("decision", {"policy": "0" * 64}, "OTHER_VERDICT"),
        ("decision", {"decision": "REJECT"}, "NOT_ACCEPTED"),
        ("phase", {"slot": 0}, None),
        ("run", {"base": "HEAD"}, "OTHER_POLICY"),
        ("builder", {"change": "0" * 40}, "CHANGE_MISSING"),
    ],
)
def test_a_statement_that_contradicts_the_repository_is_found_even_if_signed(
    restored: Attested, part: str, value: dict[str, object], code: str | None
) -> None:
    """What the gate's key itself has signed must still agree with what can be computed."""
    commit = restored.commits[1]
    files = files_of(restored)
    lines = files[change_file(commit)].splitlines()
    statement = parse_statement(parse_envelope(lines[0], "x"), "x")
    assert statement.predicate_type == CHANGE
    predicate = {**statement.predicate, part: {**statement.predicate[part], **value}}
    if part == "run":
        predicate["run"]["base"] = restored.commits[0]
    ours = to_payload(statement.subjects, CHANGE, predicate)
    summary = parse_statement(parse_envelope(lines[3], "x"), "x")
    claimed = {"uri": CHANGE, "digest": {"sha256": hashlib.sha256(ours).hexdigest()}}
    whole = to_payload(
        summary.subjects, summary.predicate_type, {**summary.predicate, "inputAttestations": [claimed]}
    )
    lines[0], lines[3] = restored.signed(ours), restored.signed(whole)
    replace_files(restored, {**files, change_file(commit): b"\n".join(lines) + b"\n"})
    codes = found(restored, "r1")
    assert codes
    assert code is None or codes[0] == code


def test_an_approval_that_no_registered_key_signed_does_not_hold(tmp_path: Path) -> None:
    ada, eve = (create_private_key(tmp_path / f"{name}.key") for name in ("ada", "eve"))
    policy = POLICY + f"approvals: {{keys: {{ada: '{ada.public.line}'}}}}\n".encode()
    for key, codes in ((ada, []), (eve, ["APPROVAL_UNPROVEN"])):
        made = attested(tmp_path / ("good" if not codes else "bad"), policy)

        def give(digest: str, key: PrivateKey = key) -> ApprovalGiven:
            return ApprovalGiven(digest, "ada", *sign_approval(key, digest, "ada"))

        made.change("r1", made.head, 1, {**made.files, "b.txt": b"b\n"}, approvals=(give,))
        made.store.update_refs([("refs/heads/x", made.head, "")])
        assert found(made, "x") == codes


@pytest.fixture(scope="module")
def objects(made: Attested) -> list[str]:
    """Every object that verifying the first run stands on: commits, trees, and what they have brought."""
    store = made.store
    keys = {made.key.public.key_id: made.key.public}
    verifier = Verifier(store, trust(store, keys))
    commits = [*made.commits, *(verifier.accepted(commit).change for commit in made.commits)]
    commits.append(store.resolve(ref_of("r1")) or "")
    blobs = {entry.oid for commit in commits for entry in store.entries(commit) if entry.path != "a.txt"}
    return sorted({*commits, *(store.commit_tree(commit) for commit in commits), *blobs})


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_of_any_object_behind_its_id_is_found(
    made: Attested, objects: list[str], data: st.DataObject
) -> None:
    """Git itself checks out what lies under an id without looking whether it is that."""
    oid = data.draw(st.sampled_from(objects), "object")
    file = made.path / "objects" / oid[:2] / oid[2:]
    sound = file.read_bytes()
    header, _, contents = zlib.decompress(sound).partition(b"\0")
    position = data.draw(st.integers(0, len(contents) * 8 - 1), "bit")
    changed = bytearray(contents)
    changed[position // 8] ^= 1 << position % 8
    file.chmod(0o644)
    file.write_bytes(zlib.compress(header + b"\0" + bytes(changed)))
    try:
        assert found(made, "r1") != []
    finally:
        file.write_bytes(sound)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_of_any_succession_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whoever trusts the last key alone learns of the first one by it."""
    directory = tmp_path_factory.getbasetemp() / "succession"
    made = _ROTATED.get(directory) or _ROTATED.setdefault(directory, _rotated(directory))
    tip = made.store.resolve(BRANCH) or ""
    line = made.store.read(tip, KEYS_FILE) or b""
    position = data.draw(st.integers(0, (len(line) - 1) * 8 - 1), "bit")
    changed = bytearray(line)
    changed[position // 8] ^= 1 << position % 8
    new = add_files(made.store, tip, {KEYS_FILE: bytes(changed)}, [], "keys\n", 1)
    made.store.update_refs([(BRANCH, new, tip)])
    try:
        assert found(made, "r1") != []
    finally:
        made.store.update_refs([(BRANCH, tip, new)])


_ROTATED: dict[Path, Attested] = {}


def _rotated(directory: Path) -> Attested:
    directory.mkdir()
    made = attested(directory)
    made.run("r1", 1)
    made.publish("r1")
    new = create_private_key(directory / "new.key")
    retire(made.store, made.key, new, None, 1_700_000_100)
    made.key = new
    assert found(made, "r1") == []
    return made
