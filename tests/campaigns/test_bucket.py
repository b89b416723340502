"""The short form of `bucket.py`: four hundred objects in short pages."""

from dataclasses import replace

from campaigns.bucket import bucket


def test_a_real_bucket_is_narrowed_and_memory_stays() -> None:
    outcome = bucket(400, page=3, days=40)
    assert outcome.wrong == []
    blind = replace(
        outcome, narrowed=replace(outcome.narrowed, copies=outcome.narrowed.copies[:-1])
    )
    assert blind.wrong == ["with keys, not all of the newest are found"]
    greedy = replace(outcome, whole=replace(outcome.whole, kibibytes=10**6))
    assert [each[:12] for each in greedy.wrong] == ["memory grows"]
