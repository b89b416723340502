"""The net under the secrets: values that this process has revealed are taken out of texts from outside.

Secrets travel by reference and are revealed only where a library needs them; what comes back from
outside (a server's message, a command's output, a traceback) may still quote them, plain or encoded.
Everything that is recorded, shown or printed passes here.
"""

import base64
import html
import json
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, quote_plus

from drbook.core.values import Json

HIDDEN = "…"
SHORTEST = 8
"""Characters. A shorter secret cannot be told from ordinary words, nor one of letters alone that is
shorter than 16: taking those out would damage what is true."""
_LETTERS = 16


class Scrubber:
    """Thread-safe. Knows values and their usual encodings, and takes them out of texts."""

    def __init__(self, values: Iterable[str] = (), *, however_short: bool = False) -> None:
        """`however_short`: for texts of somebody who was given exactly these values."""
        self._however_short = however_short
        self._lock = threading.Lock()
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for value in values:
            self.learn(value)

    def learn(self, value: str) -> None:
        """Take this value out from now on; each long line of one that has several lines, too."""
        lines = [line for line in value.splitlines() if len(line) >= _LETTERS]
        found = {
            form
            for one in {value, value.strip(), *lines}
            if one and (self._however_short or tells_itself(one))
            for form in _forms_of(one)
        }
        with self._lock:
            if not found <= self._forms:
                self._forms |= found
                longest_first = sorted(self._forms, key=len, reverse=True)
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def touches(self, text: str) -> bool:
        """Whether a known value is in it."""
        pattern = self._pattern
        return pattern is not None and pattern.search(text) is not None

    def clean(self, text: str) -> str:
        """The text without them."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(HIDDEN, text)

    def clean_all(self, value: Json) -> Json:
        """The same for every text in a JSON value, keys included."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {self.clean(key): self.clean_all(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self.clean_all(item) for item in value]
        return value


def tells_itself(value: str) -> bool:
    """Long and odd enough that it stands for nothing but itself."""
    return len(value) >= (_LETTERS if value.isalpha() else SHORTEST)


def _forms_of(value: str) -> set[str]:
    data = value.encode("utf-8", "surrogateescape")
    forms = {
        value,
        quote(data, safe=""),
        quote(data),
        quote_plus(data),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        html.escape(value),
        repr(value)[1:-1],
        repr(data)[2:-1],
        data.hex(),
        data.hex().upper(),
    }
    for offset in range(3):
        for encoded in _inside_base64(data, offset):
            forms.add(encoded)
    return {value, *(form for form in forms if len(form) >= SHORTEST)}


def _inside_base64(data: bytes, offset: int) -> tuple[str, str]:
    """The characters that the value alone decides where it lies at this offset in longer data."""
    whole = bytes(offset) + data
    first, last = (0, 2, 3)[offset], len(whole) * 8 // 6
    return (
        base64.b64encode(whole).decode("ascii")[first:last],
        base64.urlsafe_b64encode(whole).decode("ascii")[first:last],
    )


KNOWN = Scrubber()
"""What this process has revealed."""
