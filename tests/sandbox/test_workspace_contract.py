"""What every tier promises of a workspace: the base below, the change on top, the command's outcome."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from autopack.errors import InvalidInput
from autopack.gitstore.write_path import Edit
from autopack.sandbox import Command, Limits, Result, Sandbox, Workspace

Run = Callable[..., Awaitable[Result]]

FORMS = ["namespaces", "namespaces copied", "landlock", *(["landlock 4"] if os.geteuid() else [])]
pytestmark = pytest.mark.parametrize("sandbox", FORMS, indirect=True)


def workspaces_in(state: Path) -> list[Path]:
    return list(state.rglob("workspace-*"))


async def test_command_sees_the_base_and_its_exit_code_and_output_come_back(run: Run) -> None:
    result = await run("cat README; ./run.sh; echo oops >&2; exit 3")
    assert (result.exit_code, result.signal, result.limit) == (3, None, None)
    assert result.output == b"read me\nran\noops\n"
    assert not result.output_truncated
    assert result.seconds > 0
    assert (result.peak_memory_mb or 0) > 0


async def test_standard_streams_can_be_opened_by_name(run: Run) -> None:
    result = await run("echo a >/dev/stdout; echo b >/dev/stderr; echo c | cat /dev/stdin")
    assert result.output == b"a\nb\nc\n"


async def test_a_line_stops_at_its_first_failing_command(run: Run) -> None:
    assert (await run("false; echo never")).output == b""


@pytest.mark.parametrize("line", ["-c 'echo no'", "+x"])
async def test_a_line_is_never_an_option_of_the_shell(run: Run, line: str) -> None:
    assert b"not found" in (await run(line)).output


async def test_death_by_signal_is_told(run: Run) -> None:
    result = await run("sh -c 'kill -SEGV $$'")
    assert (result.exit_code, result.signal) == (139, 11)


async def test_applied_change_is_what_commands_see(workspace: Workspace, run: Run) -> None:
    await workspace.apply(
        [
            Edit("package/module.py", b"value = 2\n"),
            Edit("new/deep/tool", b"#!/bin/sh\necho tool\n", executable=True),
            Edit("README", None),
            Edit("run.sh", b"#!/bin/sh\necho changed\n"),
            Edit("link", b"run.sh", symlink=True),
        ]
    )
    result = await run("cat package/module.py; new/deep/tool; test ! -e README; ./run.sh; ./link")
    assert result.output == b"value = 2\ntool\nchanged\nchanged\n"
    assert result.exit_code == 0


async def test_a_directory_without_files_is_gone_and_can_come_back(workspace: Workspace, run: Run) -> None:
    await workspace.apply([Edit("package/module.py", None)])
    assert (await run("test ! -e package")).exit_code == 0
    await workspace.apply([Edit("package/other.py", b"")])
    assert (await run("ls package")).output == b"other.py\n"
    assert await workspace.changes() == (
        Edit("package/module.py", None),
        Edit("package/other.py", b"", False),
    )


async def test_changes_are_what_differs_from_the_base(workspace: Workspace, run: Run, base: Path) -> None:
    await run("echo more >>README; rm run.sh; mkdir -p a/b; echo x >a/b/c; chmod +x a/b/c; ln -s b a/l")
    assert await workspace.changes() == (
        Edit("README", b"read me\nmore\n", False),
        Edit("a/b/c", b"x\n", True),
        Edit("a/l", b"b", None, symlink=True),
        Edit("run.sh", None),
    )
    assert (base / "README").read_text() == "read me\n"
    assert (base / "run.sh").exists()


@pytest.mark.parametrize(
    "line",
    [
        "touch README; cp README copy; mv copy README",
        "chmod 600 README",
        "mkdir empty",
        "mv package p; mv p package",
        "rm -r package; mkdir package; printf 'value = 1\\n' >package/module.py",
        "rm link; ln -s README link",
        "ln README hard; rm README; mv hard README",
    ],
)
async def test_what_is_the_same_in_the_end_is_no_change(workspace: Workspace, run: Run, line: str) -> None:
    assert (await run(line)).exit_code == 0
    assert await workspace.changes() == ()


async def test_mode_alone_is_a_change(workspace: Workspace, run: Run) -> None:
    await run("chmod +x README; chmod -x run.sh")
    assert await workspace.changes() == (
        Edit("README", b"read me\n", True),
        Edit("run.sh", b"#!/bin/sh\necho ran\n", False),
    )


async def test_file_becomes_directory_and_directory_becomes_file(workspace: Workspace, run: Run) -> None:
    assert (
        await run("rm README; mkdir README; echo i >README/in; rm -r package; echo f >package")
    ).exit_code == 0
    assert await workspace.changes() == (
        Edit("README", None),
        Edit("README/in", b"i\n", False),
        Edit("package", b"f\n", False),
        Edit("package/module.py", None),
    )


async def test_a_change_over_what_a_command_made_wins(workspace: Workspace, run: Run, base: Path) -> None:
    await run("rm -r package README; ln -s / package; mkdir README; echo x >README/y")
    await workspace.apply([Edit("package/new.py", b"n"), Edit("README", b"again")])
    assert (await run("ls package; cat README")).output == b"new.py\nagain"
    assert await workspace.changes() == (
        Edit("README", b"again", False),
        Edit("package/module.py", None),
        Edit("package/new.py", b"n", False),
    )


async def test_names_that_are_not_utf8_come_back_as_git_has_them(workspace: Workspace, run: Run) -> None:
    await run("touch \"$(printf 'a\\377')\"")
    assert await workspace.changes() == (Edit("a\udcff", b"", False),)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("mkfifo pipe", "SPECIAL_FILE"),
        ("python -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\")'", "SPECIAL_FILE"),
        ("touch s; chmod u+s s", "SPECIAL_FILE"),
        ("ln -s /etc/passwd l", "SYMLINK_ESCAPES"),
        ("ln -s ../up l", "SYMLINK_ESCAPES"),
        ("rm README; ln -s package/../../x README", "SYMLINK_ESCAPES"),
        ("truncate -s 11000000 big", "CHANGE_TOO_LARGE"),
        ("mkdir d; cd d; seq 1 5001 | xargs touch", "CHANGE_TOO_LARGE"),
        (
            'python -c \'import os\nfor i in range(60): os.mkdir("d"*60); os.chdir("d"*60)\nopen("x","w")\'',
            "PATH_TOO_LONG",
        ),
    ],
)
async def test_what_no_change_may_hold_is_refused(
    workspace: Workspace, run: Run, sandbox: Sandbox, line: str, code: str
) -> None:
    if sandbox.tier == "landlock" and "AF_UNIX" in line:
        pytest.skip("this tier has no sockets at all")
    result = await run(line)
    assert result.exit_code == 0, result.output
    with pytest.raises(InvalidInput) as refused:
        await workspace.changes()
    assert refused.value.reasons[0].code == code


async def test_closed_files_and_directories_do_not_hide_anything(workspace: Workspace, run: Run) -> None:
    await run("mkdir d; echo x >d/f; chmod 000 d/f d")
    assert await workspace.changes() == (Edit("d/f", b"x\n", False),)


async def test_reports_are_read_back_and_fresh_for_each_run(workspace: Workspace, run: Run) -> None:
    assert await workspace.read_report("r.xml", 100) is None
    await run(
        'echo ok >"$AUTOPACK_REPORTS/r.xml"; mkdir "$AUTOPACK_REPORTS/d"; echo in >"$AUTOPACK_REPORTS/d/f"'
    )
    assert await workspace.read_report("r.xml", 100) == b"ok\n"
    assert await workspace.read_report("d/f", 100) == b"in\n"
    assert await workspace.changes() == ()
    await run("true")
    assert await workspace.read_report("r.xml", 100) is None


async def test_reports_that_are_no_honest_files_are_not_read(workspace: Workspace, run: Run) -> None:
    await run('cd "$AUTOPACK_REPORTS"; ln -s /etc/passwd l; mkfifo p; ln -s / d; echo 12345 >long')
    for name in ("l", "p", "d", "d/etc/passwd"):
        assert await workspace.read_report(name, 100_000) is None
    for name in ("../base/README", "/etc/passwd", "."):
        with pytest.raises(InvalidInput, match="PATH_ESCAPES"):
            await workspace.read_report(name, 100_000)
    with pytest.raises(InvalidInput, match="REPORT_TOO_LARGE"):
        await workspace.read_report("long", 5)


async def test_only_named_variables(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "hunter2")
    command = Command("env", environment={"GREETING": "hello world", "LD_PRELOAD": ""})
    names = {}
    for line in (await workspace.run(command, Limits(10))).output.decode().splitlines():
        name, _, value = line.partition("=")
        names[name] = value
    assert names["GREETING"] == "hello world"
    assert names["TZ"] == "UTC"
    assert names["LANG"] == "C.UTF-8"
    assert names["PYTHONHASHSEED"] == "0"
    known = {"AUTOPACK_REPORTS", "HOME", "LANG", "LD_PRELOAD", "GREETING", "PATH", "PYTHONDONTWRITEBYTECODE"}
    assert set(names) <= known | {"PYTHONHASHSEED", "TMPDIR", "TZ", "PWD", "OLDPWD", "_", "SHLVL"}


async def test_home_and_temporary_directory_are_empty_and_writable(run: Run) -> None:
    result = await run('ls -A "$HOME" "$TMPDIR"; echo 1 >"$HOME/f"; echo 1 >"$TMPDIR/f"')
    assert result.exit_code == 0, result.output
    assert b"f" not in result.output.splitlines()


async def test_our_python_and_its_packages_are_there_but_cannot_be_written(run: Run) -> None:
    result = await run(
        "p=$(python -c 'import pytest; print(pytest.__file__)')\nif echo 1 >>$p; then echo written; fi"
    )
    assert result.exit_code == 0, result.output
    assert b"written" not in result.output


async def test_read_only_paths_are_no_changes(workspace: Workspace, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "data").write_text("given")
    command = Command(
        "cat given/data; if echo x >given/data; then echo written; fi",
        read_only={f"{workspace.root}/given": given},
    )
    result = await workspace.run(command, Limits(10))
    assert result.output.startswith(b"given")
    assert b"written" not in result.output
    assert await workspace.changes() == ()
    assert (given / "data").read_text() == "given"


async def test_read_only_paths_appear_where_they_are_on_this_machine(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Also below a directory that is closed to everybody else."""
    given = tmp_path / "closed" / "file"
    given.parent.mkdir(mode=0o700)
    given.write_text("given")
    (given.parent / "other").write_text("not given")
    command = Command(f"cat {given}; cat {given.parent}/other", read_only={str(given): given})
    for _ in range(2):
        result = await workspace.run(command, Limits(10))
        assert result.output.startswith(b"given")
        assert b"not given" not in result.output


@pytest.mark.parametrize(
    "command",
    [
        Command("echo \0"),
        Command("x" * 200_000),
        Command("true", environment={"A=B": "c"}),
        Command("true", environment={"A": "b\0"}),
        Command("true", read_only={"relative": Path("/usr")}),
        Command("true", read_only={"/a/../b": Path("/usr")}),
        Command("true", read_only={"/a": Path("/does/not/exist")}),
    ],
)
async def test_a_command_that_cannot_be_passed_on_is_refused(workspace: Workspace, command: Command) -> None:
    with pytest.raises(InvalidInput, match="COMMAND_INVALID"):
        await workspace.run(command, Limits(10))


async def test_two_workspaces_of_one_base_do_not_see_each_other(sandbox: Sandbox, base: Path) -> None:
    async with sandbox.open(base) as one, sandbox.open(base) as other:
        await one.run(Command("echo one >README"), Limits(10))
        assert (await other.run(Command("cat README"), Limits(10))).output == b"read me\n"


async def test_leaving_removes_all_of_it(sandbox: Sandbox, base: Path, state: Path) -> None:
    async with sandbox.open(base) as opened:
        await opened.run(Command("mkdir -p d/e; chmod 000 d/e d; touch f"), Limits(10))
        assert len(workspaces_in(state)) == 1
    assert not workspaces_in(state)
    await sandbox.close()
    assert not os.listdir(state)


async def test_trees_too_deep_for_a_path_are_removed_too(sandbox: Sandbox, base: Path, state: Path) -> None:
    async with sandbox.open(base) as opened:
        line = 'python -c \'import os\nfor i in range(1500): os.mkdir("d"*9); os.chdir("d"*9)\''
        assert (await opened.run(Command(line), Limits(20))).limit in (None, "disk")
    assert not workspaces_in(state)
