"""What is asked: situations of the procedural world, none of them twice in one run."""

from __future__ import annotations

from tear_training.world import World

SUPPLY = 20_000


class Questions:
    """A supply of unseen situations: no cache of an earlier round helps anybody."""

    def __init__(self) -> None:
        rows = World(12, table="woven").rows(split="test", count=SUPPLY)
        self._fresh = iter(dict.fromkeys(str(row.input) for row in rows))

    def take(self, count: int) -> list[str]:
        """The next `count` of them."""
        return [next(self._fresh) for _ in range(count)]
