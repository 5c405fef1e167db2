"""What the demo shows: chapters, commands with their output, SQL, requests with their answers."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax

from playground.cluster import Cluster

_SQL_LINES = 60
_BODY_LINES = 40


class Narrator:
    """Writes to the terminal, in colour where it is one; the clock starts with it."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._started = time.monotonic()

    def chapter(self, title: str) -> None:
        """Begin a part."""
        seconds = time.monotonic() - self._started
        self._console.print(f"\n[bold cyan]== {escape(title)}[/] [dim]({seconds:.0f} s)[/]")

    def say(self, sentence: str) -> None:
        """Tell something in a line."""
        self._console.print(f"[dim]#[/] {escape(sentence)}")

    def fail(self, sentence: str) -> None:
        """Tell why it cannot go on."""
        self._console.print(f"[bold red]demo:[/] {escape(sentence)}")

    def done(self) -> None:
        """Tell that all went well."""
        seconds = time.monotonic() - self._started
        self._console.print(f"\n[bold green]The demo ended well[/] after {seconds:.0f} s.")

    def run(self, cluster: Cluster, *arguments: str) -> None:
        """Run kubectl from the repository's root and show command and output."""
        self.command("kubectl " + shlex.join(arguments))
        self._console.print(escape(cluster.kubectl(*arguments).rstrip()))

    def sql(self, title: str, text: str) -> None:
        """Show SQL, the first lines of it where it is long."""
        lines = text.splitlines()
        self.say(f"{title} ({len(lines)} lines{f', the first {_SQL_LINES}' if len(lines) > _SQL_LINES else ''})")
        self._console.print(Syntax("\n".join(lines[:_SQL_LINES]), "postgresql", background_color="default"))

    def request(
        self, method: str, url: str, body: dict[str, Any] | None = None, token: str | None = None, why: str = ""
    ) -> None:
        """Send a request, show it as the curl command it is, and the answer."""
        if why:
            self.say(why)
        headers = {"Prefer": "return=representation"} if method != "GET" else {}
        shown = [f"-X {method}"] if method != "GET" else []
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
            shown.append('-H "Authorization: Bearer $TOKEN"')
        if body is not None:
            shown.append(f"-H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body))}")
        self.command(" ".join(["curl", *shown, f"'{url}'"]))
        answer = httpx.request(method, url, json=body, headers=headers, timeout=10)
        text = json.dumps(answer.json(), indent=2, ensure_ascii=False) if answer.content else ""
        lines = text.splitlines()
        if len(lines) > _BODY_LINES:
            lines = [*lines[:_BODY_LINES], "…"]
        colour = "green" if answer.is_success else "yellow"
        self._console.print(f"[{colour}]{answer.status_code} {answer.reason_phrase}[/]")
        self._console.print(escape("\n".join(lines)))

    def command(self, command: str) -> None:
        """Show a command."""
        self._console.print(f"[bold]$ {escape(command)}[/]")
