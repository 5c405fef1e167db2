"""A Postgres that somebody else runs: tests take it where `DATABASE_URL` names one."""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

from playground.postgres import PostgresServer


class RunningPostgres(PostgresServer):
    """The server of a superuser's URL; it is neither started nor stopped, and what tests made is dropped again."""

    def __init__(self, url: str) -> None:
        super().__init__(Path())
        self._url = urlsplit(url)
        self.port = self._url.port or 5432

    def superuser_url(self, database: str) -> str:
        """Return the given URL with another database."""
        return urlunsplit(self._url._replace(path=f"/{quote(database, safe='')}"))

    def url_for(self, user: str, password: str, database: str = "postgres") -> str:
        """Return the URL with which `user` reaches `database`; every part is quoted."""
        name, secret = quote(user, safe=""), quote(password, safe="")
        host = f"{self._url.hostname or '127.0.0.1'}:{self.port}"
        return urlunsplit(self._url._replace(netloc=f"{name}:{secret}@{host}", path=f"/{quote(database, safe='')}"))

    def start(self) -> Self:
        """Do nothing: it runs."""
        return self

    def stop(self) -> None:
        """Do nothing: it runs on."""
