"""What a set-up has made is unpacked inside its own directory, whatever its archive names."""

import io
import tarfile
from pathlib import Path

import pytest

from autopack.errors import FailedPrecondition
from gate_svc.environments import _unpack


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


def archive(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for each in members:
            tar.addfile(each)
    return buffer.getvalue()


def test_files_and_links_of_its_own_are_there_and_what_was_given_is_not(tmp_path: Path) -> None:
    made = archive(member("bin/tool", mode=0o4755), member("bin/t", tarfile.SYMTYPE, "tool"), member("lock"))
    _unpack(made, tmp_path / "files", {"lock"})
    tool = tmp_path / "files/bin/tool"
    assert (tool.stat().st_mode & 0o7777, (tool.parent / "t").resolve()) == (0o755, tool)
    assert not (tmp_path / "files/lock").exists()


@pytest.mark.parametrize(
    "members",
    [
        [member("../outside")],
        [member("a", tarfile.SYMTYPE, ".."), member("a/outside")],
        [member("a", tarfile.SYMTYPE, "../.."), member("b", tarfile.LNKTYPE, "a/outside")],
    ],
)
def test_nothing_is_written_beside_it(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    with pytest.raises(FailedPrecondition, match="could not be unpacked"):
        _unpack(archive(*members), tmp_path / "files", set())
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


def test_pipes_and_devices_are_left_out(tmp_path: Path) -> None:
    _unpack(archive(member("pipe", tarfile.FIFOTYPE), member("kept")), tmp_path / "files", set())
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["kept"]
