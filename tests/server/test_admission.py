from __future__ import annotations

import pytest

from tear_chain.errors import InvalidRequest, Overloaded, RateLimited
from tear_server.admission import Account, Admission, Bucket, Pool


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def account(clock: Clock, *, requests: int | None = None, tokens: int | None = None) -> Account:
    buckets = [None if limit is None else Bucket.full(limit, now_s=0) for limit in (requests, tokens)]
    return Account("alice", *buckets, clock=clock)


def refusal(account: Account) -> RateLimited:
    with pytest.raises(RateLimited) as refused:
        account.ask()
    return refused.value


# Buckets


def test_a_minutes_worth_may_come_at_once_and_then_evenly(clock: Clock) -> None:
    alice = account(clock, requests=6)
    for _ in range(6):
        alice.ask()
    assert refusal(alice).retry_after_s == pytest.approx(10)
    clock.now_s = 9.9
    refusal(alice)
    clock.now_s = 10.1
    alice.ask()
    refusal(alice)


def test_a_bucket_never_overflows() -> None:
    bucket = Bucket.full(2, now_s=0)
    assert bucket.left(now_s=3600) == 2


def test_a_bucket_says_when_it_is_full_again() -> None:
    bucket = Bucket.full(60, now_s=0)
    assert bucket.full_in_s() == 0
    bucket.draw(90, now_s=0)
    assert (bucket.left(now_s=0), bucket.full_in_s(1), bucket.full_in_s()) == (0, 31, 90)
    assert (bucket.left(now_s=31), bucket.full_in_s(1)) == (1, 0)


def test_to_be_refused_costs_nothing(clock: Clock) -> None:
    alice = account(clock, requests=1, tokens=10)
    alice.ask()
    for second in range(1, 60):
        clock.now_s = second
        refusal(alice)
    clock.now_s = 60
    alice.ask()


# Accounts


def test_tokens_are_owed_after_the_fact_and_then_waited_for(clock: Clock) -> None:
    alice = account(clock, tokens=60)
    alice.ask()
    alice.charge(tokens=80)
    refused = refusal(alice)
    assert (refused.retry_after_s, "60 tokens a minute" in refused.message) == (21, True)
    clock.now_s = 21
    alice.ask()


def test_who_lacks_tokens_is_charged_no_request(clock: Clock) -> None:
    alice = account(clock, requests=2, tokens=60)
    alice.charge(tokens=60)
    refusal(alice)
    assert alice.requests is not None
    assert alice.requests.left(now_s=0) == 2


def test_an_account_without_limits_is_never_refused(clock: Clock) -> None:
    alice = account(clock)
    for _ in range(1000):
        alice.ask()
        alice.charge(requests=64, tokens=10**6)


# The pool


def test_a_pool_takes_on_its_limit_and_no_more() -> None:
    pool = Pool(2)
    pool.enter()
    pool.enter()
    with pytest.raises(Overloaded, match="works on 2 reflections"):
        pool.enter()
    pool.leave()
    pool.enter()
    assert pool.inside == 2


def test_a_request_is_let_in_for_all_its_reflections_and_leaves_with_all(clock: Clock) -> None:
    pool, alice = Pool(8), account(clock, requests=100)
    admission = Admission(pool, alice)
    admission.enter()
    admission.widen(5, param="n")
    assert alice.requests is not None
    assert (pool.inside, alice.requests.left(now_s=0)) == (5, 96)
    admission.leave()
    assert pool.inside == 0


def test_who_finds_no_room_for_all_holds_what_it_had(clock: Clock) -> None:
    pool, alice = Pool(8), account(clock, requests=100)
    pool.enter(4)
    admission = Admission(pool, alice)
    admission.enter()
    with pytest.raises(Overloaded):
        admission.widen(5, param="n")
    assert alice.requests is not None
    assert (pool.inside, alice.requests.left(now_s=0)) == (5, 100)
    admission.leave()
    assert pool.inside == 4


def test_more_than_there_ever_is_room_for_is_no_matter_of_waiting() -> None:
    admission = Admission(Pool(8), None)
    admission.enter()
    with pytest.raises(InvalidRequest, match="9 reflections") as refused:
        admission.widen(9, param="items")
    assert (refused.value.param, refused.value.retryable) == ("items", False)
