"""What a step says and what a person types, where it holds a secret that this process knows."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from drbook.actions.outside import HttpParams
from drbook.app import model as cmd
from drbook.app.ledger import without_secrets
from drbook.core.actions import Finished, StepContext
from drbook.core.besides import ResourceLeft
from drbook.core.errors import RunbookInvalid, StepFailed, UsageError
from drbook.core.ports import Ports
from drbook.core.signals import Milestone, Output, ResourceIntended, Working
from drbook.core.state import StepState
from drbook.core.targets import DatabaseRef
from drbook.core.values import Frozen
from drbook.language.load import load
from drbook.providers.hiding import MASK, Secret
from drbook.providers.pgsession import parameters

if TYPE_CHECKING:
    from support.incident import World

VALUE = "hunter2hunter2-7f3a9c51"
ONE = "  - {id: a, phase: restore, do: none}\n"


def test_the_name_of_what_is_taken_away_is_the_one_that_was_intended() -> None:
    Secret("restore-2")
    left = ResourceLeft(
        kind="cluster",
        name="drill-restore-2-1",
        location="/t/drill-restore-2-1",
        reason="no: restore-2",
    )
    kept = without_secrets(left)
    assert isinstance(kept, ResourceLeft)
    assert (kept.name, kept.reason) == ("drill-restore-2-1", f"no: {MASK}")


def test_what_a_step_says_is_masked_and_what_later_steps_use_is_not(world: "World") -> None:
    Secret(VALUE)

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        yield Output(f"printed {VALUE}")
        yield Milestone(f"reached {VALUE}", {"errors": [f"bad {VALUE}"]})
        yield ResourceIntended("cluster", VALUE, "nonce", "/here")
        raise StepFailed(f"failed with {VALUE}", means=f"means {VALUE}", next=f"next {VALUE}")

    world.none.courses["a"] = course
    world.start(ONE)
    world.ask(cmd.Run("a"))
    ended = world.reaches("a", StepState.FAILED)
    run = ended.state.steps["a"]
    assert run.milestones == (f"reached {MASK}",)
    assert (run.reason, run.means) == (f"failed with {MASK}", f"means {MASK}")
    assert [each.name for each in ended.state.resources] == [VALUE]
    shown = [line for one in world.snapshots for live in one.live.values() for line in live.output]
    assert all(VALUE not in line for line in shown)
    lines = world.journal.read_text().splitlines()
    assert [line for line in lines if VALUE in line and "ResourceIntended" not in line] == []


def test_a_defect_leaves_a_traceback_without_the_secret(world: "World") -> None:
    Secret(VALUE)

    def course(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
        held = VALUE
        raise RuntimeError(f"cannot use {held!r}") from KeyError(held)
        yield

    world.none.courses["a"] = course
    world.start(ONE)
    world.ask(cmd.Run("a"))
    reason = world.reaches("a", StepState.FAILED).state.steps["a"].reason
    log = (world.folder / "errors.log").read_text()
    assert f"cannot use '{MASK}'" in reason
    assert f"cannot use '{MASK}'" in log
    assert f"KeyError: '{MASK}'" in log
    assert VALUE not in log


@pytest.mark.parametrize(
    "typed",
    [
        cmd.WriteNote(f"it was {VALUE}"),
        cmd.Answer("a", VALUE),
        cmd.Answer("a", "done", f"with {VALUE}"),
        cmd.Skip("a", VALUE),
        cmd.Abort(f"{VALUE} leaked"),
        cmd.SetInput("day", VALUE),
        cmd.Jump("a", VALUE),
        cmd.DoneElsewhere("a", "succeeded", VALUE),
        cmd.DoneElsewhere("a", "succeeded", "r", f"password: {VALUE}"),
        cmd.ChoosePoint("a", "s", "i", None, VALUE),
        cmd.HandOver(VALUE),
        cmd.HandOver("carla", VALUE),
    ],
)
def test_a_typed_secret_is_refused_and_not_recorded(world: "World", typed: cmd.Command) -> None:
    Secret(VALUE)
    world.start("  - {id: a, phase: contain, do: manual, with: {instructions: [Do it.]}}\n")
    world.ask(cmd.Run("a"))
    with pytest.raises(UsageError) as caught:
        world.ask(typed)
    assert caught.value.code == "secret-typed"
    assert VALUE not in caught.value.explain()
    assert VALUE not in world.journal.read_text()
    world.ask(cmd.Answer("a", "done", "without it"))


def test_a_name_that_must_be_typed_may_be_a_password_too(world: "World") -> None:
    Secret("rental-production")
    world.start(
        "  - {id: a, phase: cutover, do: once, confirm: {type: rental-production, cool_off: 0s}}\n"
    )
    world.ask(cmd.Run("a"))
    world.ask(cmd.Confirm("a", "rental-production"))
    world.reaches("a", StepState.SUCCEEDED)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2hunter2@example.com/",
        "https://token@example.com/",
        "https://example.com/?a=1&access_token=hunter2hunter2",
        "https://example.com/?X-Amz-Signature=hunter2hunter2",
        "https://example.com/?private_token=hunter2hunter2",
        "https://example.com/?privateToken=hunter2hunter2",
        "https://example.com/?a;key=hunter2hunter2",
        "https://example.com/?%6bey=hunter2hunter2",
        "https://example.com/?db-password=hunter2hunter2",
        "https://example.com/#code=hunter2hunter2",
        "https://example.com/?x_sig=hunter2hunter2",
    ],
)
def test_an_address_with_a_secret_in_it_is_an_error_that_does_not_show_it(url: str) -> None:
    from drbook.app.vocabulary import vocabulary

    text = f"drbook: 1\ntitle: T\nsteps: [{{id: a, phase: detect, do: http, with: {{url: '{url}'}}}}]\n"
    with pytest.raises(RunbookInvalid) as caught:
        load(text.encode(), "r.yaml", vocabulary())
    assert "hunter2" not in caught.value.explain()
    assert "secret_headers" in caught.value.explain()
    assert HttpParams(url="https://example.com/?page=2").url


@pytest.mark.parametrize(
    "query",
    [
        "page_token=a",
        "nextPageToken=a",
        "continuation-token=a",
        "keyword=a",
        "country_code=a",
        "monkey=a",
        "tokens=a",
        "author=a",
        "=a",
        "key_id=a",
        "AWSAccessKeyId=a",
        "page=2",
    ],
)
def test_an_address_without_a_secret_is_none_for_its_sound(query: str) -> None:
    assert HttpParams(url=f"https://example.com/?{query}").url


def test_what_cannot_be_taken_apart_is_no_address() -> None:
    with pytest.raises(ValidationError, match="an address that can be read"):
        HttpParams(url="https://[::1/?token=a")
    with pytest.raises(ValidationError, match="valid string"):
        HttpParams.model_validate({"url": 7})


def _linted(given: str) -> str:
    from drbook.app.vocabulary import vocabulary

    text = (
        "drbook: 1\ntitle: T\ninputs: {x: {type: text}}\n"
        "steps:\n  - id: a\n    phase: detect\n    do: http\n"
        f"    with: {{url: 'https://example.com/', method: POST, {given}}}\n"
    )
    try:
        load(text.encode(), "r.yaml", vocabulary())
    except RunbookInvalid as error:
        return error.explain()
    return ""


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("headers: {Authorization: 'Bearer hunter2hunter2'}", "Authorization"),
        ("headers: {X-Api-Key: hunter2hunter2}", "X-Api-Key"),
        ("headers: {x_api_key: hunter2hunter2}", "x_api_key"),
        ("headers: {Cookie: 'session=hunter2hunter2'}", "Cookie"),
        ("headers: {Proxy-Authorization: hunter2hunter2}", "Proxy-Authorization"),
        ("headers: {PRIVATE-TOKEN: '${{ inputs.x }}'}", "PRIVATE-TOKEN"),
        ("body: {user: app, password: hunter2hunter2}", "password"),
        ("body: {auth: [{clientSecret: hunter2hunter2}]}", "auth.clientSecret"),
        ("body: {api_key: 4711}", "api_key"),
        ("body: {tokens: 1, token: [hunter2hunter2]}", "token"),
        ("body: {token: '${{ inputs.x }}'}", "token"),
    ],
)
def test_a_secret_that_is_written_into_a_request_is_an_error_that_does_not_show_it(
    given: str, named: str
) -> None:
    said = _linted(given)
    where = "secret_headers" if given.startswith("headers") else "secret_body"
    assert f"Give {named} under `{where}`, by reference" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "given",
    [
        "headers: {Accept: text/plain, X-Request-Id: a1, Idempotency-Key: a1, _: a}",
        "body: {page_token: a, password: null, secret: {name: db}, token: false, key: a, code: 7}",
        "body: [1, text, {a: [b]}]",
        "body: {user: app}, secret_body: {password: 'env:PW', auth.secret: 'env:PW'}",
        "secret_headers: {Authorization: 'env:PW'}",
    ],
)
def test_a_request_without_a_secret_in_it_is_well(given: str) -> None:
    assert _linted(given) == ""


def test_secrets_of_a_body_need_fields_beside_them() -> None:
    assert "needs a `body` of fields" in _linted("body: [1], secret_body: {password: 'env:PW'}")


@pytest.mark.parametrize(
    "dsn",
    ["postgresql://app:ab/hunter-1@host/db", "postgresql://app:a@hunter-1@host/db"],
)
def test_a_password_that_was_taken_for_a_host_is_not_asked_for(dsn: str) -> None:
    with pytest.raises(UsageError) as caught:
        parameters(DatabaseRef(dsn="env:DSN"), {"DSN": dsn})
    assert caught.value.code == "dsn"
    assert "hunter" not in caught.value.explain()


def test_the_password_is_no_text_before_the_call_that_needs_it(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(VALUE)
    refs = (
        DatabaseRef(dsn="env:DSN"),
        DatabaseRef(host="db", password=f"file:{tmp_path / 'pw'}"),
    )
    for ref in refs:
        given, hidden = parameters(ref, {"DSN": f"postgresql://app:{VALUE}@db:5432/x"})
        assert given["host"] == "db"
        assert VALUE not in str(given) + str(hidden)
        assert hidden["password"].reveal() == VALUE
