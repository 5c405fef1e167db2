"""The tokens of a type name, read one at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NoReturn, cast

from pgcraft_core.sql.identifiers import MAX_IDENTIFIER_BYTES

_TOKEN = re.compile(
    r"""(?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
      | (?P<quoted>"(?:[^"\x00]|"")+")
      | (?P<number>-?[0-9]+)
      | (?P<mark>[.,()\[\]])""",
    re.VERBOSE,
)
_WHITESPACE = re.compile(r"[ \t\n\r\f]*")


class TypeNameError(ValueError):
    """The text is no type name a column can have; `position` is the offending character, counted from 1."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(f"{message} (at character {position})")
        self.position = position
        self.message = message


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `text` is folded (a word) or unquoted (a quoted name), `written` is as the author wrote it."""

    kind: Literal["word", "quoted", "number", "mark", "end"]
    text: str
    written: str
    position: int


class TypeReader:
    """The tokens of a type name, one at a time."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def peek(self) -> Token:
        """Return the next token without consuming it; at the end, one of kind `end`."""
        return self._tokens[self._at]

    def at_mark(self, text: str) -> bool:
        """Whether the next token is this punctuation mark."""
        return self.peek().kind == "mark" and self.peek().text == text

    def next(self) -> Token:
        """Consume and return the next token; the end is returned for ever."""
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def accept(self, *texts: str, kind: str = "word") -> bool:
        """Consume the tokens if they are the next ones."""
        ahead = self._tokens[self._at : self._at + len(texts)]
        if [(token.kind, token.text) for token in ahead] != [(kind, text) for text in texts]:
            return False
        self._at += len(texts)
        return True

    def expect(self, *texts: str, kind: str = "word") -> None:
        """Consume the tokens. Raises TypeNameError where others follow."""
        if not self.accept(*texts, kind=kind):
            self.refuse(f"{' '.join(texts)!r} is missing")

    def refuse(self, message: str, token: Token | None = None) -> NoReturn:
        """Raise TypeNameError at `token`, or at the next one, which the message then names."""
        found = token or self.peek()
        suffix = "" if token or found.kind == "end" else f" before {found.written!r}"
        raise TypeNameError(found.position, message + suffix)

    def name(self, what: str) -> str:
        """Read a name, folded or unquoted. Raises TypeNameError, saying that `what` is needed, where none follows."""
        token = self.next()
        if token.kind not in ("word", "quoted"):
            self.refuse(f"{what} is needed here", token)
        return token.text

    def end(self) -> None:
        """Raise TypeNameError unless all was read."""
        token = self.peek()
        if token.kind != "end":
            self.refuse(f"{token.written!r} does not belong here; one name stands here alone", token)

    def numbers(self) -> list[tuple[Token, int]]:
        """Read `(1, 2)`, or nothing where no parenthesis follows."""
        numbers: list[tuple[Token, int]] = []
        if not self.accept("(", kind="mark"):
            return numbers
        while True:
            token = self.next()
            if token.kind != "number":
                self.refuse("a whole number is needed here", token)
            numbers.append((token, int(token.text)))
            if not self.accept(",", kind="mark"):
                break
        self.expect(")", kind="mark")
        return numbers

    def single_number(self, type_name: str, least: int, most: int) -> int | None:
        """Read `(n)`, or return None where no parenthesis follows. Raises TypeNameError outside least..most."""
        numbers = self.numbers()
        if not numbers:
            return None
        if len(numbers) > 1:
            self.refuse(f"{type_name} takes one number", numbers[1][0])
        return self.within(numbers[0], f"the number in {type_name}", least, most)

    def within(self, number: tuple[Token, int], what: str, least: int, most: int) -> int:
        """Return the number. Raises TypeNameError outside least..most."""
        token, value = number
        if not least <= value <= most:
            self.refuse(f"{what} lies between {least} and {most}", token)
        return value

    def raw_modifiers(self) -> str:
        """Read modifiers whose meaning only the type knows, such as `(Point, 4326)`, as they were written."""
        if not self.accept("(", kind="mark"):
            return ""
        modifiers = []
        while True:
            token = self.next()
            if token.kind not in ("word", "quoted", "number"):
                self.refuse("a word or a number is needed here", token)
            modifiers.append(token.written)
            if not self.accept(",", kind="mark"):
                break
        self.expect(")", kind="mark")
        return f"({','.join(modifiers)})"


def _tokens(text: str) -> list[Token]:
    tokens = []
    at = _skip_whitespace(text, 0)
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise TypeNameError(at + 1, f"{text[at]!r} has no place here; one name stands here alone")
        tokens.append(_token(match))
        at = _skip_whitespace(text, match.end())
    return [*tokens, Token("end", "", "", len(text) + 1)]


def _skip_whitespace(text: str, at: int) -> int:
    match = _WHITESPACE.match(text, at)
    return match.end() if match else at


def _token(match: re.Match[str]) -> Token:
    kind = cast('Literal["word", "quoted", "number", "mark"]', match.lastgroup)  # the names of the groups
    written, position = match.group(), match.start() + 1
    text = written
    if kind == "word":
        text = re.sub("[A-Z]+", lambda upper: upper.group().lower(), written)  # Postgres folds ASCII only
    elif kind == "quoted":
        text = written[1:-1].replace('""', '"')
    if kind in ("word", "quoted") and len(text.encode()) > MAX_IDENTIFIER_BYTES:
        raise TypeNameError(position, f"the name is longer than {MAX_IDENTIFIER_BYTES} bytes")
    return Token(kind, text, written, position)
