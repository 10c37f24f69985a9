"""The page on real vLLM with nano."""

from __future__ import annotations

import httpx
import pytest
from live.conftest import LiveServer
from playwright.sync_api import expect
from web.conftest import Visiting

QUESTION = "We buried my uncle on Friday. I can't go into his shed."


def test_draft_witness_and_answer_appear_as_they_are_written(visit: Visiting, live: LiveServer) -> None:
    visited = visit(live.url)
    expect(visited.page.get_by_label("Model")).to_have_value("tear-nano")
    visited.page.evaluate(
        """() => { window.seen = {}; new MutationObserver(() => {
             for (const station of document.querySelectorAll('.station:not([hidden])')) {
               const texts = seen[station.querySelector('h3').textContent] ??= new Set();
               for (const text of station.querySelectorAll('.words')) texts.add(text.textContent);
             } }).observe(turns, {childList: true, characterData: true, subtree: true}); }"""
    )
    visited.page.get_by_role("button", name=QUESTION).click()
    visited.ended()
    grown = visited.page.evaluate("Object.fromEntries(Object.entries(seen).map(([name, texts]) => [name, texts.size]))")
    assert list(grown) == ["Draft", "Witness", "Answer"]
    # Together: a page that has hardly been drawn for the first time may get much of the draft at once.
    assert grown["Draft"] + grown["Witness"] > 10, "in pieces"
    expect(visited.turn.get_by_role("img")).to_be_visible()
    expect(visited.station("Answer").locator("p.words").first).not_to_be_empty()


@pytest.mark.parametrize(("threshold", "decision"), [("0", "revise"), ("1", "keep")])
def test_the_threshold_of_the_settings_decides(
    visit: Visiting, live: LiveServer, threshold: str, decision: str
) -> None:
    visited = visit(live.url)
    visited.page.get_by_role("button", name="Settings").click()
    visited.page.get_by_label("Revise from").fill(threshold)
    visited.page.get_by_label("Temperature").fill("0")
    visited.page.keyboard.press("Escape")
    visited.say("Nobody at the chess club talks to me.")
    visited.ended()
    expect(visited.station("Witness").locator(".decision")).to_contain_text(f"Decision: {decision}")
    note = visited.station("Draft").get_by_text("Kept, word for word.")
    expect(note).to_be_visible(visible=decision == "keep")
    expect(visited.station("Answer").locator(".took")).to_contain_text("revised" if decision == "revise" else "kept")


def test_a_person_reports_what_really_happened_and_the_journal_keeps_it(visit: Visiting, live: LiveServer) -> None:
    visited = visit(live.url)
    expect(visited.page.get_by_label("Model")).to_have_value("tear-nano")
    visited.say(QUESTION)
    visited.ended()
    visited.turn.get_by_text("What really happened?").click()
    visited.turn.get_by_label("What did the answer do?").fill("I opened the shed on Sunday.")
    visited.turn.get_by_role("radio", name="+2").check()
    with visited.page.expect_request("**/outcome") as asked:
        visited.turn.get_by_role("button", name="Report").click()
    expect(visited.turn.get_by_text("Kept in the server's journal.")).to_be_visible()
    kept = httpx.get(asked.value.url.removesuffix("/outcome"), timeout=30).json()["outcome"]
    assert (kept["text"], kept["weight"]) == ("I opened the shed on Sunday.", 2)


def test_stopping_ends_the_work_and_the_next_message_is_answered(visit: Visiting, live: LiveServer) -> None:
    visited = visit(live.url)
    visited.say(QUESTION)
    expect(visited.station("Draft")).to_be_visible()
    visited.page.keyboard.press("Escape")
    expect(visited.turn.get_by_role("status")).to_contain_text("It is not remembered.")
    visited.say("Nobody at the chess club talks to me.")
    visited.ended()
    expect(visited.station("Answer").locator("p.words").first).not_to_be_empty()


def test_answers_by_whomever_are_witnessed(visit: Visiting, live: LiveServer) -> None:
    page = visit(live.url, view="witness").page
    page.get_by_label("Situation").fill(QUESTION)
    page.get_by_label("Answer", exact=True).fill("Well. It was his time. You should sell the shed.")
    page.get_by_role("button", name="Add another answer").click()
    page.get_by_label("Answer 2", exact=True).fill("I read it twice. Shall I come over?")
    page.locator("#witness-send").click()
    expect(page.locator(".witnessed")).to_have_count(2)
    expect(page.locator(".witnessed .decision").first).to_contain_text("Advice: ")
