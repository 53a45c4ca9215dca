"""The builder `patch`: what it applies, and what the one write path refuses of it."""

import pytest

from autopack.errors import InvalidInput, ResourceExhausted
from autopack.testing.repositories import Files
from tests.builder_svc.builder_harness import FILES, TOKEN, Client, codes, failure, patch, whole

DIFF = """\
--- a/src/a.py
+++ b/src/a.py
@@ -1,2 +1,2 @@
 def a():
-    return 1
+    return 2
"""


async def test_a_diff_becomes_one_commit_on_the_base_that_the_owner_has(client: Client) -> None:
    request = client.request(patch(DIFF))
    build = await client.build(request)
    assert client.changed(build) == {"src/a.py": b"def a():\n    return 2\n"}
    assert client.owner.store.parents(build.commit) == (request.base,)
    assert (build.request_id, build.builder_kind, build.exchange_digest) == (request.request_id, "patch", "")
    assert build.usage.seconds > 0
    assert not build.usage.HasField("usd")
    (header,) = client.owner.received
    assert (header.commit, header.upload_token) == (build.commit, TOKEN)
    assert header.request_id == request.request_id


async def test_whole_files_are_written_added_and_removed(client: Client) -> None:
    build = await client.build(
        client.request(whole({"src/a.py": "new\n", "src/c/d.py": "", "src/b.py": None}))
    )
    assert client.changed(build) == {"src/a.py": b"new\n", "src/c/d.py": b"", "src/b.py": None}


async def test_the_same_change_is_the_same_commit(client: Client) -> None:
    first = client.request(patch(DIFF), request_id="r/p/1/build")
    build = await client.build(first)
    assert (await client.build(first)).commit == build.commit
    store = client.owner.store
    assert store.message(build.commit) == "r/p/1/build\n"


async def test_crlf_renames_modes_and_names_in_quotes_are_kept(client: Client) -> None:
    files = {
        "src/crlf.txt": b"one\r\ntwo\r\n",
        "src/old name.py": b"print(1)\n",
        "src/tool.sh": b"#!/bin/sh\n",
    }
    diff = (
        "diff --git a/src/crlf.txt b/src/crlf.txt\n--- a/src/crlf.txt\n+++ b/src/crlf.txt\n"
        "@@ -1,2 +1,2 @@\n one\r\n-two\r\n+three\r\n"
        "diff --git a/src/old name.py b/src/n\u00e4me.py\nsimilarity index 100%\n"
        "rename from src/old name.py\nrename to src/n\u00e4me.py\n"
        "diff --git a/src/tool.sh b/src/tool.sh\nold mode 100644\nnew mode 100755\n"
    )
    build = await client.build(client.request(patch(diff), files=files))
    assert client.changed(build) == {
        "src/crlf.txt": b"one\r\nthree\r\n",
        "src/n\u00e4me.py": b"print(1)\n",
        "src/old name.py": None,
        "src/tool.sh": b"#!/bin/sh\n",
    }
    (base,) = client.owner.store.parents(build.commit)
    modes = {change.path: change.new_mode for change in client.owner.store.diff(base, build.commit)}
    assert modes["src/tool.sh"] == 0o100755


@pytest.mark.parametrize(
    ("diff", "code", "path"),
    [
        (DIFF.replace("return 1", "return 7"), "PATCH_DOES_NOT_APPLY", "src/a.py"),
        (DIFF.replace("src/a.py", "src/gone.py"), "PATCH_DOES_NOT_APPLY", "src/gone.py"),
        (DIFF[:-15], "PATCH_INVALID", ""),
        ("I think you should return 2.", "PATCH_INVALID", ""),
        ("```diff\n" + DIFF[20:], "PATCH_INVALID", ""),
        (
            "diff --git a/src/x.png b/src/x.png\nnew file mode 100644\n"
            "Binary files /dev/null and b/src/x.png differ\n",
            "PATCH_BINARY",
            "",
        ),
        (DIFF.replace("+    return 2", "+    return 1"), "NO_CHANGE", ""),
    ],
)
async def test_a_diff_that_is_no_good_fails_with_its_code(
    client: Client, diff: str, code: str, path: str
) -> None:
    build = await client.build(client.request(patch(diff)))
    assert failure(build) == code
    assert build.reasons[0].path == path


async def test_a_name_that_is_not_utf8_is_refused(client: Client) -> None:
    diff = (
        'diff --git "a/src/\\377.txt" "b/src/\\377.txt"\nnew file mode 100644\n'
        '--- /dev/null\n+++ "b/src/\\377.txt"\n@@ -0,0 +1 @@\n+x\n'
    )
    build = await client.build(client.request(patch(diff)))
    assert failure(build) in {"PATH_INVALID", "PATH_NOT_UTF8"}


async def test_a_base_with_names_that_are_not_utf8_can_be_worked_on(client: Client) -> None:
    build = await client.build(client.request(patch(DIFF), files={**FILES, "src/\udcff.txt": b"x"}))
    assert client.changed(build) == {"src/a.py": b"def a():\n    return 2\n"}


ESCAPES = [
    "../x",
    "a/../../x",
    "/etc/passwd",
    "./.git/x",
    "a/../.git/x",
    ".git/hooks/post-checkout",
    ".GIT/config",
    ".g\u200cit/config",
    "src/.git/config",
    "git~1/config",
    "x\x00y",
    "src/" + "a" * 5000,
    "",
    "src/..",
]


@pytest.mark.parametrize("path", ESCAPES, ids=ascii)
async def test_a_path_that_escapes_is_refused_in_every_spelling(client: Client, path: str) -> None:
    request = client.request(whole({path: "x"}), scope=["**"])
    try:
        code = failure(await client.build(request))
    except InvalidInput as refused:
        code = refused.reasons[0].code
    assert code.startswith(("PATH_", "PHASE_INVALID", "REQUEST_INVALID"))
    assert not client.owner.received


@pytest.mark.parametrize("path", [path for path in ESCAPES if path and "\0" not in path], ids=ascii)
async def test_a_diff_with_a_path_that_escapes_is_refused_too(client: Client, path: str) -> None:
    diff = f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
    build = await client.build(client.request(patch(diff), scope=["**"]))
    assert failure(build).startswith(("PATH_", "PATCH_INVALID"))


async def test_a_path_through_a_symbolic_link_is_refused(client: Client) -> None:
    files: Files = {**FILES, "src/link": (0o120000, b"../tests")}
    build = await client.build(client.request(whole({"src/link/x.py": "x"}), files=files))
    assert codes(build)[0] == ("PATH_THROUGH_SYMLINK", "src/link/x.py")


async def test_every_path_out_of_scope_or_protected_is_named(client: Client) -> None:
    paths = ["src/a.py", "tests/test_a.py", "README.md", ".github/workflows/ci.yml", "autopack.yaml"]
    build = await client.build(
        client.request(whole(dict.fromkeys(paths, "x\n")), scope=["src/**", ".github/**"])
    )
    assert failure(build)
    assert {path: code for code, path in codes(build)} == {
        "tests/test_a.py": "PATH_OUT_OF_SCOPE",
        "README.md": "PATH_OUT_OF_SCOPE",
        ".github/workflows/ci.yml": "PATH_PROTECTED",
        "autopack.yaml": "PATH_PROTECTED",
    }


async def test_the_policy_of_the_policy_commit_decides_and_deny_beats_allow(client: Client) -> None:
    policy = 'version: 1\npaths: {allow: ["src/**"], protect: ["src/b.py"]}\n'
    build = await client.build(
        client.request(whole({"src/b.py": "x", "README.md": "x"}), policy=policy, scope=["**"])
    )
    assert set(codes(build)) == {("PATH_PROTECTED", "src/b.py"), ("PATH_NOT_ALLOWED", "README.md")}


async def test_a_policy_that_cannot_be_read_fails_the_build(client: Client) -> None:
    build = await client.build(client.request(patch(DIFF), policy="version: 1\nchekcs: []\n"))
    assert failure(build) == "UNKNOWN_KEY"


async def test_conflict_markers_in_the_result_are_refused_with_their_line(client: Client) -> None:
    contents = "one\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> theirs\n"
    build = await client.build(client.request(whole({"src/a.py": contents})))
    (reason,) = build.reasons
    assert (reason.code, reason.path, reason.line) == ("CONFLICT_MARKERS", "src/a.py", 2)


async def test_markers_that_were_there_before_and_underlined_headings_are_no_conflict(client: Client) -> None:
    marked = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> theirs\n"
    files = {**FILES, "src/sample.txt": marked.encode()}
    builder = whole({"src/sample.txt": marked + "more\n", "src/doc.rst": "Heading\n=======\n"})
    assert set(client.changed(await client.build(client.request(builder, files=files)))) == {
        "src/sample.txt",
        "src/doc.rst",
    }


async def test_a_patch_of_50_mb_is_refused_before_it_is_read(client: Client) -> None:
    with pytest.raises(ResourceExhausted):
        await client.start(client.request(patch("x" * 50_000_000)))
    assert client.changed(await client.build(client.request(patch(DIFF))))
