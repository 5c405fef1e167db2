"""What an author gives as an expression is exactly one expression, before any SQL is built around it.

The lexer follows Postgres's (`scan.l`, `standard_conforming_strings = on`) closely enough that both see the same
tokens, and refuses whatever its versions read differently. So `(` + text + `)` is one parenthesised expression or a
syntax error, never anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

_WORD = re.compile(r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*")
_NUMBER = re.compile(r"[0-9][A-Za-z0-9_.\x80-\U0010ffff]*")
_DOLLAR_QUOTE = re.compile(r"\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$")
_CONTINUATION = re.compile(r"[ \t\f]*[\n\r][ \t\n\r\f]*'")
"""A string goes on in the next literal when a line break lies between them, in the same quoting mode."""

_WHITESPACE = " \t\n\r\f"
_PUNCTUATION = frozenset("~!@#^&|`?+-*/%<>=.:,()[]")
_CLOSES = {")": "(", "]": "["}
_STRING_PREFIXES = frozenset({"b", "x", "n", "e"})


class ExpressionError(ValueError):
    """The text is no single SQL expression; `position` is the offending character, counted from 1."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(f"{message} (at character {position})")
        self.position = position
        self.message = message


def require_single_expression(text: str) -> None:
    """Accept `text` only if, put in parentheses, it can be nothing but one expression.

    Comments, semicolons, parameters, top-level commas, NUL characters, open quotes and unbalanced parentheses are
    refused. Whether it is a *valid* expression is for Postgres to say.

    Raises:
        ExpressionError: with the position and what to write instead.
    """
    opened: list[_Token] = []
    empty = True
    for token in _tokens(text):
        empty = False
        if token.kind != "mark":
            continue
        if token.text in "([":
            opened.append(token)
        elif token.text in _CLOSES:
            if not opened or opened.pop().text != _CLOSES[token.text]:
                raise ExpressionError(token.position, f"{token.text!r} closes what the expression did not open")
        elif token.text == "," and not opened:
            raise ExpressionError(token.position, "one expression is needed here, not a list; put a row in parentheses")
    if empty:
        raise ExpressionError(1, "an expression is needed here, and this one is empty")
    if opened:
        raise ExpressionError(opened[-1].position, f"{opened[-1].text!r} is never closed")


def qualifiers(text: str) -> Mapping[str, int]:
    """Return the names that stand before a dot (schemas, tables, columns) with the position of each one's first use.

    Raises:
        ExpressionError: as `require_single_expression`, but for brackets and commas.
    """
    found: dict[str, int] = {}
    before: _Token | None = None
    for token in _tokens(text):
        if token.text == "." and token.kind == "mark" and before is not None and before.kind in ("word", "quoted"):
            found.setdefault(_name(before), before.position)
        before = token
    return found


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["word", "quoted", "string", "number", "mark"]
    text: str
    position: int


def _name(token: _Token) -> str:
    if token.kind == "quoted":
        return token.text[1:-1].replace('""', '"')
    return re.sub("[A-Z]+", lambda upper: upper.group().lower(), token.text)  # Postgres folds ASCII only


def _tokens(text: str) -> Iterator[_Token]:
    if "\x00" in text:
        raise ExpressionError(text.index("\x00") + 1, "an expression cannot hold a NUL character")
    at = 0
    while at < len(text):
        if text[at] in _WHITESPACE:
            at += 1
            continue
        kind, end = _next_token(text, at)
        yield _Token(kind, text[at:end], at + 1)
        at = end


def _next_token(text: str, at: int) -> tuple[Literal["word", "quoted", "string", "number", "mark"], int]:
    """Return the kind and the end of the token that begins at `at`."""
    character = text[at]
    if text.startswith(("--", "/*"), at):
        raise ExpressionError(
            at + 1, "an expression cannot hold a comment; remove it, or part the operators by a space"
        )
    if match := _WORD.match(text, at):
        return _word_or_prefixed_string(text, match)
    if match := _NUMBER.match(text, at):
        _refuse_adjacent_dollar(text, match.end())
        return "number", match.end()
    if character == "'":
        return "string", _end_of_string(text, at, escapes=False)
    if character == '"':
        return "quoted", _end_of_quoted_name(text, at)
    if character == "$":
        return "string", _end_of_dollar_quote(text, at)
    if character in _PUNCTUATION:
        return "mark", at + 1
    if character == ";":
        raise ExpressionError(at + 1, "one expression is needed here, not a statement; remove the ';'")
    raise ExpressionError(at + 1, f"the character {character!r} means nothing in SQL; are quotes missing?")


def _word_or_prefixed_string(text: str, match: re.Match[str]) -> tuple[Literal["word", "string"], int]:
    """Return an identifier or keyword, or a string with a prefix such as `E'…'`."""
    end, word = match.end(), match.group().lower()
    _refuse_adjacent_dollar(text, end)
    if word in _STRING_PREFIXES and text.startswith("'", end):
        return "string", _end_of_string(text, end, escapes=word == "e")
    if word == "u" and text.startswith("&'", end):
        return "string", _end_of_string(text, end + 1, escapes=False)
    if word == "u" and text.startswith('&"', end):
        raise ExpressionError(match.start() + 1, "names with Unicode escapes are not read; write the characters")
    return "word", end


def _refuse_adjacent_dollar(text: str, at: int) -> None:
    """Refuse `name$…` and `1$…`: where such a word ends depends on the version of Postgres."""
    if text.startswith("$", at):
        raise ExpressionError(at + 1, "'$' in or right after a word is ambiguous; quote the name or insert a space")


def _end_of_string(text: str, at: int, *, escapes: bool) -> int:
    """Return the end of the string whose opening quote is at `at`, its continuations on later lines included."""
    start = at
    at += 1
    while at < len(text):
        if escapes and text[at] == "\\":
            at += 2
        elif text[at] != "'":
            at += 1
        elif text.startswith("''", at):
            at += 2
        elif match := _CONTINUATION.match(text, at + 1):
            at = match.end()
        else:
            return at + 1
    raise ExpressionError(start + 1, "this string is never closed")


def _end_of_quoted_name(text: str, at: int) -> int:
    start = at
    at += 1
    while at < len(text):
        if text[at] != '"':
            at += 1
        elif text.startswith('""', at):
            at += 2
        else:
            return at + 1
    raise ExpressionError(start + 1, "this quoted name is never closed")


def _end_of_dollar_quote(text: str, at: int) -> int:
    match = _DOLLAR_QUOTE.match(text, at)
    if match is None:
        raise ExpressionError(at + 1, "this '$' begins no dollar-quoted string, and an expression has no parameters")
    end = text.find(match.group(), match.end())
    if end < 0:
        raise ExpressionError(at + 1, "this dollar-quoted string is never closed")
    return end + len(match.group())
