"""The comparison of a draft and its revision, in the browser that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from stories import KEPT, play, service_over
from web.browsing import serving
from web.conftest import Visiting

from tear_chain.tokenizer import ChainTokenizer

Parts = list[tuple[str, str]]
Diff = Callable[[str, str], Parts]
CASES: dict[str, tuple[str, str, Parts]] = {
    "the same": ("Come in.", "Come in.", [("same", "Come in.")]),
    "a word": ("Sell the shed.", "Keep the shed.", [("out", "Sell"), ("in", "Keep"), ("same", " the shed.")]),
    "an insertion": ("Come in.", "Come back in.", [("same", "Come "), ("in", "back "), ("same", "in.")]),
    "blanks between changes": (
        "one two",
        "three four",
        [("out", "one two"), ("in", "three four")],
    ),
    "nothing before": ("", "Come.", [("in", "Come.")]),
    "nothing after": ("Come.", "", [("out", "Come.")]),
    "no spaces": ("私は庭です", "私は家です", [("same", "私は"), ("out", "庭"), ("in", "家"), ("same", "です")]),
}
ODD = ["", " ", "a", "a b", "b  a.\n\nc", "👩‍👩‍👧‍👦 é", "a, b, c; d", "d c b a", "שלום a", "x" * 300, "w " * 400]


@pytest.fixture
def diff(visit: Visiting, tokenizer: ChainTokenizer) -> Iterator[Diff]:
    with serving(service_over(play(tokenizer, KEPT), tokenizer)) as url:
        page = visit(url).page

        def diff(before: str, after: str) -> Parts:
            script = "async ([before, after]) => (await import('/web/diff.js')).diff(before, after)"
            return [(part["kind"], part["text"]) for part in page.evaluate(script, [before, after])]

        yield diff


def test_only_what_changed_is_marked(diff: Diff) -> None:
    assert {name: diff(before, after) for name, (before, after, _) in CASES.items()} == {
        name: parts for name, (_, _, parts) in CASES.items()
    }


def test_both_texts_are_there_whole(diff: Diff) -> None:
    for before in ODD:
        for after in ODD:
            parts = diff(before, after)
            assert "".join(text for kind, text in parts if kind != "in") == before
            assert "".join(text for kind, text in parts if kind != "out") == after


def test_two_very_long_texts_are_compared_as_wholes(diff: Diff) -> None:
    assert diff("a " * 3000, "b " * 3000) == [("out", "a " * 3000), ("in", "b " * 3000)]
