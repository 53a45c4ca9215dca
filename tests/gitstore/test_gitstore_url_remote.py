"""UrlRemote: the same by the git command, over http with a credential and over file for what is the same."""

import base64
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from autopack.errors import AutopackError, Reason
from autopack.gitstore.store import GitStore
from autopack.gitstore.url_remote import UrlRemote
from autopack.gitstore.write_path import Edit, apply_edits
from autopack.policy.paths import PathRules
from autopack.testing.repositories import AUTHOR

RUN = "refs/heads/autopack/run-1"
SECRET = "ada:open sesame"


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A bare repository with three commits on `main` and a tag on the second."""
    git(tmp_path, "init", "-q", "-b", "main", "work")
    work = tmp_path / "work"
    for number in (1, 2, 3):
        (work / "a.txt").write_text(f"{number}\n")
        git(work, "add", ".")
        git(work, "commit", "-q", "-m", f"commit {number}")
        if number == 2:
            git(work, "tag", "-a", "v2", "-m", "two")
    git(tmp_path, "clone", "-q", "--bare", "work", "bare.git")
    git(tmp_path / "bare.git", "config", "http.receivepack", "true")
    return tmp_path / "bare.git"


def git(path: Path, *arguments: str) -> str:
    options = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["git", *options, *arguments], cwd=path, check=True, capture_output=True, text=True, env=environment
    ).stdout.strip()


def by_file(path: Path) -> UrlRemote:
    return UrlRemote(f"file://{path}", schemes=("file",))


def refusal(action: Callable[..., object], *arguments: object) -> Reason:
    with pytest.raises(AutopackError) as caught:
        action(*arguments)
    return caught.value.reasons[0]


def bring(store: GitStore, remote: UrlRemote, revision: str = "main") -> str:
    found = remote.resolve(revision)
    assert found is not None
    remote.fetch(store, [found.commit])
    return found.commit


def change(store: GitStore, base: str, *edits: Edit) -> str:
    tree = apply_edits(store, base, edits, PathRules())
    return store.commit(tree=tree, parents=[base], message="change", author=AUTHOR)


@dataclass
class HttpServer:
    """git's own http-backend behind a password."""

    url: str
    authorizations: list[str | None] = field(default_factory=list)


@pytest.fixture
def server(bare: Path) -> Iterator[HttpServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.authorizations.append(self.headers["Authorization"])
            expected = "Basic " + base64.b64encode(SECRET.encode()).decode()
            if self.headers["Authorization"] != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic")
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            environment = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(bare.parent),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers["Git-Protocol"] or "",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers["Content-Type"] or "",
                "HTTP_CONTENT_ENCODING": self.headers["Content-Encoding"] or "",
                "CONTENT_LENGTH": str(len(body)),
                "REMOTE_USER": "ada",
                "REMOTE_ADDR": "127.0.0.1",
            }
            answer = subprocess.run(
                ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
            ).stdout
            headers, _, content = answer.partition(b"\r\n\r\n")
            lines = dict(line.split(": ", 1) for line in headers.decode().split("\r\n"))
            self.send_response(int(lines.pop("Status", "200").split()[0]))
            for name, value in lines.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        seen = HttpServer(f"http://127.0.0.1:{http.server_port}/bare.git")
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield seen
        http.shutdown()
        thread.join()


def test_revisions_are_branches_tags_and_ids(bare: Path) -> None:
    remote = by_file(bare)
    head, second, first = git(bare, "rev-list", "main").split()

    for revision, commit, branch in (
        ("main", head, "refs/heads/main"),
        ("refs/heads/main", head, "refs/heads/main"),
        ("HEAD", head, "refs/heads/main"),
        ("v2", second, ""),
        (first, first, ""),
    ):
        found = remote.resolve(revision)
        assert found is not None
        assert (found.commit, found.branch) == (commit, branch)
    for revision in ("none", "HEAD~1", "--all", "", "a..b"):
        assert remote.resolve(revision) is None


def test_a_tip_comes_without_its_history(bare: Path, store: GitStore) -> None:
    for revision, contents in (("main", b"3\n"), ("v2", b"2\n")):
        commit = bring(store, by_file(bare), revision)
        assert store.read(commit, "a.txt") == contents
    assert not store.has(git(bare, "rev-parse", "main~2"))


def test_an_older_commit_is_found_in_the_history(bare: Path, store: GitStore) -> None:
    remote = by_file(bare)
    bring(store, remote)
    first = git(bare, "rev-parse", "main~2")

    assert bring(store, remote, first) == first
    assert store.read(first, "a.txt") == b"1\n"


def test_a_commit_that_no_branch_has_is_refused(bare: Path, store: GitStore) -> None:
    remote = by_file(bare)
    base = bring(store, remote)
    ours = change(store, base, Edit("autopack.txt", b"1"))
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    theirs = git(bare, "commit-tree", "-m", "hidden", "main^{tree}")

    for commit in (ours, theirs, "1" * 40):
        assert refusal(remote.fetch, store, [commit]).code == "BASE_NOT_ON_REMOTE"


def test_an_empty_repository_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "empty.git")

    assert refusal(by_file(tmp_path / "empty.git").resolve, "main").code == "REPOSITORY_EMPTY"


def test_pushes_make_and_move_a_branch_once(bare: Path, store: GitStore) -> None:
    remote = by_file(bare)
    base = bring(store, remote)
    one = change(store, base, Edit("new", b"1"))
    two = change(store, one, Edit("new", b"2"))

    for _ in range(2):
        remote.push(store, RUN, one, "")
    remote.push(store, RUN, two, one)
    assert git(bare, "log", "--format=%H", "main..autopack/run-1").split() == [two, one]
    git(bare, "fsck", "--strict")
    assert not (bare / "shallow").exists()


def test_a_push_does_not_need_the_base_to_be_a_tip_any_more(
    bare: Path, store: GitStore, tmp_path: Path
) -> None:
    remote = by_file(bare)
    base = bring(store, remote)
    git(tmp_path / "work", "commit", "-q", "--allow-empty", "-m", "meanwhile")
    git(tmp_path / "work", "push", "-q", str(bare), "main")

    remote.push(store, RUN, change(store, base, Edit("new", b"1")), "")
    git(bare, "fsck", "--strict")
    assert not (bare / "shallow").exists()


def test_a_push_onto_a_branch_that_moved_is_refused(bare: Path, store: GitStore) -> None:
    remote = by_file(bare)
    base = bring(store, remote)
    head = change(store, base, Edit("new", b"1"))
    git(bare, "branch", "autopack/run-1", "main~1")

    for expected in ("", base):
        assert refusal(remote.push, store, RUN, head, expected).code == "REF_MOVED"
    assert git(bare, "rev-parse", "autopack/run-1") == git(bare, "rev-parse", "main~1")


def test_a_push_that_a_hook_refuses_says_why(bare: Path, store: GitStore) -> None:
    hook = bare / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho only on Tuesdays >&2\nexit 1\n")
    hook.chmod(0o755)
    remote = by_file(bare)
    head = change(store, bring(store, remote), Edit("new", b"1"))

    reason = refusal(remote.push, store, RUN, head, "")
    assert reason.code == "PUSH_REFUSED"
    assert "only on Tuesdays" in reason.message


def test_a_branch_moves_forward_only(bare: Path, store: GitStore) -> None:
    remote = by_file(bare)
    base = bring(store, remote)
    head = change(store, base, Edit("new", b"1"))
    other = store.commit(tree=store.commit_tree(base), parents=[], message="other", author=AUTHOR)

    assert refusal(remote.move_branch, store, "refs/heads/main", other, base).code == "NOT_FAST_FORWARD"
    remote.move_branch(store, "refs/heads/main", head, base)
    assert git(bare, "rev-parse", "main") == head


def test_what_a_branch_contains_is_told_from_its_whole_history(bare: Path, store: GitStore) -> None:
    remote = by_file(bare)
    base = bring(store, remote)
    head, second, first = git(bare, "rev-list", "main").split()
    ours = change(store, base, Edit("new", b"1"))

    assert remote.contains(store, head, first)
    assert remote.contains(store, head, head)
    assert remote.contains(store, second, first)
    assert not remote.contains(store, first, head)
    assert not remote.contains(store, head, ours)
    assert not remote.contains(store, head, "1" * 40)


def test_a_credential_opens_what_is_closed_without(server: HttpServer, store: GitStore, bare: Path) -> None:
    remote = UrlRemote(server.url, "forge", {"forge": SECRET}.get)
    head = change(store, bring(store, remote), Edit("new", b"1"))
    remote.push(store, RUN, head, "")

    assert git(bare, "rev-parse", "autopack/run-1") == head
    assert SECRET not in (store.path / "config").read_text()


@pytest.mark.parametrize(
    ("credential", "code"),
    [("", "CREDENTIAL_REFUSED"), ("bad", "CREDENTIAL_REFUSED"), ("none", "CREDENTIAL_UNKNOWN")],
)
def test_without_the_right_credential_it_is_refused(server: HttpServer, credential: str, code: str) -> None:
    remote = UrlRemote(server.url, credential, {"bad": "ada:shut"}.get)

    assert refusal(remote.resolve, "main").code == code


def test_a_credential_is_sent_to_its_own_server_only(server: HttpServer) -> None:
    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", server.url + "/info/refs?service=git-upload-pack")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Redirect) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{http.server_port}/bare.git"
        assert refusal(UrlRemote(url, "forge", {"forge": SECRET}.get).resolve, "main")
        http.shutdown()
        thread.join()
    assert set(server.authorizations) <= {None}


def test_a_server_that_is_not_there_can_be_tried_again(tmp_path: Path) -> None:
    remote = UrlRemote("http://127.0.0.1:1/bare.git")
    assert refusal(remote.resolve, "main").code == "REMOTE_UNREACHABLE"
    assert refusal(by_file(tmp_path / "none.git").resolve, "main").code == "REPOSITORY_NOT_FOUND"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/repository",
        "../repository",
        "file:///srv/repository",
        "ext::sh -c touch% /tmp/x",
        "fd::17",
        "--upload-pack=touch",
        "-u",
        "https://",
        "https://host",
        "https://ho st/x",
        "https://host/x\n",
        "ssh://-oProxyCommand=touch/x",
        "-oProxyCommand=touch:x",
        "host:-x",
    ],
)
def test_what_is_no_url_of_a_remote_is_refused(url: str) -> None:
    assert refusal(UrlRemote, url).code == "URL_INVALID"


def test_a_url_with_a_secret_in_it_is_refused() -> None:
    for url in ("https://ada:secret@host/x.git", "https://token@host/x.git", "ssh://git:secret@host/x"):
        reason = refusal(UrlRemote, url)
        assert reason.code == "CREDENTIAL_IN_URL"
        assert "secret" not in reason.message


@pytest.mark.parametrize(
    "url", ["https://h/x.git", "ssh://git@h:22/x", "git@h:x/y.git", "git://h/x", "http://h/x"]
)
def test_urls_of_every_usual_kind_are_taken(url: str) -> None:
    assert UrlRemote(url).url == url
    assert UrlRemote(url + "/").identity == UrlRemote(url).identity
