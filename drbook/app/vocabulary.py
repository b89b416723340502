"""What runbooks may say in this installation: built-in actions and kinds, and those plugged in."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from drbook.actions.applying import Apply, Rehearse
from drbook.actions.detect import CompareBaseline, ProbeDatabase
from drbook.actions.difference import CompareRows
from drbook.actions.findloss import FindLoss
from drbook.actions.general import Ask, Assert, Choose, Manual, Note, Wait
from drbook.actions.locate import Locate
from drbook.actions.outside import Http, Shell, Sql
from drbook.actions.replay import PauseReplay
from drbook.actions.restore import Restore
from drbook.actions.reviewed import Propose
from drbook.actions.verify import Verify
from drbook.core.actions import Action, AnyAction
from drbook.core.errors import UsageError
from drbook.core.values import plain
from drbook.language.check import Vocabulary
from drbook.mirror.config import MIRRORS
from drbook.providers.kinds import BASELINE_STORES, SOURCES, TARGETS

BUILT_IN = (
    Apply,
    Ask,
    Assert,
    Choose,
    CompareBaseline,
    CompareRows,
    FindLoss,
    Http,
    Locate,
    Manual,
    Note,
    PauseReplay,
    ProbeDatabase,
    Propose,
    Rehearse,
    Shell,
    Sql,
    Verify,
    Wait,
)


@cache
def vocabulary() -> Vocabulary:
    """Built in and plugged in. A plug-in that does not load, or takes a taken name, is an error:
    an incident is no time to find that out."""
    actions: dict[str, AnyAction] = {}
    for kind in BUILT_IN:
        actions[kind.name] = kind()  # type: ignore[assignment]
    actions[Restore.name] = Restore(TARGETS())  # type: ignore[assignment]
    for entry in entry_points(group="drbook.actions"):
        made = _load(entry)
        if not isinstance(made, type) or not issubclass(made, Action):
            raise _broken(entry, "it is not an Action")
        if made.name in actions and type(actions[made.name]) is not made:
            raise _broken(entry, f"the action {made.name} exists already")
        actions[made.name] = made()
    return Vocabulary(actions, SOURCES(), BASELINE_STORES(), MIRRORS)


def _load(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except Exception as error:
        raise _broken(entry, f"{type(error).__name__}: {plain(str(error), 200)}") from error


def _broken(entry: EntryPoint, why: str) -> UsageError:
    package = entry.dist.name if entry.dist is not None else "unknown"
    return UsageError(
        f"The plug-in {entry.group} {entry.name} of package {package} cannot be used: {why}.",
        means="Runbooks that use it would fail in the middle of an incident.",
        next=f"Mend or uninstall {package}.",
        code="plug-in",
    )
