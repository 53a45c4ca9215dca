"""LocalRemote: commits come from a user's repository and go back to it, and nothing of it is executed."""

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from autopack.errors import FailedPrecondition, InvalidInput, Reason
from autopack.gitstore.local_remote import LocalRemote
from autopack.gitstore.notices import content_notices
from autopack.gitstore.records import WorkTreeFile
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import Edit, apply_edits
from autopack.policy.paths import PathRules
from autopack.testing.repositories import AUTHOR

RUN = "refs/heads/autopack/run-1"


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits on `main`, which is checked out."""
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    for number in (1, 2):
        (path / "a.txt").write_text(f"{number}\n")
        (path / "src").mkdir(exist_ok=True)
        (path / "src" / "b.txt").write_text("b\n")
        git(path, "add", ".")
        git(path, "commit", "-q", "-m", f"commit {number}")
    return path


def git(path: Path, *arguments: str) -> str:
    options = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always"]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["git", *options, *arguments], cwd=path, check=True, capture_output=True, text=True, env=environment
    ).stdout.strip()


def change(store: GitStore, base: str, *edits: Edit) -> str:
    tree = apply_edits(store, base, edits, PathRules())
    return store.commit(tree=tree, parents=[base], message="change", author=AUTHOR)


def bring(store: GitStore, remote: LocalRemote, revision: str = "main") -> str:
    found = remote.resolve(revision)
    assert found is not None
    remote.fetch(store, [found.commit])
    return found.commit


def refusal(action: Callable[..., object], *arguments: object) -> Reason:
    with pytest.raises((InvalidInput, FailedPrecondition)) as caught:
        action(*arguments)
    return caught.value.reasons[0]


def notices(remote: LocalRemote, revision: str = "HEAD") -> list[str]:
    found = remote.resolve(revision)
    assert found is not None
    return [notice.code for notice in found.notices]


def test_a_revision_is_resolved_as_git_does(repository: Path) -> None:
    git(repository, "tag", "-a", "v1", "-m", "one")
    head, first = git(repository, "rev-parse", "main"), git(repository, "rev-parse", "main~1")
    remote = LocalRemote(repository)

    for revision in ("main", "HEAD", "refs/heads/main"):
        found = remote.resolve(revision)
        assert found is not None
        assert (found.commit, found.branch) == (head, "refs/heads/main")
    for revision, commit in (("v1", head), ("HEAD~1", first), (first, first), (first[:10], first)):
        found = remote.resolve(revision)
        assert found is not None
        assert (found.commit, found.branch) == (commit, "")
    for revision in ("none", "-x", "--all", "a..b", "", "x" * 5000, "main\0", "HEAD~9", "f" * 40):
        assert remote.resolve(revision) is None


def test_what_names_no_commit_is_refused(repository: Path) -> None:
    assert refusal(lambda: LocalRemote(repository).resolve("HEAD:a.txt")).code == "REVISION_NOT_A_COMMIT"


def test_a_commit_comes_with_its_tree_but_without_its_history(repository: Path, store: GitStore) -> None:
    remote = LocalRemote(repository)
    head = bring(store, remote)

    assert store.read(head, "a.txt") == b"2\n"
    assert store.read(head, "src/b.txt") == b"b\n"
    assert not store.has(store.parents(head)[0])


def test_many_files_come_as_a_pack(repository: Path, store: GitStore) -> None:
    for number in range(700):
        (repository / f"file{number}").write_text(f"{number}")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "many")
    git(repository, "gc", "-q")

    head = bring(store, LocalRemote(repository))
    assert len(list(store.entries(head))) == 702
    assert store.read(head, "file699") == b"699"
    assert not list(store.path.glob("incoming-*"))


def test_a_directory_inside_a_repository_will_do(repository: Path) -> None:
    assert LocalRemote(repository / "src").identity == str(repository)


def test_work_trees_of_one_repository_are_one(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "other"), "-b", "other")

    remote = LocalRemote(tmp_path / "other")
    found = remote.resolve("HEAD")
    assert found is not None
    assert found.branch == "refs/heads/other"
    assert remote.identity == LocalRemote(repository).identity


def test_what_is_no_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "none", tmp_path / "file"):
        assert refusal(LocalRemote, path).code == "NOT_A_REPOSITORY"


def test_a_repository_without_a_commit_is_refused(tmp_path: Path) -> None:
    for name in ("main", "trunk"):
        git(tmp_path, "init", "-q", "-b", name, name)
        assert refusal(LocalRemote(tmp_path / name).resolve, "HEAD").code == "REPOSITORY_EMPTY"


def test_a_repository_with_other_ids_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "other")

    assert refusal(lambda: LocalRemote(tmp_path / "other")).code == "OBJECT_FORMAT_UNSUPPORTED"


def test_a_bare_repository_will_do(repository: Path, tmp_path: Path, store: GitStore) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    remote = LocalRemote(tmp_path / "bare.git")
    base = bring(store, remote)
    head = change(store, base, Edit("new", b"1"))

    remote.push(store, RUN, head, "")
    remote.move_branch(store, "refs/heads/main", head, base)
    assert git(tmp_path / "bare.git", "show", "main:new") == "1"
    assert notices(remote) == []


def test_of_a_shallow_clone_the_commits_that_are_there_will_do(
    repository: Path, tmp_path: Path, store: GitStore
) -> None:
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", "shallow")
    remote = LocalRemote(tmp_path / "shallow")
    base = bring(store, remote, "HEAD")
    head = change(store, base, Edit("new", b"1"))

    remote.push(store, RUN, head, "")
    git(tmp_path / "shallow", "fsck", "--strict")
    reason = refusal(lambda: remote.resolve("HEAD~1"))
    assert reason.code == "SHALLOW_REPOSITORY"
    assert reason.fix == "git fetch --unshallow"


def test_what_a_partial_clone_lacks_is_refused(repository: Path, tmp_path: Path, store: GitStore) -> None:
    git(repository, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--bare", "--filter=blob:none", f"file://{repository}", "partial")

    assert refusal(lambda: bring(store, LocalRemote(tmp_path / "partial"))).code == "REPOSITORY_INCOMPLETE"


def test_a_detached_head_names_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")

    found = LocalRemote(repository).resolve("HEAD")
    assert found is not None
    assert found.branch == ""


def test_files_that_are_not_committed_are_a_notice(repository: Path) -> None:
    remote = LocalRemote(repository)
    assert notices(remote) == []

    (repository / "a.txt").write_text("dirty\n")
    (repository / "new.txt").touch()
    found = remote.resolve("main")
    assert found is not None
    (notice,) = found.notices
    assert (notice.code, notice.path) == ("DIRTY_WORK_TREE", "a.txt")
    assert "2 files" in notice.message
    assert notices(remote, "main~1") == []


def test_ignored_files_are_no_notice(repository: Path) -> None:
    (repository / ".git/info/exclude").write_text("build/\n")
    (repository / "build").mkdir()
    (repository / "build" / "x").touch()

    assert notices(LocalRemote(repository)) == []


def test_submodules_and_lfs_pointers_are_kept_and_noticed(
    repository: Path, tmp_path: Path, store: GitStore
) -> None:
    git(repository, "submodule", "--quiet", "add", str(repository), "sub")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (repository / "big.bin").write_bytes(pointer)
    (repository / "src/.gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "modules")
    remote = LocalRemote(repository)
    base = bring(store, remote)

    assert [notice.code for notice in content_notices(store, base)] == ["SUBMODULES", "LFS_POINTERS"]
    assert store.read(base, "big.bin") == pointer
    head = change(store, base, Edit("new", b"1"))
    assert store.entry(head, "sub") == store.entry(base, "sub")
    remote.push(store, RUN, head, "")
    git(repository, "fsck")


def test_nothing_that_a_repository_brings_is_executed(
    repository: Path, tmp_path: Path, store: GitStore
) -> None:
    executed = tmp_path / "executed"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {executed}\nexit 1\n")
    program.chmod(0o755)
    for setting in (
        "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass", "core.gitProxy",
        "core.alternateRefsCommand", "uploadpack.packObjectsHook", "filter.evil.clean", "filter.evil.smudge",
        "filter.evil.process", "diff.external", "gpg.program", "credential.helper", "receive.procReceiveRefs",
    ):  # fmt: skip
        git(repository, "config", setting, str(program))
    git(repository, "config", "core.hooksPath", str(tmp_path / "hooks"))
    git(repository, "config", "commit.gpgSign", "true")
    for directory in (tmp_path / "hooks", repository / ".git/hooks"):
        directory.mkdir(exist_ok=True)
        for hook in (
            "post-checkout",
            "post-merge",
            "pre-push",
            "reference-transaction",
            "update",
            "pre-receive",
        ):
            (directory / hook).symlink_to(program)
    (repository / ".git/info/attributes").write_text("* filter=evil diff=evil merge=evil\n")
    remote = LocalRemote(repository)

    base = bring(store, remote)
    found = remote.resolve("main")
    assert found is not None
    assert found.notices is not None
    head = change(store, base, Edit("a.txt", b"3\n"), Edit("new.txt", b"1\n"))
    remote.push(store, RUN, head, "")
    remote.move_branch(store, "refs/heads/main", head, base)
    assert (repository / "a.txt").read_text() == "3\n"
    assert not executed.exists()
    with contextlib.suppress(subprocess.CalledProcessError):
        git(repository, "status")
    assert executed.exists(), "the trap must be one"


def test_files_outside_the_repository_are_not_its_work_tree(
    repository: Path, tmp_path: Path, store: GitStore
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "src").mkdir(parents=True)
    for name in ("a.txt", "src/b.txt"):
        (elsewhere / name).write_bytes((repository / name).read_bytes())
    git(repository, "config", "core.worktree", str(elsewhere))
    remote = LocalRemote(repository)
    base = bring(store, remote)
    head = change(store, base, Edit("a.txt", b"3\n"))
    (elsewhere / "secret").touch()

    assert notices(remote) == []
    reason = refusal(remote.move_branch, store, "refs/heads/main", head, base)
    assert reason.code == "TARGET_CHECKED_OUT"
    assert (elsewhere / "a.txt").read_text() == "2\n"


def test_a_submodules_own_checkout_is_its_work_tree(
    repository: Path, tmp_path: Path, store: GitStore
) -> None:
    git(tmp_path, "init", "-q", "outer")
    git(tmp_path / "outer", "submodule", "--quiet", "add", str(repository), "sub")
    remote = LocalRemote(tmp_path / "outer/sub")
    base = bring(store, remote, "HEAD")
    head = change(store, base, Edit("a.txt", b"3\n"))

    remote.move_branch(store, "refs/heads/main", head, base)
    assert (tmp_path / "outer/sub/a.txt").read_text() == "3\n"


def test_replaced_commits_are_seen_as_they_were(repository: Path, store: GitStore) -> None:
    first = git(repository, "rev-parse", "main~1")
    git(repository, "replace", "main", "main~1")
    try:
        base = bring(store, LocalRemote(repository))
        assert store.read(base, "a.txt") == b"2\n"
        assert base != first
    finally:
        git(repository, "replace", "-d", "main")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
def test_a_repository_of_another_user_will_do(repository: Path, store: GitStore) -> None:
    for directory, _, files in os.walk(repository):
        os.chown(directory, 12345, 12345)
        for name in files:
            os.chown(Path(directory) / name, 12345, 12345)

    remote = LocalRemote(repository)
    base = bring(store, remote)
    remote.push(store, RUN, change(store, base, Edit("new", b"1")), "")


def test_a_push_makes_and_moves_the_branch_of_a_run(repository: Path, store: GitStore) -> None:
    remote = LocalRemote(repository)
    base = bring(store, remote)
    one = change(store, base, Edit("deep/er/new.txt", b"1\n"))
    two = change(store, one, Edit("deep/er/new.txt", b"2\n"))

    remote.push(store, RUN, one, "")
    remote.push(store, RUN, two, one)
    git(repository, "fsck", "--strict")
    assert git(repository, "log", "--format=%H", "main..autopack/run-1").split() == [two, one]
    assert git(repository, "show", "autopack/run-1:deep/er/new.txt") == "2"
    assert git(repository, "reflog", "--format=%gn", "autopack/run-1").split() == ["autopack"] * 2


def test_a_push_that_was_done_already_does_nothing(repository: Path, store: GitStore) -> None:
    remote = LocalRemote(repository)
    head = change(store, bring(store, remote), Edit("new", b"1"))

    remote.push(store, RUN, head, "")
    remote.push(store, RUN, head, "")


def test_a_push_onto_a_branch_that_moved_is_refused(repository: Path, store: GitStore) -> None:
    remote = LocalRemote(repository)
    base = bring(store, remote)
    head = change(store, base, Edit("new", b"1"))
    git(repository, "branch", "autopack/run-1", "main~1")

    for expected in ("", base):
        assert refusal(remote.push, store, RUN, head, expected).code == "REF_MOVED"
    assert git(repository, "rev-parse", "autopack/run-1") == git(repository, "rev-parse", "main~1")


def test_a_push_does_not_move_a_branch_that_is_checked_out(
    repository: Path, tmp_path: Path, store: GitStore
) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "other"), "-b", "other")
    remote = LocalRemote(repository)
    base = bring(store, remote)
    head = change(store, base, Edit("new", b"1"))

    for branch in ("main", "other"):
        reason = refusal(remote.push, store, f"refs/heads/{branch}", head, base)
        assert reason.code == "TARGET_CHECKED_OUT"
        assert git(repository, "rev-parse", branch) == base


def test_a_branch_in_the_midst_of_a_rebase_is_not_moved(repository: Path, store: GitStore) -> None:
    git(repository, "checkout", "-q", "-b", "topic", "main~1")
    (repository / "a.txt").write_text("conflict\n")
    git(repository, "commit", "-q", "-a", "-m", "topic")
    with contextlib.suppress(subprocess.CalledProcessError):
        git(repository, "rebase", "main")
    remote = LocalRemote(repository)
    base = bring(store, remote, "topic")
    head = change(store, base, Edit("new", b"1"))

    for action in (remote.push, remote.move_branch):
        assert refusal(action, store, "refs/heads/topic", head, base).code == "TARGET_CHECKED_OUT"
    assert git(repository, "rev-parse", "topic") == base


@pytest.mark.parametrize("linked", [False, True])
def test_a_clean_work_tree_moves_with_its_branch(
    repository: Path, tmp_path: Path, store: GitStore, linked: bool
) -> None:
    tree, branch = repository, "main"
    if linked:
        tree, branch = tmp_path / "other", "other"
        git(repository, "worktree", "add", "-q", str(tree), "-b", branch)
    (tree / "untracked.txt").write_text("mine\n")
    remote = LocalRemote(repository)
    base = bring(store, remote)
    head = change(
        store,
        base,
        Edit("a.txt", b"3\n", executable=True),
        Edit("src/b.txt", None),
        Edit("deep/new.txt", b"new\n"),
        Edit("link", b"a.txt", symlink=True),
    )

    remote.move_branch(store, f"refs/heads/{branch}", head, base)
    assert git(tree, "status", "--porcelain") == "?? untracked.txt"
    assert git(tree, "rev-parse", "HEAD") == head
    assert git(tree, "symbolic-ref", "HEAD") == f"refs/heads/{branch}"
    assert (tree / "a.txt").read_text() == "3\n"
    assert os.access(tree / "a.txt", os.X_OK)
    assert not (tree / "src").exists()
    assert (tree / "link").readlink() == Path("a.txt")
    assert (tree / "untracked.txt").read_text() == "mine\n"


@pytest.mark.parametrize(
    "kind", ["changed", "staged", "in the way", "ignored in the way", "merging", "locked"]
)
def test_a_work_tree_that_is_not_clean_stays_as_it_is(repository: Path, store: GitStore, kind: str) -> None:
    if kind == "changed":
        (repository / "src/b.txt").write_text("dirty\n")
    elif kind == "staged":
        (repository / "staged.txt").write_text("x\n")
        git(repository, "add", "staged.txt")
    elif kind == "merging":
        (repository / ".git/MERGE_HEAD").write_text(git(repository, "rev-parse", "HEAD~1") + "\n")
    elif kind == "locked":
        (repository / ".git/index.lock").touch()
    else:
        (repository / "new.txt").write_text("mine\n")
        if kind.startswith("ignored"):
            (repository / ".git/info/exclude").write_text("new.txt\n")
    remote = LocalRemote(repository)
    base = bring(store, remote)
    head = change(store, base, Edit("a.txt", b"3\n"), Edit("new.txt", b"theirs\n"))

    reason = refusal(lambda: remote.move_branch(store, "refs/heads/main", head, base))
    assert reason.code == "TARGET_CHECKED_OUT"
    assert f"git merge --ff-only {head}" in reason.fix
    assert git(repository, "rev-parse", "main") == base
    assert (repository / "a.txt").read_text() == "2\n"
    if "in the way" in kind:
        assert (repository / "new.txt").read_text() == "mine\n"


def test_a_move_that_was_cut_short_after_the_work_tree_is_finished(repository: Path, store: GitStore) -> None:
    remote = LocalRemote(repository)
    base = bring(store, remote)
    head = change(store, base, Edit("a.txt", b"3\n"))
    remote.push(store, RUN, head, "")
    git(repository, "read-tree", "-um", "HEAD", "autopack/run-1")

    remote.move_branch(store, "refs/heads/main", head, base)
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "rev-parse", "main") == head
    remote.move_branch(store, "refs/heads/main", head, base)


def test_a_branch_moves_forward_only(repository: Path, store: GitStore) -> None:
    remote = LocalRemote(repository)
    base = bring(store, remote)
    other = store.commit(tree=store.commit_tree(base), parents=[], message="other", author=AUTHOR)

    assert (
        refusal(lambda: remote.move_branch(store, "refs/heads/main", other, base)).code == "NOT_FAST_FORWARD"
    )
    head = change(store, base, Edit("new", b"1"))
    git(repository, "commit", "-q", "--allow-empty", "-m", "meanwhile")
    assert refusal(lambda: remote.move_branch(store, "refs/heads/main", head, base)).code == "REF_MOVED"
    assert git(repository, "status", "--porcelain") == ""


def test_what_a_branch_contains_is_told_from_its_history(repository: Path, store: GitStore) -> None:
    remote = LocalRemote(repository)
    base = bring(store, remote)
    first = git(repository, "rev-parse", "main~1")
    ours = change(store, base, Edit("new", b"1"))

    assert remote.contains(store, base, first)
    assert remote.contains(store, base, base)
    assert not remote.contains(store, first, base)
    assert not remote.contains(store, base, ours)
    assert not remote.contains(store, ours, base)


def test_commits_that_a_forge_squashed_are_known_by_their_last_tree(
    repository: Path, store: GitStore
) -> None:
    remote = LocalRemote(repository)
    base = bring(store, remote)
    before = git(repository, "rev-parse", "HEAD^{tree}")
    (repository / "squashed.txt").write_text("1")
    git(repository, "add", "squashed.txt")
    git(repository, "commit", "-q", "-m", "Squashed")
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    git(repository, "commit", "-q", "--allow-empty", "-m", "Later")
    head = git(repository, "rev-parse", "HEAD")

    assert remote.squashed(store, head, base, tree)
    assert not remote.squashed(store, head, base, before)
    assert not remote.squashed(store, head, head, tree)
    assert not remote.squashed(store, head, "9" * 40, tree)


def test_names_that_are_not_utf8_come_and_go_unchanged(repository: Path, store: GitStore) -> None:
    (Path(os.fsdecode(os.fsencode(repository) + b"/caf\xe9"))).write_text("1\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "latin")
    remote = LocalRemote(repository)
    base = bring(store, remote)
    head = change(store, base, Edit("new", b"1"))

    remote.move_branch(store, "refs/heads/main", head, base)
    assert git(repository, "status", "--porcelain") == ""
    assert store.read(head, "caf\udce9") == b"1\n"


def test_a_file_of_the_work_tree_is_told_from_what_is_committed(repository: Path) -> None:
    remote = LocalRemote(repository)
    head = git(repository, "rev-parse", "HEAD")
    policy = repository / "autopack.yaml"
    assert remote.work_tree_file("autopack.yaml") is None
    policy.write_text("version: 1\n")
    assert remote.work_tree_file("autopack.yaml") == WorkTreeFile(
        repository, head, tracked=False, changed=True
    )
    (repository / ".git/info/exclude").write_text("autopack.yaml\n")
    assert remote.work_tree_file("autopack.yaml") == WorkTreeFile(
        repository, head, tracked=False, changed=True
    )
    git(repository, "add", "--force", "autopack.yaml")
    assert remote.work_tree_file("autopack.yaml") == WorkTreeFile(
        repository, head, tracked=False, changed=True
    )
    git(repository, "commit", "-q", "-m", "policy")
    head = git(repository, "rev-parse", "HEAD")
    assert remote.work_tree_file("autopack.yaml") == WorkTreeFile(
        repository, head, tracked=True, changed=False
    )
    policy.unlink()
    assert remote.work_tree_file("autopack.yaml") == WorkTreeFile(
        repository, head, tracked=True, changed=True
    )
