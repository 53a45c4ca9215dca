"""`autopack backup` and `restore`: what runs need, copied while they go on, and brought back."""

import os
from pathlib import Path

from autopack.cli import outcome
from autopack.host.backups import back_up, restore
from autopack.host.places import places_of


def backup(directory: Path, as_json: bool) -> int:
    """Copies AUTOPACK_HOME into a new directory."""
    files = back_up(places_of(os.environ), directory.absolute())
    return _told("backup", directory, files, as_json)


def restored(directory: Path, as_json: bool) -> int:
    """Makes AUTOPACK_HOME from a backup."""
    files = restore(places_of(os.environ), directory.absolute())
    return _told("restore", directory, files, as_json)


def _told(command: str, directory: Path, files: list[str], as_json: bool) -> int:
    home = str(places_of(os.environ).home)
    if as_json:
        outcome.print_json(
            command, {"home": home, "directory": str(directory.absolute()), "files": len(files)}
        )
    elif command == "backup":
        print(f"{home}: {len(files)} files are in {directory}, with the gate's key: keep it secret")
    else:
        print(f"{home}: {len(files)} files are back; autopack runs")
    return outcome.DONE
