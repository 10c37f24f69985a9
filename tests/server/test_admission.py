from __future__ import annotations

import pytest

from tear_chain.errors import Overloaded, RateLimited
from tear_server.admission import Bucket, Pool


def test_a_minutes_worth_may_come_at_once_and_then_evenly() -> None:
    bucket = Bucket.full(6, now_s=0)
    assert [bucket.take("k", now_s=0) for _ in range(6)] == [5, 4, 3, 2, 1, 0]
    with pytest.raises(RateLimited) as refused:
        bucket.take("k", now_s=0)
    assert refused.value.retry_after_s == pytest.approx(10)
    with pytest.raises(RateLimited):
        bucket.take("k", now_s=9.9)
    assert bucket.take("k", now_s=10.1) == 0


def test_a_bucket_never_overflows() -> None:
    bucket = Bucket.full(2, now_s=0)
    assert [bucket.take("k", now_s=3600) for _ in range(2)] == [1, 0]
    with pytest.raises(RateLimited):
        bucket.take("k", now_s=3600)


def test_to_be_refused_costs_nothing() -> None:
    bucket = Bucket.full(1, now_s=0)
    bucket.take("k", now_s=0)
    for second in range(1, 60):
        with pytest.raises(RateLimited):
            bucket.take("k", now_s=second)
    assert bucket.take("k", now_s=60) == 0


def test_a_pool_takes_on_its_limit_and_no_more() -> None:
    pool = Pool(2)
    pool.enter()
    pool.enter()
    with pytest.raises(Overloaded, match="works on 2 requests"):
        pool.enter()
    pool.leave()
    pool.enter()
    assert pool.inside == 2
