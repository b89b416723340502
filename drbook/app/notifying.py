"""Telling those whom a runbook's `notify:` names how an unattended run ended.

It changes nothing of the run: not its outcome, not its exit code. What was not accepted is said, and stands
on record where there is one.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from drbook.core.errors import DrbookError
from drbook.core.events import NotificationEnded, NotificationIntended
from drbook.core.notice import Notice
from drbook.core.notify import NotifyConfig
from drbook.core.resend import WHOLE, Delivery
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.providers import secrets
from drbook.providers.hiding import scrub
from drbook.timeline.told import notified

LONGEST = WHOLE + 40.0
"""Seconds that all messages together are waited for; a secret's command has 30 of them."""
_LOOK_EVERY = 0.1
_NOT_WAITED = "it was no longer waited for"

Put = Callable[[NotificationIntended | NotificationEnded], None]
"""Puts an event on record. Raises DrbookError where it cannot be."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one of the runbook's entries."""

    number: int
    """Of the entry, from 1."""
    config: NotifyConfig
    notice: Notice


def wanted(runbook: Runbook, notice: Notice) -> list[Message]:
    """Whom the runbook tells of it."""
    return [
        Message(number, config, notice)
        for number, config in enumerate(runbook.notify, 1)
        if config.wants(notice.word, notice.mode)
    ]


def tell_all(
    messages: Sequence[Message],
    put: Put | None,
    say: Callable[[str], None],
    *,
    environment: Mapping[str, str] = os.environ,
    longest: float | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> list[NotificationEnded]:
    """Send them side by side, each recorded before and after. Never raises for what goes wrong with one.

    What cannot be put on record first is not sent, which is said; where there is no record (`put` is None),
    there is none to keep.

    `longest` is how many seconds all of them are waited for, LONGEST where it is not said; once `enough` says
    so, none is any more.
    """
    messages = [each for each in messages if _recorded(_intended(each), put, say)]
    if not messages:
        return []
    arrived: queue.SimpleQueue[tuple[int, NotificationEnded]] = queue.SimpleQueue()
    for place, each in enumerate(messages):
        # A look-up of a name cannot be ended: what hangs there is left behind.
        work = threading.Thread(
            target=_send, args=(place, each, environment, arrived), name="notify", daemon=True
        )
        work.start()
    ended = _collected(messages, arrived, LONGEST if longest is None else longest, enough)
    for one in ended:
        say(plain(notified(one), 600))
        _recorded(one, put, say)
    return ended


def _collected(
    messages: Sequence[Message],
    arrived: "queue.SimpleQueue[tuple[int, NotificationEnded]]",
    longest: float,
    enough: Callable[[], bool],
) -> list[NotificationEnded]:
    found: dict[int, NotificationEnded] = {}
    until = time.monotonic() + longest
    why = ""
    try:
        while len(found) < len(messages) and not why:
            left = until - time.monotonic()
            with suppress(queue.Empty):
                place, ended = arrived.get(timeout=max(0.0, min(left, _LOOK_EVERY)))
                found[place] = ended
                continue
            if enough():
                why = _NOT_WAITED
            elif left <= 0:
                why = f"no end of it was seen within {longest:.0f} seconds"
    except KeyboardInterrupt:
        why = _NOT_WAITED
    return [
        found.get(place) or _ended(each, Delivery.UNKNOWN, said=why)
        for place, each in enumerate(messages)
    ]


def _send(
    place: int,
    message: Message,
    environment: Mapping[str, str],
    arrived: "queue.SimpleQueue[tuple[int, NotificationEnded]]",
) -> None:
    from drbook.providers.notify import send

    try:
        sent = send(message.config, message.notice, secrets.reader(environment))
        ended = _ended(message, sent.delivery, sent.status, sent.tries, sent.said)
    except DrbookError as error:
        ended = _ended(message, Delivery.NOT_ACCEPTED, said=error.what)
    except Exception as error:  # noqa: BLE001 - a defect here must not change how the run ended
        ended = _ended(
            message, Delivery.UNKNOWN, said=f"drbook itself failed: {type(error).__name__}"
        )
    arrived.put((place, ended))


def _ended(
    message: Message,
    delivery: Delivery,
    status: int | None = None,
    tries: int = 0,
    said: str = "",
) -> NotificationEnded:
    return NotificationEnded(
        number=message.number,
        kind=message.config.kind,
        host=message.config.host,
        delivery=delivery.value,
        status=status,
        tries=tries,
        said=plain(scrub(said), 300),
    )


def _intended(message: Message) -> NotificationIntended:
    return NotificationIntended(
        number=message.number,
        kind=message.config.kind,
        host=message.config.host,
        outcome=message.notice.word,
    )


def _recorded(
    event: NotificationIntended | NotificationEnded, put: Put | None, say: Callable[[str], None]
) -> bool:
    if put is None:
        return True
    try:
        put(event)
    except DrbookError as error:
        sent = "was not sent, for it" if isinstance(event, NotificationIntended) else "was sent and"
        where = f"{event.kind} at {event.host}"
        say(plain(f"The notification ({where}) {sent} is not on record: {error.what}", 600))
        return False
    return True
