"""One record, one line: compact JSON in a fixed order of fields, ended by a line feed.

There are no floats in a line, and integers beyond 2^53 - 1 are strings, so that every JSON reader
sees the same values. `append` hands out what it can read back, so state in memory and state after a
replay are the same.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import ValidationError
from pydantic_core import from_json

from drbook.core.errors import JournalError
from drbook.core.events import EVENT_TYPES, Mode, Record
from drbook.core.values import Json, format_time, plain

FIRST = "0" * 64
"""`prev` of the first record."""

_SAFE = 2**53 - 1
_FIELDS = ("seq", "at", "mono_ns", "mode", "actor", "host", "event", "data", "prev")


def encode(record: Record) -> bytes:
    """The record's exact line, without its line end."""
    event = record.event
    document: dict[str, Json] = {
        "seq": record.seq,
        "at": format_time(record.at),
        "mono_ns": record.mono_ns,
        "mode": record.mode.value,
        "actor": record.actor,
        "host": record.host,
        "event": type(event).__name__,
        "data": event.model_dump(mode="json", exclude_defaults=True),
        "prev": record.prev,
    }
    text = json.dumps(normal(document), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def decode(line: bytes) -> Record:
    """Read one line. Raises JournalError that says what is wrong with it."""
    return _usual(line) or decode_slowly(line)


_BEGINS = b'{"seq":'
_EVENTS = {name: kind.__pydantic_validator__ for name, kind in EVENT_TYPES.items()}
_MODES = {mode.value: mode for mode in Mode}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)
_LEAVES = frozenset({str, int, bool, type(None)})
_SET = set(Record.model_fields)
"""One for all records: it is never changed in a frozen model."""
_new, _put = object.__new__, object.__setattr__


def _usual(line: bytes) -> Record | None:
    """A line as `encode` writes it, in less than half the time; None for any other, which
    `decode_slowly` then reads or says what is wrong with."""
    if not line.startswith(_BEGINS) or b" :" in line or b"\t" in line or b"\r" in line:
        return None
    try:
        document = from_json(line, allow_inf_nan=False)
        if tuple(document) != _FIELDS or line.count(b'":') != _keys(document):
            return None  # it may have a key twice, and the first value is not seen
        seq, at, mono_ns, mode, actor, host, name, data, prev = document.values()
        if not type(seq) is type(mono_ns) is int:
            return None
        if (
            not type(at)
            is type(mode)
            is type(actor)
            is type(host)
            is type(name)
            is type(prev)
            is str
        ):
            return None
        event, known = _EVENTS.get(name), _MODES.get(mode)
        if event is None or known is None or not _TIME.fullmatch(at):
            return None
        document["event"] = event.validate_python(data)
        document["at"] = datetime.fromisoformat(at)
        document["mode"] = known
        del document["data"]
    except ValueError:
        return None
    made = _new(Record)
    _put(made, "__dict__", document)
    _put(made, "__pydantic_fields_set__", _SET)
    _put(made, "__pydantic_extra__", None)
    _put(made, "__pydantic_private__", None)
    return made


def _keys(value: object) -> int:
    """How many keys there are in it, at every depth. Raises ValueError where there is a float."""
    count, kind = 0, type(value)
    if kind is dict:
        values = value.values()  # type: ignore[attr-defined]
        count = len(values)
    elif kind is list:
        values = value
    elif kind is float:
        raise ValueError("a float")
    else:
        return 0
    for each in values:
        if type(each) not in _LEAVES:
            count += _keys(each)
    return count


def decode_slowly(line: bytes) -> Record:
    """The same for every line, by the models alone. Raises JournalError."""
    try:
        document = json.loads(line, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"it is not JSON ({plain(str(error), 120)})") from None
    if not isinstance(document, dict) or tuple(document) != _FIELDS:
        raise _unreadable("it does not have the fields of a record")
    kind = EVENT_TYPES.get(str(document["event"]))
    if kind is None:
        raise _unreadable(f"it holds the unknown event {plain(str(document['event']), 60)}")
    try:
        event = kind.model_validate(document["data"])
        return Record.model_validate(
            {
                **{key: document[key] for key in _FIELDS if key not in ("event", "data")},
                "event": event,
            }
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _unreadable(f"{kind.__name__} {where}: {plain(first['msg'], 120)}") from None


def digest(line: bytes) -> str:
    """SHA-256 of a line's exact bytes without its line end, in hex."""
    return hashlib.sha256(line).hexdigest()


def normal(value: Json) -> Json:
    """The value without floats and large integers: both become their texts."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if -_SAFE <= value <= _SAFE else str(value)
    if isinstance(value, float):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): normal(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [normal(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be recorded")


def _no_float(text: str) -> Json:
    raise ValueError(f"a float, {text}")


def _unreadable(why: str) -> JournalError:
    return JournalError(f"The line cannot be read: {why}.", code="journal-line")
