"""SQL text in pieces: where its statements and COPY's data begin and end, in constant memory.

This is no guard: what an archive may do is decided by the role that loads it. It finds single
statements of an honest dump, to leave them out or to read them, and never mistakes a row of COPY's
data or the body of a function for one of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

Piece = Literal["statement", "head", "rest", "rows"]
"""`statement`: a whole one, with the blanks and comments before it. `head`, `rest`: the first piece
of one that is too long, and those that follow it. `rows`: COPY's data, from the line break behind
its statement to the line that ends it."""

LONGEST = 1024 * 1024
"""Bytes; a longer statement passes in pieces and is never left out."""
MOST = 512 * 1024 * 1024
"""Bytes of a statement: psql keeps it whole in memory, and a compressed dump can hold one of any
length in a few bytes."""


class TooLong(Exception):
    """A statement without an end."""


_MARK = re.compile(rb";|'|\"|\$|\\|--|/\*")
"""What may begin or end something; all that the expression does is to find the next one quickly."""
_BODY = re.compile(
    rb"\s*+CREATE\s++(?:OR\s++REPLACE\s++)?(?:FUNCTION|PROCEDURE|(RULE))\b", re.IGNORECASE
)
"""What may hold statements of its own outside of quotes: between parentheses, or from `BEGIN ATOMIC` to
`END`. Depths are counted as psql does (psqlscan.l), which is what cuts a plain dump when it is loaded."""
_RULE_MARK = re.compile(_MARK.pattern + rb"|[()]")
_BODY_MARK = re.compile(
    _RULE_MARK.pattern + rb"|(?<![\w$\x80-\xff])(?:BEGIN|CASE|END)(?![\w$\x80-\xff])", re.IGNORECASE
)
_DOLLAR = re.compile(rb"(?<![\w$])\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$")
_ESCAPED = re.compile(rb"(?<![\w$])[eE]'")
_COPY = re.compile(rb"\s*+COPY\s.*\sFROM\s+stdin\b.*;\Z", re.IGNORECASE | re.DOTALL)
_ESCAPED_TEXT = re.compile(rb"(?:[^'\\]+|\\.|'')*+", re.DOTALL)
_COMMENT_MARK = re.compile(rb"/\*|\*/")
_DATA_END = re.compile(rb"\n\\\.\r?\n")
_LAST_LINE = re.compile(rb"\n\\\.(?:\r?\n|\Z)")
_LONGEST_TOKEN = 130
"""Bytes kept back at a piece's end: a token may go on in the next one (a dollar quote's tag is at
most 63 bytes long)."""


def without(pieces: Iterable[bytes], unwanted: Callable[[bytes], bool]) -> Iterator[bytes]:
    """The text without those whole statements of which `unwanted` says so."""
    scanner = Scanner()
    for piece in pieces:
        for text, what in scanner.feed(piece):
            if not (what == "statement" and unwanted(text)):
                yield text
    for text, what in scanner.finish():
        if not (what == "statement" and unwanted(text)):
            yield text


class Scanner:
    """Takes text in any pieces, and gives it out again, byte for byte, as what it is. Raises TooLong.

    `held` is what is at hand: up to `start` it was given out, and up to `at` it has been looked at. Each
    byte is looked at a bounded number of times: a dump is outside text, and nobody can cancel a search
    that does not come back.
    """

    def __init__(self) -> None:
        self._held = b""
        self._start = 0
        self._at = 0
        self._lead = 0
        """Where the statement's own text begins at the earliest: behind the comments before it."""
        self._led = True
        """False once something else than a comment has been seen in the statement."""
        self._inside: Callable[[bool], bool] = self._in_sql
        self._closing = b""
        self._depth = 0
        self._gone = 0
        self.cut = False
        """True while the front of the statement was given out already: it was too long."""
        self.unfinished = False
        """Whether the text ended inside of a body or of parentheses; known when it is finished."""
        self._out: list[tuple[bytes, Piece]] = []
        self._marks: re.Pattern[bytes] | None = None
        """What is looked for in the statement; None until its first words are known."""
        self._parens = self._begun = 0

    def feed(self, piece: bytes) -> list[tuple[bytes, Piece]]:
        self._held += piece
        return self._scan(last=False)

    def finish(self) -> list[tuple[bytes, Piece]]:
        found = self._scan(last=True)
        self.unfinished = bool(self._begun or self._parens)
        if self._held:
            found.append((self._held, "rows" if self._inside == self._in_copy else "rest"))
            self._held = b""
        return found

    def _scan(self, *, last: bool) -> list[tuple[bytes, Piece]]:
        self._out = []
        while self._inside(last):
            pass
        if self._at - self._start > LONGEST:
            if self._inside != self._in_copy:
                self._gone += self._at - self._start
            self._give(self._at, "rest" if self.cut else "head")
            self.cut = True
        # Once for all that was given out: a dump of INSERT statements has thousands in a piece.
        self._held = self._held[self._start :]
        self._at -= self._start
        self._lead -= self._start
        self._start = 0
        if max(self._gone, len(self._held)) > MOST:
            raise TooLong(f"it holds a statement of more than {MOST // 2**20} MiB")
        return self._out

    def _give(self, end: int, what: Piece) -> None:
        if end > self._start:
            self._out.append((self._held[self._start : end], what))
        self._start = self._at = self._lead = end

    # Each of these looks on from `at` and says whether there is more to look at.

    def _in_sql(self, last: bool) -> bool:
        match = (self._marks or _MARK).search(self._held, self._at)
        safe = len(self._held) if last else max(self._at, len(self._held) - _LONGEST_TOKEN)
        if match is None or (match.end() > safe and not last):
            self._at = min(safe, match.start()) if match else safe
            return False
        mark = match.group()
        if self._led and mark in (b"--", b"/*"):
            self._led = not self._held[self._lead : match.start()].strip()
        if self._marks is None and not (self._led and mark in (b"--", b"/*")):
            self._marks = _MARK
            if body := _BODY.match(self._held, self._lead):
                self._marks = _RULE_MARK if body[1] else _BODY_MARK
                self._at = self._lead  # from its beginning
                return True
        self._at = match.end()
        if mark == b";":
            if self._parens == self._begun == 0:
                self._end_statement()
        elif mark in b"()" or mark[:1].isalpha():
            self._led = False
            self._deeper(mark.upper())
        elif mark == b"/*":
            self._depth, self._inside = 1, self._in_comment
        elif mark == b"$":
            self._dollar(match.start())
        elif mark == b"'" and _ESCAPED.match(self._held, match.start() - 1):
            self._inside, self._led = self._in_escaped, False
        elif mark != b"\\":
            self._led = self._led and mark == b"--"
            self._closing = b"\n" if mark == b"--" else mark
            self._inside = self._in_quotes
        elif match.start() == self._start or self._held[match.start() - 1] == 10:
            # A line of psql's own, like \connect, is no SQL.
            self._closing, self._inside = b"\n", self._in_quotes
        return True

    def _deeper(self, mark: bytes) -> None:
        if mark in b"()":
            self._parens = max(0, self._parens + (1 if mark == b"(" else -1))
        elif self._parens == 0 and mark == b"END":
            self._begun = max(0, self._begun - 1)
        elif self._parens == 0 and (mark == b"BEGIN" or self._begun):
            self._begun += 1

    def _dollar(self, at: int) -> None:
        if found := _DOLLAR.match(self._held, at):
            self._at = found.end()
            self._closing, self._inside, self._led = found.group(), self._in_quotes, False

    def _end_statement(self) -> None:
        copying = not self.cut and _COPY.match(self._held, self._lead, self._at) is not None
        self._give(self._at, "rest" if self.cut else "statement")
        self.cut, self._gone, self._led = False, 0, True
        self._marks, self._parens, self._begun = None, 0, 0
        if copying:
            self._inside = self._in_copy

    def _in_quotes(self, last: bool) -> bool:
        """Up to the closing mark. A doubled quote is two strings side by side: the same end."""
        found = self._held.find(self._closing, self._at)
        if found < 0:
            self._at = max(self._at, len(self._held) - len(self._closing) + 1)
            return False
        self._at = found + len(self._closing)
        self._back()
        return True

    def _in_escaped(self, last: bool) -> bool:
        match = _ESCAPED_TEXT.match(self._held, self._at)
        assert match is not None
        self._at = match.end()
        rest = self._held[self._at : self._at + 2]
        if rest[:1] != b"'" or (rest == b"'" and not last):  # its other half may follow
            return False
        self._at += 1
        self._back()
        return True

    def _in_comment(self, last: bool) -> bool:
        match = _COMMENT_MARK.search(self._held, self._at)
        if match is None:
            self._at = max(self._at, len(self._held) - 1)
            return False
        self._at = match.end()
        self._depth += 1 if match.group() == b"/*" else -1
        if self._depth == 0:
            self._back()
        return True

    def _back(self) -> None:
        """A string or a comment has ended."""
        self._inside = self._in_sql
        if self._led:
            self._lead = self._at

    def _in_copy(self, last: bool) -> bool:
        """Data up to the line `\\.`; what is surely data is given out at once."""
        end = _LAST_LINE if last else _DATA_END
        at = self._held.find(b"\n\\.", self._start)  # several times as fast as an expression
        while at >= 0 and (match := end.match(self._held, at)) is None:
            at = self._held.find(b"\n\\.", at + 1)
        if at < 0:
            self._give(max(self._start, len(self._held) - 5), "rows")
            return False
        assert match is not None
        self._give(match.end(), "rows")
        self._inside = self._in_sql
        return True
