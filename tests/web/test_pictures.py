"""The pictures of the page in the documentation: real runs of nano. `make pictures` takes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from live.conftest import LiveServer
from playwright.sync_api import Page, expect
from web.browsing import Visit
from web.conftest import Visiting

QUESTION = "I'm the only one at the painting class who isn't from here. Ten weeks, and nobody sits by me."
"""Most of what nano drafts here closes, so that the pictures show a revision."""

SITUATION = "We buried my uncle on Friday. I can't go into his shed."
ANSWERS = ("You can do this, I'm sure of it.", "I'll come over tonight and stay with you.")
"""Cheer and company, of which one closes and one opens whoever grieves, by the law of nano's world."""
MOST_BYTES = 150_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where pictures go: nowhere that lasts, unless asked for."""
    folder = Path(os.environ.get("PICTURES", tmp_path))
    folder.mkdir(exist_ok=True)
    return folder


def visited(visit: Visiting, live: LiveServer, *, width: int, height: int, **options: str) -> Visit:
    visited = visit(live.url, viewport={"width": width, "height": height}, reduced_motion="reduce", **options)
    expect(visited.page.get_by_label("Model")).to_have_value("tear-nano")
    return visited


def keep(page: Page, picture: Path) -> None:
    page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
    page.screenshot(path=picture)
    assert picture.stat().st_size < MOST_BYTES, f"{picture} is too heavy to be kept"


@pytest.mark.parametrize(
    ("name", "scheme", "width", "height"),
    [("page-light", "light", 900, 900), ("page-dark", "dark", 900, 900), ("page-phone", "light", 360, 780)],
)
def test_a_talk_makes_a_picture(
    visit: Visiting, live: LiveServer, folder: Path, name: str, scheme: str, width: int, height: int
) -> None:
    talk = visited(visit, live, width=width, height=height, color_scheme=scheme)
    talk.say(QUESTION)
    talk.ended()
    expect(talk.turn.get_by_role("img")).to_be_visible()
    keep(talk.page, folder / f"{name}.png")


def test_the_view_witness_makes_a_picture(visit: Visiting, live: LiveServer, folder: Path) -> None:
    page = visited(visit, live, width=900, height=1270).page
    page.get_by_role("link", name="Witness").click()
    page.get_by_label("Situation").fill(SITUATION)
    page.get_by_label("Answer", exact=True).fill(ANSWERS[0])
    page.get_by_role("button", name="Add another answer").click()
    page.get_by_label("Answer 2", exact=True).fill(ANSWERS[1])
    page.locator("#witness-send").click()
    expect(page.locator(".witnessed")).to_have_count(2)
    keep(page, folder / "page-witness.png")
