"""What holds of every judgement, whatever is stated and observed: more that is shared, and less that is
known, never makes a copy better; nothing but a pass is chosen."""

from datetime import timedelta
from typing import Any

from core.test_independence import NOW, point
from hypothesis import given, settings
from hypothesis import strategies as st

from drbook.core.copyset import QUESTIONS
from drbook.core.holding import NO_VAULT, Stated, VaultFact
from drbook.core.independence import choose, judge, leaked_credentials
from drbook.core.points import (
    Answer,
    ByteFact,
    CredentialPlace,
    Criterion,
    FailureDomain,
    Judgement,
    LockFact,
    Observed,
    PointFacts,
    SourceFacts,
    Verdict,
)
from drbook.core.presets import PRESETS
from drbook.core.proofs import Proofs

NAMES = ("token", "writer", "key")
WHERE = ("laptops", "ci", "vault", "vol-1")
UNKNOWN = Observed(why="denied")
FACTS = (
    "versioned", "deletes_replicated", "expires_after_days", "policy_limits_deletes",
    "account", "lock_enforced",
)  # fmt: skip
ORDER = (Answer.FAIL, Answer.UNKNOWN, Answer.PASS)

some = st.lists(st.sampled_from(WHERE), max_size=2, unique=True).map(tuple)
places = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(CredentialPlace, stored_in=st.none() | some, reads=some),
    max_size=3,
)
credentials = st.none() | st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple)
yes_no = st.sampled_from((Observed(value=True), Observed(value=False), UNKNOWN))
sources = st.fixed_dictionaries(
    {
        "versioned": yes_no,
        "deletes_replicated": yes_no,
        "policy_limits_deletes": yes_no,
        "lock_enforced": yes_no,
        "expires_after_days": st.sampled_from((Observed(), Observed(value=2), UNKNOWN)),
        "account": st.sampled_from((Observed(value="acme"), Observed(value="b"), UNKNOWN)),
        "opened": yes_no,
    }
)
locks = st.sampled_from(
    (
        LockFact(),
        LockFact(why_unknown="denied"),
        LockFact(mode="GOVERNANCE", until=NOW + timedelta(days=30)),
        LockFact(mode="COMPLIANCE", until=NOW + timedelta(days=30)),
        LockFact(legal_hold=True),
    )
)
worlds = st.fixed_dictionaries(
    {
        "places": places,
        "declared": credentials,
        "leaks": credentials,
        "source": sources,
        "lock": locks,
        "vault": st.sampled_from((NO_VAULT, VaultFact(), VaultFact(kind="vault", locked=True))),
        "bytes": st.sampled_from(("intact", "structure", "unread", "unknown", "damaged")),
        "keys": st.sampled_from((None, (), ("key",), ("key", "writer"))),
        "recoverable": st.sampled_from((None, None, "undelete it")),
        "require": st.lists(st.sampled_from(list(Criterion)), max_size=4, unique=True).map(tuple),
        "hidden": st.sampled_from((None, False, True)),
    }
)


def judged(world: dict[str, Any], hours: float = 5) -> Judgement:
    production = FailureDomain(
        provider="p", account="acme", resource="vol-1", credentials=world["leaks"]
    )
    return judge(
        PointFacts(
            point=point(hours),
            lock=world["lock"],
            vault=world["vault"],
            bytes=ByteFact(state=world["bytes"]),
            recoverable=world["recoverable"],
            hidden_by_delete_marker=world["hidden"],
        ),
        SourceFacts(source="offsite", reachable=True, resource="bucket", **world["source"]),
        FailureDomain(provider="p", resource="bucket", credentials=world["declared"]),
        production,
        leaked_credentials(production, world["places"]),
        require=world["require"],
        now=NOW,
        stated=Stated(keys=world["keys"]),
        proofs=Proofs(),
    )


def no_better(before: Judgement, after: Judgement) -> None:
    """No answer rose, and nothing became independent that was not."""
    for found in before.findings:
        assert ORDER.index(after.finding(found.criterion).answer) <= ORDER.index(found.answer), (
            found.criterion
        )
    if after.verdict is Verdict.INDEPENDENT:
        assert before.verdict is Verdict.INDEPENDENT


CASES = settings(max_examples=60, deadline=None)


@CASES
@given(worlds, st.sampled_from(NAMES))
def test_one_more_credential_that_can_delete_it_makes_nothing_better(
    world: dict[str, Any], name: str
) -> None:
    if world["declared"] is not None:
        more = world | {"declared": (*world["declared"], name)}
        no_better(judged(world), judged(more))


@CASES
@given(worlds, st.sampled_from(NAMES))
def test_one_more_credential_that_leaked_makes_nothing_better(
    world: dict[str, Any], name: str
) -> None:
    if world["leaks"] is not None:
        no_better(judged(world), judged(world | {"leaks": (*world["leaks"], name)}))


@CASES
@given(worlds, st.sampled_from(NAMES), st.sampled_from(WHERE))
def test_one_more_place_that_is_read_makes_nothing_better(
    world: dict[str, Any], name: str, where: str
) -> None:
    found = world["places"].get(name)
    if found is not None:
        more = found.model_copy(update={"reads": (*found.reads, where)})
        no_better(judged(world), judged(world | {"places": world["places"] | {name: more}}))


@CASES
@given(worlds, st.sampled_from(("token", "writer")), st.sampled_from(WHERE))
def test_one_more_place_that_holds_a_credential_makes_nothing_better(
    world: dict[str, Any], name: str, where: str
) -> None:
    """Of one that can destroy: a key is the safer the more places hold it."""
    found = world["places"].get(name)
    if found is not None and found.stored_in is not None and world["keys"] in (None, ()):
        more = found.model_copy(update={"stored_in": (*found.stored_in, where)})
        no_better(judged(world), judged(world | {"places": world["places"] | {name: more}}))


@CASES
@given(worlds, st.sampled_from(FACTS))
def test_a_fact_that_nobody_knows_passes_nothing_that_did_not_pass(
    world: dict[str, Any], fact: str
) -> None:
    before = judged(world)
    after = judged(world | {"source": world["source"] | {fact: UNKNOWN}})
    for found in before.findings:
        if found.answer is not Answer.PASS and not (
            # A lock that the place was caught not to enforce is the word of the place again.
            fact == "lock_enforced"
            and found.criterion in (Criterion.LOCKED, Criterion.LOCK_OUTLIVES)
        ):
            assert after.finding(found.criterion).answer is not Answer.PASS, found.criterion


UNSAID = st.sampled_from(
    (
        {"declared": None},
        {"leaks": None},
        {"keys": None},
        {"lock": LockFact(why_unknown="denied")},
        {"vault": VaultFact()},
        {"bytes": "unread"},
        {"hidden": None},
    )
)


@CASES
@given(worlds, UNSAID)
def test_what_is_not_stated_passes_nothing_that_did_not_pass(
    world: dict[str, Any], unsaid: dict[str, Any]
) -> None:
    before, after = judged(world), judged(world | unsaid)
    for found in before.findings:
        if found.answer is not Answer.PASS:
            assert after.finding(found.criterion).answer is not Answer.PASS, found.criterion


@CASES
@given(st.lists(worlds, max_size=5))
def test_nothing_but_a_pass_is_chosen(found: list[dict[str, Any]]) -> None:
    judgements = [judged(world, hours) for hours, world in enumerate(found, start=2)]
    chosen = choose(judgements)
    assert chosen is None or chosen.verdict is Verdict.INDEPENDENT
    assert (chosen is None) is all(each.verdict is not Verdict.INDEPENDENT for each in judgements)
    for world, each in zip(found, judgements, strict=True):
        if each.verdict is Verdict.INDEPENDENT:
            answers = [each.finding(criterion).answer for criterion in world["require"]]
            assert answers
            assert all(answer is Answer.PASS for answer in answers)
            assert world["recoverable"] is None


@CASES
@given(worlds)
def test_a_longer_preset_passes_nothing_that_a_shorter_one_does_not(world: dict[str, Any]) -> None:
    short, long = (judged(world | {"require": PRESETS[name]}) for name in ("3-2-1", "3-2-1-1-0"))
    if long.verdict is Verdict.INDEPENDENT:
        assert short.verdict is Verdict.INDEPENDENT
    assert set(QUESTIONS["3-2-1"]) < set(QUESTIONS["3-2-1-1-0"])
    assert set(QUESTIONS) == set(PRESETS)
