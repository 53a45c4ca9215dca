"""The entry point of `autopack`: runs a command and turns whatever ends it into an exit code."""

import io
import os
import sys

import typer

from autopack.cli.app import app

INTERRUPTED = 130
"""By Ctrl-C, as shells have it; typer returns it too."""


def main() -> None:
    """Runs the command line that the process was started with, and exits."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a character is no failure
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code."""
    as_json = "--json" in arguments or (arguments[:1] == ["audit"] and "json" in arguments)
    try:
        code = _outcome(arguments, as_json)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Who read us has gone; a later flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _outcome(arguments: list[str], as_json: bool) -> int:
    """The exit code of a command, which has said why if it is not 0."""
    try:
        code = app(arguments, prog_name="autopack", standalone_mode=False)
        if code == INTERRUPTED:
            return _interrupted(as_json)
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        return _usage(error, as_json)
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(as_json)
    except Exception as error:
        return _failure(error, as_json)


def _usage(error: typer.TyperException, as_json: bool) -> int:
    from autopack.cli.outcome import INVALID, report
    from autopack.errors import InvalidInput, Reason

    message = error.format_message()
    report(InvalidInput(Reason("USAGE", message or "no command was given", "see `autopack --help`")), as_json)
    return INVALID


def _interrupted(as_json: bool) -> int:
    from autopack.cli.outcome import error_json, print_json
    from autopack.errors import Reason

    if as_json:
        reason = Reason(
            "INTERRUPTED", "stopped before it was done", "a run goes on with `autopack resume RUN`"
        )
        print_json("error", error_json([reason]))
    return INTERRUPTED


def _failure(error: Exception, as_json: bool) -> int:
    from autopack.cli.outcome import of_operating_system, report
    from autopack.errors import AutopackError, Internal, Reason

    if isinstance(error, OSError):
        error = of_operating_system(error)
    if isinstance(error, AutopackError):
        return report(error, as_json)
    if os.environ.get("AUTOPACK_DEBUG") == "1":
        raise error
    message = f"{type(error).__name__}: {error}"
    return report(
        Internal(Reason("INTERNAL", message, "set AUTOPACK_DEBUG=1 to see where, and report it")), as_json
    )


if __name__ == "__main__":
    main()
