"""Actions that reach outside by the operator's own words: sql, http, shell.

What they may do is not decided here: a query runs behind a read-only cursor, a request goes only to
hosts that the runbook names, and a process says in the runbook what it changes.
"""

import json
import shlex
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from drbook.core.actions import Action, Finished, Probed, StepContext
from drbook.core.errors import UsageError
from drbook.core.events import Effect, Plan, StepEnd
from drbook.core.ports import Ports
from drbook.core.results import SqlResult
from drbook.core.secretnames import no_secret_in_body, no_secret_in_headers, no_secret_in_url
from drbook.core.signals import Working, finish
from drbook.core.targets import DatabaseRef, HttpResult, ProcessResult, SecretRefs, Target
from drbook.core.values import Duration, Frozen, Json, parse_duration, plain


class SqlParams(Frozen):
    sql: str = Field(min_length=1)
    """One query. Values go into `params` and stand in the text as `%(name)s`."""
    params: Mapping[str, Json] = {}
    database: DatabaseRef | None = None
    """Absent: production."""
    target: Target | None = None
    """A target of this incident, instead of `database`."""
    limit: int = Field(default=100, ge=1, le=10_000)
    timeout: Duration = parse_duration("30s")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.database is not None and self.target is not None:
            raise ValueError("give `database` or `target`, not both")
        return self


class Sql(Action[SqlParams]):
    """One read-only query."""

    name = "sql"
    title = "Ask the database"
    params = SqlParams
    result = SqlResult
    literal = ("sql",)

    def plan(self, params: SqlParams, context: StepContext) -> Plan:
        return Plan(
            does=("runs one query in a read-only transaction, behind a cursor",),
            runs=(
                params.sql.strip(),
                *(f"{name} = {_shown(value)}" for name, value in params.params.items()),
            ),
            source=_place(params, context),
            touches="nothing: functions with effects stay possible for a login that may call them",
        )

    def perform(self, params: SqlParams, context: StepContext, ports: Ports) -> Working[Finished]:
        if params.target is not None:
            database = yield from ports.targets.reach(params.target)
        else:
            database = production_database(params.database, context)
        found = ports.databases.query(
            database,
            params.sql,
            params.params,
            limit=params.limit,
            timeout=params.timeout,
        )
        first = found.rows[0][0] if found.rows and found.rows[0] else None
        result = SqlResult(
            columns=found.columns,
            rows=found.rows,
            value=first,
            count=len(found.rows),
            truncated=found.truncated,
        )
        more = " or more" if found.truncated else ""
        return Finished(
            result, reason=f"{len(found.rows)}{more} rows; first value {plain(str(first), 80)}"
        )


def _place(params: SqlParams, context: StepContext) -> str:
    if params.target is not None:
        return f"target {params.target.name}"
    known = params.database or context.document.production.database
    return known.show() if known else "production, which the runbook does not say how to reach"


def production_database(given: DatabaseRef | None, context: StepContext) -> DatabaseRef:
    """The database that a step names, or production's. Raises UsageError where neither is known."""
    database = given or context.document.production.database
    if database is None:
        raise UsageError(
            f"Step {context.step} needs a database, and the runbook names none.",
            means="Nothing was asked.",
            next="Give `with: {database: …}`, or `production: {database: …}` for all steps.",
        )
    return database


Url = Annotated[
    str,
    BeforeValidator(no_secret_in_url),
    Field(pattern=r"^https?://[^/?#@\\\s]+([/?#]|$)"),
]


_SAYS_NO = frozenset({*range(400, 500), 501, 505} - {408})
"""Answers that refuse a request (RFC 9110, 15.5 and 15.6). Behind any other one it may have been carried
out: a success or a redirection that the runbook did not expect, a timeout or a failure of the server, or
of a gateway before it."""
_SIGNALS = range(129, 193)
"""Exit codes of a shell whose command a signal ended: 128 and its number."""


class HttpProbe(Frozen):
    """A GET that tells, after an interruption, whether the request was carried out."""

    url: Url
    happened: tuple[int, ...] = (200,)
    """Status codes that mean it was carried out."""
    not_happened: tuple[int, ...] = (404,)
    """Status codes that mean it was not; any other leaves it in doubt."""


class HttpParams(Frozen):
    url: Url
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: Annotated[Mapping[str, str], BeforeValidator(no_secret_in_headers)] = {}
    secret_headers: SecretRefs = Field(default={})
    """Headers whose values are references to secrets."""
    body: Annotated[Json, BeforeValidator(no_secret_in_body)] = None
    """Sent as JSON."""
    secret_body: SecretRefs = Field(default={})
    """Fields that are put into `body` as it is sent, and whose values are references to secrets; a dot
    leads inward: `auth.password`."""
    expect: tuple[int, ...] = ()
    """Status codes that are well; absent: 200 to 299."""
    probe: HttpProbe | None = None
    """How to see afterwards whether an interrupted request was carried out."""
    timeout: Duration = parse_duration("30s")

    @model_validator(mode="after")
    def _a_place_for_each(self) -> Self:
        if self.secret_body and not isinstance(self.body, Mapping | None):
            raise ValueError("`secret_body` needs a `body` of fields, or none")
        return self


class Http(Action[HttpParams]):
    """One HTTP request to a host that the runbook names under `hosts:`."""

    name = "http"
    title = "Send a request"
    params = HttpParams
    result = HttpResult

    def effect_of(self, params: HttpParams) -> Effect:
        return Effect.NONE if params.method in ("GET", "HEAD") else Effect.ONCE

    def plan(self, params: HttpParams, context: StepContext) -> Plan:
        reads = params.method in ("GET", "HEAD")
        return Plan(
            does=(f"{params.method} {plain(params.url, 300)}, without following redirects",),
            runs=(_by_hand(params),),
            touches="nothing, as far as the method says" if reads else plain(params.url, 300),
        )

    def perform(self, params: HttpParams, context: StepContext, ports: Ports) -> Working[Finished]:
        found = ports.http.send(
            params.method,
            params.url,
            headers=params.headers,
            secret_headers=params.secret_headers,
            body=params.body,
            secret_body=params.secret_body,
            timeout=params.timeout,
        )
        well = found.status in params.expect if params.expect else 200 <= found.status < 300
        if well:
            return Finished(found, reason=f"answered {found.status}")
        expected = ", ".join(map(str, params.expect)) or "200 to 299"
        if self.effect_of(params) is Effect.ONCE and found.status not in _SAYS_NO:
            return Finished(
                found,
                StepEnd.IN_DOUBT,
                f"{params.method} {plain(params.url, 200)} answered {found.status}, not {expected}: that "
                "does not say whether it was carried out.",
                means="It is no refusal; what was asked for may have happened.",
                next="Look there whether it did, then settle it (i).",
            )
        return Finished(
            found,
            StepEnd.FAILED,
            f"{params.method} {plain(params.url, 200)} answered {found.status}, not {expected}.",
            means="The other side got the request and did not do what was asked, as far as it says.",
            next="Read its answer; then run the step again or skip it with a reason.",
        )
        yield  # makes this a generator; nothing is signalled

    def probe(self, params: HttpParams, context: StepContext, ports: Ports) -> Probed:
        if params.probe is None:
            return super().probe(params, context, ports)
        asked = params.probe
        found = ports.http.send(
            "GET",
            asked.url,
            headers=params.headers,
            secret_headers=params.secret_headers,
            timeout=params.timeout,
        )
        reason = f"GET {plain(asked.url, 200)} answered {found.status}."
        if found.status in asked.happened:
            return Probed("happened", reason)
        if found.status in asked.not_happened:
            return Probed("did-not-happen", reason)
        return Probed("unknown", reason)


class ShellParams(Frozen):
    shell: str = Field(min_length=1)
    """For `sh -c`. Values go into `args` and stand in the text as `"$1"`, `"$2"`, …"""
    args: tuple[str | int, ...] = ()
    changes: Literal["nothing", "target", "outside"] = "outside"
    """What it changes; nobody can check that, so it is the runbook's word."""
    secrets: SecretRefs = Field(default={})
    """Environment variables whose values are references to secrets."""
    timeout: Duration = timedelta(minutes=10)
    expect: tuple[int, ...] = (0,)
    """Exit codes that are well."""
    probe: str = ""
    """For `sh -c` after an interruption, with the same `args` and `secrets`: it changes nothing and
    ends with 0 where the command has done its work, 1 where it has not; any other code tells nothing."""


class Shell(Action[ShellParams]):
    """One command line, with arguments that are never part of its text."""

    name = "shell"
    title = "Run a command"
    params = ShellParams
    result = ProcessResult
    literal = ("shell", "probe")

    def effect_of(self, params: ShellParams) -> Effect:
        return Effect.NONE if params.changes == "nothing" else Effect.ONCE

    def plan(self, params: ShellParams, context: StepContext) -> Plan:
        command = _shell(params.shell, params.args)
        if not params.args:
            command.pop()
        given = [f"{name}={reference}" for name, reference in params.secrets.items()]
        touches = {
            "nothing": "nothing, says the runbook",
            "target": "the target, says the runbook",
            "outside": "whatever the command changes",
        }
        return Plan(
            does=("runs one command on this host",),
            runs=(shlex.join(command), *(f"with {one} in its environment" for one in given)),
            touches=touches[params.changes],
        )

    def perform(self, params: ShellParams, context: StepContext, ports: Ports) -> Working[Finished]:
        declared: dict[str, Literal["reads", "target", "outside"]] = {
            "nothing": "reads",
            "target": "target",
            "outside": "outside",
        }
        found = yield from ports.processes.run(
            _shell(params.shell, params.args),
            declared=declared[params.changes],
            secrets=params.secrets,
            timeout=params.timeout,
        )
        if found.exit_code in params.expect:
            return Finished(found, reason=f"exit code {found.exit_code}")
        code = found.exit_code
        if self.effect_of(params) is Effect.ONCE and code is not None and code in _SIGNALS:
            return Finished(
                found,
                StepEnd.IN_DOUBT,
                f"The command was ended by signal {code - 128} (exit code {code}).",
                means="It was cut off, not finished; what it did until then may have happened.",
                next="Read its output, look at what it changes, then settle it (i).",
            )
        last = found.stderr.strip().splitlines()[-1:] or found.stdout.strip().splitlines()[-1:]
        return Finished(
            found,
            StepEnd.FAILED,
            f"The command ended with exit code {found.exit_code}"
            + (f": {last[0]}" if last else "."),
            means="What it did before it ended is not known to drbook.",
            next="Read its output before you run it again.",
        )

    def probe(self, params: ShellParams, context: StepContext, ports: Ports) -> Probed:
        if not params.probe:
            return super().probe(params, context, ports)
        found = finish(
            ports.processes.run(
                _shell(params.probe, params.args),
                declared="reads",
                secrets=params.secrets,
                timeout=params.timeout,
            )
        )
        reason = f"The probe ended with exit code {found.exit_code}."
        if found.exit_code == 0:
            return Probed("happened", reason)
        return Probed("did-not-happen" if found.exit_code == 1 else "unknown", reason)


def _shown(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _by_hand(params: HttpParams) -> str:
    """The request as a curl command; secrets stand there as the references that they are."""
    words = ["curl", "--request", params.method]
    sends = params.body is not None or bool(params.secret_body)
    if sends:
        words += ["--header", "Content-Type: application/json"]
    for name, value in params.headers.items():
        words += ["--header", f"{name}: {value}"]
    for name, reference in params.secret_headers.items():
        words += ["--header", f"{name}: <{reference}>"]
    if sends:
        words += ["--data", _shown({} if params.body is None else params.body)]
    line = shlex.join([*words, params.url])
    secret = [f"{field} = <{reference}>" for field, reference in params.secret_body.items()]
    return f"{line}   # and in the body {', '.join(secret)}" if secret else line


def _shell(text: str, args: tuple[str | int, ...]) -> list[str]:
    return ["/bin/sh", "-c", text, "drbook", *(str(item) for item in args)]
