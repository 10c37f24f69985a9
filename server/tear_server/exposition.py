"""Metrics of several processes in one page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class Exposition:
    """What one replica has counted. It travels between processes."""

    replica: str
    families: tuple[Metric, ...]


def collect(replica: str, registries: Iterable[CollectorRegistry]) -> Exposition:
    """What stands in these registries now."""
    return Exposition(replica, tuple(family for registry in registries for family in registry.collect()))


def expose(expositions: Sequence[Exposition]) -> bytes:
    """A page for Prometheus with every series of all of them, each labelled with its `replica`."""
    registry = CollectorRegistry()
    registry.register(_Joined(expositions))
    return generate_latest(registry)


class _Joined(Collector):
    def __init__(self, expositions: Sequence[Exposition]) -> None:
        self._expositions = expositions

    def collect(self) -> Iterator[Metric]:
        """Every family once: a page may not name one twice."""
        families: dict[str, Metric] = {}
        for exposition in self._expositions:
            for family in exposition.families:
                joined = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                joined.samples += [
                    sample._replace(labels={**sample.labels, "replica": exposition.replica})
                    for sample in family.samples
                ]
        yield from families.values()
