"""Where the all-in-one keeps its state: one home, sockets with paths that are short enough."""

import os
import stat
from pathlib import Path

import pytest

from autopack.errors import FailedPrecondition
from autopack.host.places import LEASE_SOCKET, SERVICES, Places, places_of


def longest(directory: Path) -> int:
    names = [LEASE_SOCKET, *(f"{service}.sock" for service in SERVICES)]
    return max(len(os.fsencode(directory / name)) for name in names)


def test_the_home_is_what_the_environment_says_else_the_state_directory() -> None:
    assert places_of({"AUTOPACK_HOME": "/x/y"}).home == Path("/x/y")
    assert places_of({"AUTOPACK_HOME": "rel"}).home == Path.cwd() / "rel"
    assert places_of({"XDG_STATE_HOME": "/s"}).home == Path("/s/autopack")
    assert places_of({"XDG_STATE_HOME": "relative"}).home == Path.home() / ".local/state/autopack"
    assert places_of({}).home == Path.home() / ".local/state/autopack"


def test_nobody_else_may_enter(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    Places(home).prepare()
    for directory in (home, home / "run"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FailedPrecondition) as caught:
        Places(tmp_path / "file" / "home").prepare()
    assert caught.value.reasons[0].code == "HOME_UNUSABLE"


def test_sockets_are_in_the_home(tmp_path: Path) -> None:
    places = Places(tmp_path / "h")
    places.prepare()
    assert places.choose_sockets({}) == places.run == places.sockets()


def test_a_home_with_a_long_path_has_its_sockets_elsewhere_and_says_where(tmp_path: Path) -> None:
    places = Places(tmp_path / ("x" * 100))
    places.prepare()
    runtime = tmp_path / "r"
    runtime.mkdir()
    chosen = places.choose_sockets({"XDG_RUNTIME_DIR": str(runtime)} if longest(runtime) < 80 else {})
    try:
        assert longest(chosen) <= 107
        assert stat.S_IMODE(chosen.stat().st_mode) == 0o700
        assert Places(places.home).sockets() == chosen
        assert places.choose_sockets({}) == chosen, "the next host takes the same one"
    finally:
        places.remove_sockets(chosen)
    assert not chosen.exists()
    assert places.sockets() == places.run


def test_a_recorded_directory_that_is_a_link_is_not_believed(tmp_path: Path) -> None:
    places = Places(tmp_path / "h")
    places.prepare()
    (tmp_path / "link").symlink_to(tmp_path)
    places.pointer.write_text(str(tmp_path / "link"))
    assert places.sockets() == places.run
