"""The view that witnesses answers by whomever, over an engine that says what it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from stories import REVISED, play, service_over
from web.browsing import serving
from web.conftest import Visiting

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage


@pytest.fixture(scope="module")
def url(tokenizer: ChainTokenizer) -> Iterator[str]:
    with serving(service_over(play(tokenizer, REVISED), tokenizer)) as url:
        yield url


def test_several_answers_are_witnessed_at_once_and_in_their_order(visit: Visiting, url: str) -> None:
    visited = visit(url, view="witness")
    page = visited.page
    page.get_by_label("Situation").fill("I can't go into his shed.")
    page.get_by_label("Answer", exact=True).fill("Sell it.")
    page.get_by_role("button", name="Add another answer").click()
    expect(page.get_by_label("Answer 2", exact=True)).to_be_focused()
    page.keyboard.type("Shall I come?")
    with page.expect_request("**/v1/witness") as asked:
        page.locator("#witness-send").click()
    assert [item["answer"] for item in asked.value.post_data_json["items"]] == ["Sell it.", "Shall I come?"]
    expect(page.locator(".witnessed blockquote")).to_have_text(["Sell it.", "Shall I come?"])
    expect(page.locator(".witnessed .decision").first).to_contain_text("Advice: revise")
    expect(page.locator(".witnessed").get_by_role("img")).to_have_count(2)


def test_a_direct_model_is_asked_by_its_reflective_name(visit: Visiting, url: str) -> None:
    visited = visit(url)
    page = visited.page
    page.get_by_role("switch", name="Reflect").uncheck()
    page.get_by_role("link", name="Witness").click()
    page.get_by_label("Situation").fill("I can't go into his shed.")
    page.get_by_label("Answer", exact=True).fill("Sell it.")
    with page.expect_request("**/v1/witness") as asked:
        page.locator("#witness-send").click()
    assert asked.value.post_data_json["model"] == "tear-nano"
    expect(page.locator(".witnessed")).to_have_count(1)


def test_an_answer_can_be_taken_away(visit: Visiting, url: str) -> None:
    page = visit(url, view="witness").page
    page.get_by_role("button", name="Add another answer").click()
    page.get_by_label("Answer 1", exact=True).fill("Sell it.")
    page.get_by_role("button", name="Remove answer 2").click()
    expect(page.get_by_label("Answer", exact=True)).to_have_value("Sell it.")
    expect(page.get_by_label("Answer", exact=True)).to_be_focused()


def test_nothing_is_asked_without_a_situation(visit: Visiting, url: str) -> None:
    page = visit(url, view="witness").page
    page.locator("#witness-send").click()
    expect(page.get_by_role("alert")).to_have_text("Write a situation and an answer.")


def test_witnessing_can_be_stopped(visit: Visiting, tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED, hang_in=Stage.WITNESS)
    with serving(service_over(engine, tokenizer)) as url:
        page = visit(url, view="witness").page
        page.get_by_label("Situation").fill("I can't go into his shed.")
        page.get_by_label("Answer", exact=True).fill("Sell it.")
        page.locator("#witness-send").click()
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Stopped. Your texts are still there.")).to_be_visible()
        expect(page.get_by_label("Situation")).to_have_value("I can't go into his shed.")
