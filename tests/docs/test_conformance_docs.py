"""docs/conformance.md names every module of the two suites, its options, and how much they try."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.pages import read
from fuzz import forgeries, test_malformed

PAGE = read("conformance.md")
TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize(("folder", "head"), [("conformance", "Module"), ("fuzz", "Module of `tests/fuzz`")])
def test_every_module_is_told_and_no_other(folder: str, head: str) -> None:
    assert set(PAGE.named(head)) == {path.name for path in (TESTS / folder).glob("test_*.py")}


def test_every_option_is_told_with_its_variable() -> None:
    code = (TESTS / "conformance" / "conftest.py").read_text(encoding="utf-8")
    options = re.findall(r'addoption\(\s*"(--[a-z-]+)",\s*help="[^"]*(TEAR_CONFORMANCE_[A-Z]+)', code)
    told = [(flag, variable) for flag, variable, _ in PAGE.rows("Option")]
    assert told == [(f"`{flag}`", f"`{variable}`") for flag, variable in options]
    assert len(told) == 3


def test_it_says_how_much_is_tried() -> None:
    for count in (test_malformed.FULL, test_malformed.SMALL, forgeries.COUNT):
        assert f"{count:,}" in PAGE.text
    assert f"in {len(forgeries.SPELLINGS)} ways" in PAGE.text
