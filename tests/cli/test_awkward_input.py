"""Bad and awkward input, by the real command on real repositories: it works, or is told before the run."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

POLICY = "version: 1\nproject: p\nchecks: [{name: check, run: 'true', reports: none}]\n"
PROJECT = {"autopack.yaml": POLICY, "a.txt": "one\ntwo\n", "src/b.txt": "b\n", "dos.txt": "one\r\ntwo\r\n"}


def phase(name: str, builder: dict[str, Any], *paths: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "goal": name, "scope": {"paths": list(paths or ("**",))}, "builder": builder, **more}


def files(**contents: str | None) -> dict[str, Any]:
    return {"kind": "patch", "files": contents}


def diff(text: str) -> dict[str, Any]:
    return {"kind": "patch", "diff": text}


def new_file(path: str) -> dict[str, Any]:
    return diff(f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n")


WRITE = phase("write", files(**{"new.txt": "new\n"}))
EDIT = "--- a/{0}\n+++ b/{0}\n@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n"


@pytest.fixture(scope="module")
def world(make_world: Any) -> Iterator[Any]:
    with make_world(PROJECT) as found:
        yield found


def refused(world: Any, *arguments: str, plan: Path | None = None) -> list[str]:
    """Codes of a command that ends with 2 and leaves runs and refs as they were."""
    before = (world.repository.git("for-each-ref"), world.autopack("runs", "--json").json)
    ended = world.autopack("run", str(plan or world.plan(WRITE)), *arguments, "--json")
    assert ended.code == 2, ended.stderr
    assert (world.repository.git("for-each-ref"), world.autopack("runs", "--json").json) == before
    assert all(reason["fix"] for reason in ended.json["reasons"])
    return [reason["code"] for reason in ended.json["reasons"]]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../x", "PATH_ESCAPES"),
        ("./.git/x", "PATH_PROTECTED"),
        ("a/../.git/x", "PATH_ESCAPES"),
        ("/etc/x", "PATH_ESCAPES"),
        ("x" * 5000, "PATH_TOO_LONG"),
        (".github/workflows/ci.yml", "PATH_PROTECTED"),
    ],
)
def test_paths_that_escape_are_refused_in_files_and_diffs(world: Any, path: str, code: str) -> None:
    assert refused(world, plan=world.plan(phase("a", files(**{path: "x"})))) == [code]
    assert refused(world, plan=world.plan(phase("a", new_file(path)))) == [code]


def test_patches_that_are_none_or_do_not_fit_are_refused_with_every_reason(world: Any) -> None:
    binary = "diff --git a/x b/x\nBinary files a/x and b/x differ\n"
    plan = world.plan(
        phase("garbage", diff("not a diff\n")),
        phase("binary", diff(binary)),
        phase("misfit", diff(EDIT.format("src/b.txt"))),
        phase("outside", new_file("c.txt"), "src/**"),
        phase("nothing", files(**{"src/b.txt": "b\n"})),
        phase("later", diff("rubbish\n"), depends_on=["garbage"]),
    )
    assert refused(world, plan=plan) == [
        *("PATCH_INVALID", "PATCH_BINARY", "PATCH_DOES_NOT_APPLY", "PATH_OUT_OF_SCOPE", "NO_CHANGE"),
        "PATCH_INVALID",
    ]


def test_a_patch_of_50_mb_is_told_with_its_weight(world: Any) -> None:
    large = world.directory / "large.patch"
    large.write_bytes(b"+" * 50_000_000)
    plan = world.plan(phase("a", diff("large.patch")))
    ended = world.autopack("run", str(plan), "--json")
    assert (ended.code, ended.json["error"]["code"]) == (2, "PATCH_TOO_LARGE")
    assert "50000000 bytes" in ended.json["error"]["message"]
    done = world.autopack("do", "x", "--builder", "patch", "--diff", str(large), "--scope", "**", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "PATCH_TOO_LARGE")
    assert "50000000 bytes" in done.json["error"]["message"]


def test_carriage_returns_renames_and_modes_land_as_they_are(world: Any) -> None:
    plan = world.plan(
        phase("dos", diff(EDIT.format("dos.txt"))),
        phase(
            "move", diff("diff --git a/src/b.txt b/src/c.txt\nrename from src/b.txt\nrename to src/c.txt\n")
        ),
        phase("mode", diff("diff --git a/a.txt b/a.txt\nold mode 100644\nnew mode 100755\n")),
        phase("then", diff(EDIT.format("a.txt")), depends_on=["mode"]),
    )
    ended = world.autopack("run", str(plan), "--run-id", "awkward", "--json")
    assert (ended.code, ended.json["state"]) == (0, "SUCCEEDED")
    shown = subprocess.check_output(["git", "-C", world.repository.path, "show", "autopack/awkward:dos.txt"])
    assert shown == b"ONE\r\ntwo\r\n"
    listed = world.repository.git("ls-tree", "-r", "autopack/awkward")
    assert "src/c.txt" in listed
    assert "src/b.txt" not in listed
    assert "100755" in next(line for line in listed.splitlines() if line.endswith("a.txt"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("phases: [\n", "YAML_INVALID"),
        ("just words\n", "NOT_A_PLAN"),
        ("", "NOT_A_PLAN"),
        ("\x00", "YAML_INVALID"),
        ("version: 1\nname: n\nphases: []\n", "PLAN_INVALID"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(world: Any, text: str, code: str) -> None:
    plan = world.directory / "no-plan.yaml"
    plan.write_text(text)
    assert refused(world, plan=plan)[0] == code


def test_unknown_words_are_told_with_the_nearest_that_is_known(world: Any) -> None:
    plan = world.plan({**WRITE, "category": "bugfix"})
    ended = world.autopack("run", str(plan), "--json")
    assert (ended.code, ended.json["error"]["code"]) == (2, "UNKNOWN_CATEGORY")
    assert "`bug_fix`" in ended.json["error"]["fix"]
    gate = world.autopack("gate", "--base", "main", "--head", "main", "--category", "dependancy", "--json")
    assert (gate.code, gate.json["error"]["code"]) == (2, "UNKNOWN_CATEGORY")
    assert "`dependency`" in gate.json["error"]["fix"]


@pytest.mark.parametrize("run_id", ["", "a..b", "a.lock", "../x", "A", "tidy-1"])
def test_run_ids_that_name_no_branch_are_refused(world: Any, run_id: str) -> None:
    assert refused(world, "--run-id", run_id) == ["RUN_ID_INVALID"]


def test_validate_knows_patches_that_fit_nowhere(world: Any) -> None:
    plan = world.plan(phase("a", diff("rubbish\n")), phase("b", new_file(".github/x")), WRITE)
    ended = world.autopack("validate", str(plan), "--json")
    assert ended.code == 2
    assert [reason["code"] for reason in ended.json["reasons"]] == ["PATCH_INVALID", "PATH_PROTECTED"]


def run_in(world: Any, repository: Path, run_id: str, *arguments: str) -> Any:
    plan = world.plan(WRITE, base="HEAD")
    return world.autopack(
        "run", str(plan), "--repo", str(repository), "--run-id", run_id, *arguments, "--json"
    )


def test_an_empty_repository_is_told(world: Any, make_repository: Any) -> None:
    empty = make_repository(world.directory / "empty")
    ended = run_in(world, empty.path, "empty")
    assert (ended.code, ended.json["error"]["code"]) == (2, "REPOSITORY_EMPTY")


def test_bare_shallow_and_detached_repositories_work(world: Any) -> None:
    bare, shallow = world.directory / "bare.git", world.directory / "shallow"
    world.repository.git("clone", "-q", "--bare", ".", str(bare))
    world.repository.git("clone", "-q", "--depth=1", world.repository.path.as_uri(), str(shallow))
    detached = world.directory / "detached"
    world.repository.git("worktree", "add", "-q", "--detach", str(detached), "main")
    for number, repository in enumerate((bare, shallow, detached)):
        ended = run_in(world, repository, f"kind-{number}")
        assert (ended.code, ended.json["state"]) == (0, "SUCCEEDED"), repository


def test_a_dirty_work_tree_is_noticed_and_an_edited_policy_refused(world: Any, make_repository: Any) -> None:
    dirty = make_repository(world.directory / "dirty", PROJECT)
    dirty.write({"a.txt": "edited\n"})
    ended = run_in(world, dirty.path, "dirty")
    assert ended.code == 0
    assert "DIRTY_WORK_TREE" in ended.stderr
    assert (dirty.path / "a.txt").read_text() == "edited\n"
    dirty.write({"autopack.yaml": POLICY + "risk: {reject_at: 10, approve_at: 5}\n"})
    ended = run_in(world, dirty.path, "edited")
    assert (ended.code, ended.json["error"]["code"]) == (2, "POLICY_NOT_COMMITTED")
    assert f"git -C {dirty.path} commit" in ended.json["error"]["fix"]


def test_names_that_are_not_utf8_and_links_stay_as_they_are(world: Any, make_repository: Any) -> None:
    odd = make_repository(world.directory / "odd", PROJECT)
    (Path(os.fsdecode(os.fsencode(odd.path) + b"/caf\xe9"))).write_text("x")
    (odd.path / "link").symlink_to("src")
    odd.commit({}, "odd names")
    assert run_in(world, odd.path, "odd").code == 0
    through = world.plan(phase("a", files(**{"link/x": "x"})), base="HEAD")
    ended = world.autopack("run", str(through), "--repo", str(odd.path), "--json")
    assert (ended.code, ended.json["error"]["code"]) == (2, "PATH_THROUGH_SYMLINK")


def test_submodules_and_lfs_pointers_are_noticed(world: Any, make_repository: Any) -> None:
    both = make_repository(world.directory / "modules", PROJECT)
    head = both.git("rev-parse", "HEAD")
    both.git("update-index", "--add", "--cacheinfo", f"160000,{head},sub")
    both.write({".gitattributes": "*.bin filter=lfs -text\n"})
    both.git("add", ".gitattributes")
    both.git("commit", "-q", "-m", "modules")
    ended = run_in(world, both.path, "modules")
    assert ended.code == 0
    assert "SUBMODULES" in ended.stderr
    assert "LFS_POINTERS" in ended.stderr


def test_a_command_that_prints_a_gigabyte_is_ended_with_a_reason(world: Any) -> None:
    loud = phase("loud", {"kind": "command", "run": "head -c 1000000000 /dev/zero"}, budget={"attempts": 3})
    ended = world.run("loud", loud)
    assert ended.code == 1
    (failed,) = ended.json["phases"]
    assert failed["reasons"][0]["code"] == "COMMAND_OVER_LIMIT"
    assert len(failed["attempts"]) == 2, "the very same again: a third attempt mends nothing"


def test_a_tier_that_does_not_exist_is_told_before_any_run(
    autopack: Any, repository: Any, tmp_path: Path
) -> None:
    repository.commit(PROJECT)
    plan = tmp_path / "plan.yaml"
    plan.write_text(json.dumps({"version": 1, "name": "n", "phases": [WRITE]}))
    ended = autopack("run", str(plan), "--json", AUTOPACK_SANDBOX_TIER="docker")
    assert (ended.code, ended.json["error"]["code"]) == (2, "SETTING_INVALID")
    assert "AUTOPACK_SANDBOX_TIER" in ended.json["error"]["message"]
    assert autopack("runs", "--json").json["runs"] == []


def test_a_tier_that_this_installation_does_not_use_ends_with_4_before_any_run(
    autopack: Any, repository: Any, tmp_path: Path
) -> None:
    repository.commit({**PROJECT, "autopack.yaml": POLICY + "sandbox: {tier: namespaces}\n"})
    plan = tmp_path / "plan.yaml"
    plan.write_text(json.dumps({"version": 1, "name": "n", "phases": [WRITE]}))
    ended = autopack("run", str(plan), "--json", AUTOPACK_SANDBOX_TIER="landlock")
    assert (ended.code, ended.json["error"]["code"]) == (4, "SANDBOX_UNAVAILABLE")
    assert autopack("runs", "--json").json["runs"] == []


def test_errors_into_a_closed_pipe_end_quietly(autopack: Any) -> None:
    with autopack.start("validate", "no-such-file.yaml", "--json") as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_the_gate_prints_the_commands_that_approve(world: Any) -> None:
    world.repository.git("checkout", "-q", "-b", "asking", "main")
    world.repository.commit({"requirements.txt": "python-escpos==3.1\n"}, "ask")
    world.repository.git("checkout", "-q", "main")
    asked = world.autopack("gate", "--base", "main", "--head", "asking")
    assert asked.code == 3
    look, consent, again = (line.strip() for line in asked.stdout.splitlines()[-3:])
    assert look == "git diff main...asking"
    assert again.startswith("autopack gate --base main --head asking")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path}
    subprocess.run(consent, shell=True, check=True, cwd=world.repository.path, env=environ)
    approved = world.autopack(*again.split()[1:])
    (world.repository.path / "approvals.yaml").unlink()
    assert approved.code == 0, approved.stdout
