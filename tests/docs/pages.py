"""The pages of `docs`, taken apart: sections, tables, code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent.parent / "docs"


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or the part of it under one heading."""

    text: str

    def section(self, heading: str) -> Page:
        """What stands under a heading of the second level, up to the next one."""
        _, found, rest = self.text.partition(f"\n## {heading}\n")
        assert found, f"there is no section {heading!r}"
        return Page(rest.partition("\n## ")[0])

    def rows(self, head: str) -> list[Sequence[str]]:
        """The cells of all rows of the tables whose first column is called `head`."""
        found: list[Sequence[str]] = []
        mine = False
        for line in self.text.splitlines():
            if not line.startswith("|"):
                mine = False
            elif line.startswith(f"| {head} |"):
                mine = True
            elif mine and not line.startswith("|---"):
                found.append([cell.strip() for cell in line.strip("|").split("|")])
        return found

    def named(self, head: str) -> list[str]:
        """What the first cells of those rows name."""
        return [name for row in self.rows(head) for name in quoted(row[0])]

    def told(self, head: str) -> dict[str, Sequence[str]]:
        """Those rows by what their first cells name."""
        return {name: row for row in self.rows(head) for name in quoted(row[0])}

    def code(self, language: str) -> list[str]:
        """The blocks of code in that language."""
        return re.findall(rf"^```{language}\n(.*?)^```", self.text, re.MULTILINE | re.DOTALL)

    def json(self) -> list[Any]:
        """The JSON of its examples."""
        return [json.loads(block) for block in self.code("json")]

    def sse(self) -> list[tuple[str | None, str]]:
        """Name and data of the events of its examples; `[DONE]` left out."""
        blocks = [block for code in self.code("text") if "data: " in code for block in code.strip().split("\n\n")]
        return [event for block in blocks if (event := _event(block))[1] != "[DONE]"]


def read(name: str) -> Page:
    """The page of that name."""
    return Page((FOLDER / name).read_text(encoding="utf-8"))


def quoted(cell: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def objects(value: object) -> Iterator[dict[str, Any]]:
    """Every JSON object in `value`, itself first."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def _event(block: str) -> tuple[str | None, str]:
    *names, data = block.split("\n")
    assert data.startswith("data: "), block
    return (names[0].removeprefix("event: ") if names else None), data.removeprefix("data: ")
