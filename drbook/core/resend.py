"""Whether a message that was not accepted is sent again, and when: by the answer alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

TRIES = 4
PAUSES = (1.0, 3.0, 9.0)
"""Seconds before each further try."""
LONGEST_PAUSE = 30.0
"""Seconds; a server that asks for more gets no more."""
WHOLE = 90.0
"""Seconds after which no further try begins, all pauses counted."""
TOO_MANY = 429


class Delivery(StrEnum):
    """What is known of a message in the end."""

    ACCEPTED = "accepted"
    """The other side said so (2xx); whether somebody reads it, it does not say."""
    NOT_ACCEPTED = "not-accepted"
    UNKNOWN = "unknown"
    """It was sent, and nobody answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try."""

    status: int | None
    """None where no answer came."""
    sent: bool
    """Whether the request may have left: False where no connection was made."""
    text: str = ""
    """What was answered, or why there is no answer; without secrets."""
    retry_after: str = ""
    """The header as it came."""

    @property
    def delivery(self) -> Delivery:
        if self.status is None:
            return Delivery.UNKNOWN if self.sent else Delivery.NOT_ACCEPTED
        return Delivery.ACCEPTED if 200 <= self.status < 300 else Delivery.NOT_ACCEPTED

    @property
    def worth_another(self) -> bool:
        """Whether it may go better next time: too many requests, a server's failure, no answer."""
        return self.status is None or self.status == TOO_MANY or 500 <= self.status < 600


def pause_before(tries: int, answer: Answer, now: datetime, spent: float = 0.0) -> float | None:
    """Seconds to wait before the next try, after so many and `spent` seconds; None where there is none."""
    if tries >= TRIES or not answer.worth_another:
        return None
    asked = asked_for(answer.retry_after, now)
    pause = min(PAUSES[tries - 1] if asked is None else max(asked, PAUSES[0]), LONGEST_PAUSE)
    return pause if spent + pause < WHOLE else None


def asked_for(retry_after: str, now: datetime) -> float | None:
    """Seconds that `Retry-After` asks for (RFC 9110, 10.2.3: seconds or a date); None where it asks for none."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())


def worst(answers: Iterable[Delivery]) -> Delivery:
    """Of several messages: not accepted before unknown before accepted."""
    found = set(answers)
    for one in (Delivery.NOT_ACCEPTED, Delivery.UNKNOWN):
        if one in found:
            return one
    return Delivery.ACCEPTED
