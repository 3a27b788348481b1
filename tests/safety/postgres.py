"""A throw-away PostgreSQL server: a fresh cluster in a temporary folder, reached through a socket in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


class Server:
    """One cluster. start, stop: the server process; the data stay."""

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self.folder, self._programs, self._user = folder, programs, user
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "candor", "-E", "UTF8", "--no-sync")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://candor@/{database}?host={self.folder}"

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off"
        data, log = str(self.folder / "data"), str(self.folder / "log")
        self._run("pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "-t", "300", "start")

    def stop(self) -> None:
        """As a crash looks to the clients: no waiting for them."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def create(self, database: str) -> str:
        """A new database; returns its address."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        if self._user is not None:
            command = ["runuser", "-u", self._user, "--", *command]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout} {done.stderr}")


def find_programs() -> Path | None:
    """The folder of initdb and pg_ctl: on the path, or where Debian puts them."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in candidates if (folder / "pg_ctl").exists()), None)


@contextmanager
def running(programs: Path) -> Iterator[Server]:
    """A running server; gone with its data at the end. PostgreSQL refuses root, so root borrows `nobody`."""
    user = "nobody" if os.name == "posix" and os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="candor-pg-"))  # short: a socket's path has room for 107 characters
    try:
        if user is not None:
            shutil.chown(folder, user)
        server = Server(folder, programs, user)
        server.start()
        try:
            yield server
        finally:
            deadline = time.monotonic() + 120
            while (folder / "data" / "postmaster.pid").exists() and time.monotonic() < deadline:
                try:
                    server.stop()
                except RuntimeError:
                    time.sleep(0.2)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
