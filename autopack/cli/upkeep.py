"""What the command line takes to look after a machine's Autopack, part of `app`."""

from pathlib import Path
from typing import Annotated

import typer

upkeep = typer.Typer()
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Directory = Annotated[Path, typer.Argument(metavar="DIR")]


@upkeep.command()
def backup(directory: Directory, json: Json = False) -> int:
    """Copy all that runs need into a new directory, while they go on."""
    from autopack.cli.commands import backup as command

    return command.backup(directory, json)


@upkeep.command()
def restore(directory: Directory, json: Json = False) -> int:
    """Make AUTOPACK_HOME from a backup, where there is none."""
    from autopack.cli.commands import backup as command

    return command.restored(directory, json)


@upkeep.command()
def doctor(json: Json = False) -> int:
    """Say what this machine can and cannot do, and how to mend it."""
    from autopack.cli.commands import doctor as command

    return command.doctor(json)
