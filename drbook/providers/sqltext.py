"""SQL text in pieces: where its statements end, in constant memory, so that single ones are left out.

This is no guard: what an archive may do is decided by the role that loads it. It finds the
statements of an honest dump that only a superuser may run, and never mistakes a row of COPY's data
or the body of a function for one of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator

LONGEST = 1024 * 1024
"""Bytes; a longer statement passes in pieces and is never left out."""
MOST = 512 * 1024 * 1024
"""Bytes of a statement: psql keeps it whole in memory, and a compressed dump can hold one of any
length in a few bytes."""


class TooLong(Exception):
    """A statement without an end."""


_TOKEN = re.compile(
    rb"(?P<escaped>(?<![\w$])[eE]')"
    rb"|(?P<quote>['\"])"
    rb"|(?P<dollar>(?<![\w$])\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$)"
    rb"|(?P<line>--)"
    rb"|(?P<comment>/\*)"
    rb"|(?P<end>;)"
)
_COPY = re.compile(rb"\s*+COPY\s.*\sFROM\s+stdin\b.*;\Z", re.IGNORECASE | re.DOTALL)
_ESCAPED = re.compile(rb"(?:[^'\\]+|\\.|'')*+", re.DOTALL)
_COMMENT = re.compile(rb"/\*|\*/")
_COPIED = re.compile(rb"\n\\\.\r?\n")
_COPIED_AT_END = re.compile(rb"\n\\\.(?:\r?\n|\Z)")
_LONGEST_TOKEN = 130
"""Bytes kept back at a piece's end: a token may go on in the next one (a dollar quote's tag is at
most 63 bytes long)."""


def without(pieces: Iterable[bytes], unwanted: Callable[[bytes], bool]) -> Iterator[bytes]:
    """The text without those whole statements of which `unwanted` says so."""
    scanner = _Scanner()
    for piece in pieces:
        for text, whole in scanner.feed(piece):
            if not (whole and unwanted(text)):
                yield text
    for text, whole in scanner.finish():
        if not (whole and unwanted(text)):
            yield text


class _Scanner:
    """`held` is what was not yet given out, from `begin` on; everything before `at` in it has been
    looked at. Each byte is looked at a bounded number of times: a dump is outside text, and nobody
    can cancel a search that does not come back."""

    def __init__(self) -> None:
        self._held = b""
        self._begin = 0
        self._at = 0
        self._lead = 0
        """Where the statement's own text begins at the earliest: behind the comments before it."""
        self._led = True
        """False once something else than a comment has been seen in the statement."""
        self._inside: Callable[[bool], bool] = self._in_sql
        self._closing = b""
        self._depth = 0
        self._gone = 0
        self._cut = False
        """True while the front of the statement was given out already: it was too long."""
        self._out: list[tuple[bytes, bool]] = []

    def feed(self, piece: bytes) -> list[tuple[bytes, bool]]:
        self._held += piece
        return self._scan(last=False)

    def finish(self) -> list[tuple[bytes, bool]]:
        found = self._scan(last=True)
        if self._held:
            found.append((self._held, False))
            self._held = b""
        return found

    def _scan(self, *, last: bool) -> list[tuple[bytes, bool]]:
        self._out = []
        while self._inside(last):
            pass
        if self._at - self._begin > LONGEST:
            if self._inside != self._in_copy:
                self._gone += self._at - self._begin
            self._give(self._at, whole=False)
            self._cut = True
        # Once in a piece, and not with each statement: what is behind it would be copied each time.
        self._held = self._held[self._begin :]
        self._at -= self._begin
        self._lead -= self._begin
        self._begin = 0
        if max(self._gone, len(self._held)) > MOST:
            raise TooLong(f"it holds a statement of more than {MOST // 2**20} MiB")
        return self._out

    def _give(self, end: int, *, whole: bool) -> None:
        if end > self._begin:
            self._out.append((self._held[self._begin : end], whole and not self._cut))
        self._begin = self._at = self._lead = end

    # Each of these looks on from `at` and says whether there is more to look at.

    def _in_sql(self, last: bool) -> bool:
        match = _TOKEN.search(self._held, self._at)
        safe = len(self._held) if last else max(self._at, len(self._held) - _LONGEST_TOKEN)
        if match is None or (match.end() > safe and not last):
            self._at = min(safe, match.start()) if match else safe
            return False
        kind = match.lastgroup
        if self._led and kind in ("line", "comment"):
            self._led = not self._held[self._lead : match.start()].strip()
        self._at = match.end()
        if kind == "end":
            self._end_statement()
        elif kind == "escaped":
            self._inside, self._led = self._in_escaped, False
        elif kind == "comment":
            self._depth, self._inside = 1, self._in_comment
        else:
            self._led = self._led and kind == "line"
            self._closing = b"\n" if kind == "line" else match.group()
            self._inside = self._in_quotes
        return True

    def _end_statement(self) -> None:
        copying = not self._cut and _COPY.match(self._held, self._lead, self._at) is not None
        self._give(self._at, whole=True)
        self._cut, self._gone, self._led = False, 0, True
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
        match = _ESCAPED.match(self._held, self._at)
        assert match is not None
        self._at = match.end()
        rest = self._held[self._at : self._at + 2]
        if rest[:1] != b"'" or (rest == b"'" and not last):  # its other half may follow
            return False
        self._at += 1
        self._back()
        return True

    def _in_comment(self, last: bool) -> bool:
        match = _COMMENT.search(self._held, self._at)
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
        match = (_COPIED_AT_END if last else _COPIED).search(self._held, self._begin)
        if match is None:
            self._give(max(self._begin, len(self._held) - 5), whole=False)
            return False
        self._give(match.end(), whole=False)
        self._inside = self._in_sql
        return True
