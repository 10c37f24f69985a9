from __future__ import annotations

import pickle

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from tear_server.exposition import Exposition, collect, expose


def counted(replica: str, answers: int) -> Exposition:
    registry = CollectorRegistry()
    counter = Counter("answers_total", "Answers.", ["model"], registry=registry)
    counter.labels("small").inc(answers)
    Histogram("seconds", "Seconds.", buckets=(1,), registry=registry).observe(answers)
    return collect(replica, [registry])


def samples(page: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_every_series_bears_the_name_of_its_replica() -> None:
    found = samples(expose([counted("one", 1), counted("two", 5)]))
    assert found["answers_total", "model=small", "replica=one"] == 1
    assert found["answers_total", "model=small", "replica=two"] == 5
    assert found["seconds_bucket", "le=1.0", "replica=one"] == 1
    assert found["seconds_bucket", "le=1.0", "replica=two"] == 0
    assert all(any(label.startswith("replica=") for label in series) for series in found)


def test_a_family_is_announced_once_however_many_count_in_it() -> None:
    page = expose([counted("one", 1), counted("two", 5), counted("three", 2)]).decode()
    assert page.count("# TYPE answers_total counter") == 1
    assert page.count("# HELP seconds Seconds.") == 1


def test_what_one_replica_counts_in_several_registries_stands_on_one_page() -> None:
    registries = [CollectorRegistry(), CollectorRegistry()]
    Gauge("ours", "Ours.", registry=registries[0]).set(1)
    Gauge("theirs", "Theirs.", registry=registries[1]).set(2)
    assert samples(expose([collect("one", registries)])) == {("ours", "replica=one"): 1, ("theirs", "replica=one"): 2}


def test_families_keep_to_one_page_when_replicas_of_two_versions_count_differently() -> None:
    old, new = CollectorRegistry(), CollectorRegistry()
    Gauge("kept", "Kept.", registry=old).set(1)
    Gauge("kept", "Kept, said better.", registry=new).set(2)
    Gauge("added", "Added.", registry=new).set(3)
    assert samples(expose([collect("old", [old]), collect("new", [new])])) == {
        ("kept", "replica=old"): 1,
        ("kept", "replica=new"): 2,
        ("added", "replica=new"): 3,
    }


def test_an_exposition_travels_between_processes() -> None:
    told = counted("one", 3)
    assert expose([pickle.loads(pickle.dumps(told))]) == expose([told])


def test_nobody_heard_is_an_empty_page() -> None:
    assert expose([]) == b""
