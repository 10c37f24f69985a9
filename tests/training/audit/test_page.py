from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tear_training.audit import Audit, Bars, audit_rows
from tear_training.audit.page import render_page, write_page
from tear_training.rows import Row
from tear_training.splits import DataSplit

MakeRow = Callable[..., Row]
MakeSet = Callable[..., list[Row]]

EVIL = "<script>alert('$x^')</script> & \"more\" of it, said in the kitchen at night"


@pytest.fixture
def audit(set_of: MakeSet, row_of: MakeRow, family_in: Callable[[DataSplit], str]) -> Audit:
    """One whose rows hold markup everywhere that a page shows text of rows."""
    evil = [
        row_of(
            f"{family_in(split)}<b>",
            response=EVIL,
            culture=EVIL,
            license=EVIL,
            traits=["crisis"],
            provenance={"kind": "curated", "generator": EVIL},
        )
        for split in ("train", "test")
    ]
    return audit_rows(set_of(families=20) + evil, Bars(), faults=[f"rows.jsonl:1 {EVIL}"])


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def test_text_of_rows_is_escaped(audit: Audit) -> None:
    page = render_page(audit)
    assert "&lt;script&gt;alert" in page
    seen = Seen()
    seen.feed(page)
    assert not seen.tags & {"script", "b"}


def test_the_page_fetches_and_runs_nothing(audit: Audit) -> None:
    seen = Seen()
    seen.feed(render_page(audit))
    assert not seen.tags & {"script", "link", "img", "iframe", "object", "image"}
    named = {name for name, _ in seen.attributes}
    assert not {name for name in named if name.startswith("on")} | (named & {"src", "action", "data"})
    assert all(value.startswith("#") for name, value in seen.attributes if name in ("href", "xlink:href"))


def test_the_same_audit_gives_the_same_bytes(audit: Audit) -> None:
    assert render_page(audit) == render_page(audit)


def test_no_two_elements_share_an_id(audit: Audit) -> None:
    ids = re.findall(r'\bid="([^"]+)"', render_page(audit))
    assert len(ids) == len(set(ids))


def test_every_bar_and_every_fault_is_on_the_page(audit: Audit) -> None:
    page = render_page(audit)
    assert all(f">{verdict.name}<" in page for verdict in audit.verdicts)
    assert "rows.jsonl:1 &lt;script&gt;" in page


def test_plots_take_the_ink_of_the_page(audit: Audit) -> None:
    page = render_page(audit)
    assert page.count("<svg") == 3
    assert "currentColor" in page
    assert "prefers-color-scheme: dark" in page


def test_an_audit_of_nothing_has_a_page() -> None:
    assert "not measured" in render_page(audit_rows([], Bars(), faults=["rows.jsonl:1 row is torn"]))


def test_a_page_is_written_whole(audit: Audit, tmp_path: Path) -> None:
    write_page(tmp_path / "audit.html", audit)
    assert (tmp_path / "audit.html").read_text(encoding="utf-8") == render_page(audit)
    assert [file.name for file in tmp_path.iterdir()] == ["audit.html"]
