"""No account is locked by a wrong password: six refusals an hour at most."""

from __future__ import annotations

from bridge.sources.ucs.denial_limit import MOST_DENIALS, DenialLimit


def test_after_six_refusals_nothing_is_asked_until_the_first_is_an_hour_old() -> None:
    limit = DenialLimit()
    for at in range(MOST_DENIALS):
        assert limit.wait(100.0 * at) == 0
        limit.denied(100.0 * at)
    assert limit.wait(500.0) == 3100.0
    assert limit.wait(3600.0) == 0
    limit.denied(3600.0)
    assert limit.wait(3600.0) == 100.0


def test_an_accepted_request_begins_the_count_anew() -> None:
    limit = DenialLimit()
    for _ in range(MOST_DENIALS):
        limit.denied(0.0)
    limit.accepted()
    assert limit.wait(1.0) == 0


def test_only_the_last_answer_says_whether_the_credentials_are_accepted() -> None:
    limit = DenialLimit()
    seen = [limit.is_accepted]
    limit.accepted()
    seen.append(limit.is_accepted)
    limit.denied(2.0)
    seen.append(limit.is_accepted)
    assert seen == [False, True, False]
