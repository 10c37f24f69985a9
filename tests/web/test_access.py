"""The page for everybody: what axe-core finds, small screens, writing from the right, less motion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from stories import REVISED, play, service_over
from web.browsing import serving
from web.conftest import Visiting

from tear_chain.tokenizer import ChainTokenizer

AXE = Path(__file__).parent.parent.parent / ".peers" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def url(tokenizer: ChainTokenizer) -> Iterator[str]:
    with serving(service_over(play(tokenizer, REVISED), tokenizer)) as url:
        yield url


def found(page: Page) -> list[str]:
    """What axe-core holds against the page, one line for each rule."""
    if not AXE.is_file():
        pytest.fail(f"{AXE} is missing: `make peers` installs it.")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    rules, held = page.evaluate("axe.run().then(found => [found.violations, found.passes.length])")
    assert held > 10, "it looked at the page"
    return [f"{rule['id']} ({rule['impact']}): {rule['nodes'][0]['html'][:200]}" for rule in rules]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1000, "height": 900}], ids=["phone", "desk"])
def test_axe_finds_nothing_in_any_state(visit: Visiting, url: str, scheme: str, viewport: dict[str, int]) -> None:
    visited = visit(url, color_scheme=scheme, viewport=viewport, reduced_motion="reduce")
    page = visited.page
    expect(page.get_by_label("Model")).to_have_value("tear-nano")
    states = {"welcome": found(page)}
    visited.say("Am I any good?")
    visited.ended()
    visited.turn.get_by_text("What changed from the draft").click()
    page.route("**/v1/reflections", lambda route: route.abort("connectionrefused"))
    visited.say("And now?")
    expect(visited.turn.get_by_role("alert")).to_be_visible()
    states["talk"] = found(page)
    assert not visited.is_too_wide()
    page.get_by_role("button", name="Settings").click()
    states["settings"] = found(page)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Witness").click()
    page.get_by_label("Situation").fill("I can't go into his shed.")
    page.get_by_label("Answer", exact=True).fill("Sell it.")
    page.locator("#witness-send").click()
    expect(page.locator(".witnessed")).to_have_count(1)
    states["witness"] = found(page)
    assert states == {state: [] for state in states}
    assert not visited.is_too_wide()


def test_words_from_the_right_stand_at_the_right(visit: Visiting, url: str) -> None:
    visited = visit(url)
    visited.say("האם אני טוב?")
    visited.ended()
    said = visited.turn.locator(".said p")
    assert said.evaluate("node => getComputedStyle(node).direction") == "rtl"
    assert (
        visited.station("Answer").locator("p.words").first.evaluate("node => getComputedStyle(node).direction") == "ltr"
    )


def test_who_wants_less_motion_gets_none(visit: Visiting, url: str) -> None:
    visited = visit(url, reduced_motion="reduce")
    visited.say("Am I any good?")
    visited.ended()
    moving = "[...document.querySelectorAll('*')].flatMap(node => node.getAnimations({subtree: true})).length"
    assert visited.page.evaluate(moving) == 0


def test_every_target_on_a_phone_is_large_enough_for_a_finger(visit: Visiting, url: str) -> None:
    visited = visit(url, viewport=PHONE)
    visited.say("Am I any good?")
    visited.ended()
    sizes = visited.page.evaluate(
        """[...document.querySelectorAll('button, select, a, summary')].filter(node => node.checkVisibility())
           .map(node => [node.textContent.trim().slice(0, 20), node.getBoundingClientRect().height])"""
    )
    assert [name for name, height in sizes if height < 24] == []
