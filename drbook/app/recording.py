"""Signals of an attempt as the events that record them."""

from drbook.core import events as ev
from drbook.core import signals as sig
from drbook.core.events import Event


def event_of(step: str, attempt: int, signal: sig.Recordable) -> Event:
    """A signal as the event that records it."""
    if isinstance(signal, sig.Milestone):
        return ev.MilestoneReached(
            step=step,
            attempt=attempt,
            text=signal.text,
            data=signal.data,
            artifacts=signal.artifacts,
        )
    if isinstance(signal, sig.ResourceIntended):
        return ev.ResourceIntended(
            step=step,
            attempt=attempt,
            kind=signal.kind,
            name=signal.name,
            nonce=signal.nonce,
            location=signal.location,
        )
    if isinstance(signal, sig.ResourceCreated):
        return ev.ResourceCreated(
            step=step,
            attempt=attempt,
            kind=signal.kind,
            name=signal.name,
            location=signal.location,
            identity=signal.identity,
        )
    return ev.ProcessStarted(
        step=step,
        attempt=attempt,
        pid=signal.pid,
        started=signal.started,
        argv=signal.argv,
        token=signal.token,
    )
