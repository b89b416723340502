"""Values that grow by one again and again, as an incident does, without copying all that was before."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import attrgetter
from typing import TypeVar, overload

T = TypeVar("T")
D = TypeVar("D")
Put = Callable[[object, object], None]
"""Writes one slot of an object."""


class Growing(Sequence[T]):
    """An immutable sequence; what follows it by one shares its memory.

    Many of them look at one list, each at its own length. Thread-safe: a list only grows, and whoever
    finds its end taken by somebody else copies.
    """

    __slots__ = ("_items", "_length")

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items = list(items)
        self._length = len(self._items)

    def and_then(self, item: T) -> "Growing[T]":
        """This sequence and one more."""
        items, length = self._items, self._length
        if len(items) == length:
            items.append(item)
        if len(items) <= length or items[length] is not item:
            items = [*items[:length], item]
        made: Growing[T] = Growing.__new__(Growing)
        made._items, made._length = items, length + 1
        return made

    def and_all(self, items: Sequence[T]) -> "Growing[T]":
        """This sequence and all of these; itself where there are none."""
        if not items:
            return self
        return Growing(chain(self, items)) if len(items) > 1 else self.and_then(items[0])

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...

    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            begin, end, step = index.indices(self._length)
            if step == 1:
                return tuple(self._items[begin:end])
            return tuple(self._items[at] for at in range(begin, end, step))
        at = index + self._length if index < 0 else index
        if not 0 <= at < self._length:
            raise IndexError(f"{index} of {self._length}")
        return self._items[at]

    def __iter__(self) -> Iterator[T]:
        return islice(self._items, self._length)

    def __reversed__(self) -> Iterator[T]:
        return (self._items[at] for at in range(self._length - 1, -1, -1))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Growing):
            same = self._items is other._items and self._length == other._length
            return same or self[:] == other[:]
        return isinstance(other, tuple) and self[:] == other

    def __hash__(self) -> int:
        return hash(self[:])

    def __repr__(self) -> str:
        return repr(self[:])


def appended(before: Sequence[T], item: T) -> Growing[T]:
    """A sequence and one more."""
    return (before if isinstance(before, Growing) else Growing(before)).and_then(item)


def replace(before: D, /, **changes: object) -> D:
    """`dataclasses.replace` for a frozen class with slots, without a `__post_init__`: copies slot by slot
    what stays."""
    made = object.__new__(type(before))
    read, write = _slots(type(before))
    for put, value in zip(write.values(), read(before), strict=True):
        put(made, value)
    return altered(made, **changes)


def altered(own: D, /, **changes: object) -> D:
    """The same object, changed in place: for one that nobody else has seen."""
    _, write = _slots(type(own))
    for name, value in changes.items():
        write[name](own, value)
    return own


def _slots(kind: type) -> tuple[Callable[[object], tuple[object, ...]], Mapping[str, Put]]:
    """What reads all slots of such an object at once, and what writes each of them."""
    found = _SLOTS.get(kind)
    if found is None:
        names: tuple[str, ...] = vars(kind)["__slots__"]
        found = attrgetter(*names), {name: vars(kind)[name].__set__ for name in names}
        _SLOTS[kind] = found
    return found


_SLOTS: dict[type, tuple[Callable[[object], tuple[object, ...]], Mapping[str, Put]]] = {}
