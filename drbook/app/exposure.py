"""What a runbook says of credentials: what can be destroyed, what opens it, and where each one lies.

The runbook names credentials by reference (`env:NAME`, `file:PATH`, a libpq service, a profile). A reference is
resolved to a fingerprint, so that the same value is known again wherever it lies; a `cmd:` is not run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from drbook.core.copyset import usable
from drbook.core.credentials import PRODUCTION, Thing
from drbook.core.located import Located
from drbook.core.logins import Server
from drbook.core.points import Answer, Basis, CredentialPlace, Criterion, Finding, Verdict
from drbook.core.runbook import Runbook
from drbook.core.targets import DatabaseRef
from drbook.providers import secrets
from drbook.providers.awsaccess import AwsAccess
from drbook.providers.credfiles import Search
from drbook.providers.credplaces import place
from drbook.providers.credvalues import in_url
from drbook.providers.pgplaces import login_in
from drbook.providers.sources.standby import StandbySource


def things_of(runbook: Runbook, located: Located, search: Search) -> list[Thing]:
    document = runbook.document
    marks = _database_marks(document.production.database, search)
    near = _near(marks)
    things = [Thing(PRODUCTION, document.production.domain, uses=marks - near, near=near)]
    for source in runbook.sources:
        own = [
            each for each in located.judgements if each.point.source == source.id and usable(each)
        ]
        independent = [each for each in own if each.verdict is Verdict.INDEPENDENT]
        uses, beside = _opens(source, search)
        things.append(
            Thing(
                source.id,
                source.domain,
                uses=uses,
                near=beside,
                independent=bool(independent),
                versioned=_versioned([each.finding(Criterion.VERSIONED) for each in own]),
                lock=_lock([each.finding(Criterion.LOCK_OUTLIVES) for each in independent or own]),
            )
        )
    return things


def _versioned(findings: Sequence[Finding]) -> Answer:
    """One place answers alike for all its copies; where it does not, or none is there, it is unknown."""
    answers = {one.answer for one in findings if one.basis is Basis.OBSERVED}
    return answers.pop() if len(answers) == 1 else Answer.UNKNOWN


def _lock(findings: Sequence[Finding]) -> Answer:
    """Passed where one copy's lock was seen to hold; unknown where one is locked, or may be."""
    best = Answer.FAIL
    for one in findings:
        if one.answer is Answer.PASS and one.basis is Basis.OBSERVED:
            return Answer.PASS
        if one.answer is not Answer.FAIL:
            best = Answer.UNKNOWN
    return best


def _reference(reference: str | None, search: Search) -> set[str]:
    """Marks of what a reference stands for; of a DSN, also of its password and its host."""
    kind, _, rest = (reference or "").partition(":")
    value: str | None = None
    marks = set()
    if kind == "env":
        marks, value = {f"env:{rest}"}, search.environment.get(rest)
    elif kind == "file":
        path = place(rest)
        marks, value = {f"file:{path}"}, search.read_reference(path)
    if value:
        marks.add(f"print:{search.print_of(value.strip())}")
        if (inside := in_url(value, "", None)) is not None:
            marks |= {f"print:{search.print_of(inside.value)}", *inside.marks}
    return marks


def _database_marks(database: DatabaseRef | None, search: Search) -> frozenset[str]:
    if database is None:
        return frozenset()
    marks = _reference(database.dsn, search) | _reference(database.password, search)
    if database.service is not None:
        marks.add(f"service:{database.service}")
    if database.password is None:  # libpq's own, where nothing else gives one
        marks.add("env:PGPASSWORD")
    if database.host is not None:
        marks.add(f"pg:{database.host.lower()}")
    return frozenset(marks)


def address_of(database: DatabaseRef | None, search: Search) -> Server | None:
    """Production's server as the runbook writes it; None where it does not, or only a program tells."""
    if database is None:
        return None
    if database.host is not None:
        port = str(database.port or "")
        given = {"host": database.host, "port": port, "database": database.dbname or ""}
        mode = {"sslmode": database.sslmode} if database.sslmode else {}
        return Server(**given, user=database.user or "", options=mode)
    if database.service is not None:
        return next((one for one in search.servers if one.name == database.service), None)
    kind, _, rest = (database.dsn or "").partition(":")
    value: str | None = None
    if kind == "env":
        value = search.environment.get(rest)
    elif kind == "file":
        value = search.read_reference(place(rest))
    login = login_in(value.strip()) if value else None
    if login is None or not login.host:
        return None
    return Server(**login.model_dump(exclude={"open"}))


def _opens(source: object, search: Search) -> tuple[frozenset[str], frozenset[str]]:
    """Marks of what opens a source, and of the server or store that holds it."""
    if isinstance(source, AwsAccess):
        return _store_marks(source, search), _store_near(source)
    if not isinstance(source, StandbySource):
        return frozenset(), frozenset()
    both = (source.database, source.control)
    marks = frozenset(mark for each in both for mark in _database_marks(each, search))
    near = _near(marks)
    return marks - near, near


def _near(marks: frozenset[str]) -> frozenset[str]:
    return frozenset(mark for mark in marks if mark.startswith("pg:") or mark == "env:PGPASSWORD")


def _store_marks(store: AwsAccess, search: Search) -> frozenset[str]:
    marks = _reference(store.secret_key, search) | _reference(store.access_key, search)
    if store.profile is not None:
        marks.add(f"profile:{store.profile}")
    elif store.access_key is None:  # what AWS's own variables and files say
        profile = search.environment.get("AWS_PROFILE") or "default"
        marks |= {"env:AWS_SECRET_ACCESS_KEY", f"profile:{profile}"}
    return frozenset(marks)


def _store_near(store: AwsAccess) -> frozenset[str]:
    host = urlsplit(store.endpoint).netloc.lower() if store.endpoint else ""
    return frozenset({f"host:{host}"}) if host else frozenset()


def referred(runbook: Runbook) -> tuple[list[str], list[Path]]:
    """Variables and files that the runbook itself calls secret. An access key's id is none."""
    document = runbook.document
    stores = [
        one
        for one in (*runbook.sources, *runbook.mirrors, runbook.baseline_store)
        if isinstance(one, AwsAccess)
    ]
    ids = {one.access_key for one in stores}
    names = [name for name in secrets.named(runbook.source.decode()) if f"env:{name}" not in ids]
    database = document.production.database
    references = [database.dsn, database.password] if database is not None else []
    references += [one.secret_key for one in stores]
    for stated in document.credentials.values():
        references += stated.stored_in or ()
    files = [each[5:].partition("#")[0] for each in references if each and each.startswith("file:")]
    return names, [place(each) for each in dict.fromkeys(files)]


def credentials_of(runbook: Runbook) -> Mapping[str, CredentialPlace]:
    """`file:` places of `stored_in` as absolute paths, the way found files are named."""
    return {
        name: stated.model_copy(
            update={
                "stored_in": tuple(
                    f"file:{place(one[5:])}" if one.startswith("file:") else one
                    for one in stated.stored_in
                )
            }
        )
        if stated.stored_in is not None
        else stated
        for name, stated in runbook.document.credentials.items()
    }
