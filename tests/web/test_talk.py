"""The talk, over an engine that says what it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect
from stories import ANSWER, DRAFT, KEPT, REVISED, play, service_over
from web.browsing import serving
from web.conftest import Visiting

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Stage

PATH = "**/v1/reflections"


@pytest.fixture(scope="module")
def kept(tokenizer: ChainTokenizer) -> Iterator[str]:
    with serving(service_over(play(tokenizer, KEPT), tokenizer)) as url:
        yield url


@pytest.fixture(scope="module")
def revised(tokenizer: ChainTokenizer) -> Iterator[str]:
    chain = tokenizer.chain
    likely = {chain.decisions[Decision.REVISE]: -0.1, chain.decisions[Decision.KEEP]: -2.4}
    likely |= {chain.weights[-2]: -0.2, chain.weights[-1]: -1.7}
    with serving(service_over(play(tokenizer, REVISED, logprobs=likely), tokenizer)) as url:
        yield url


def asked(page: Page) -> list[dict[str, Any]]:
    """The bodies of the reflections that the page asks for from now on."""
    bodies: list[dict[str, Any]] = []

    def hear(request: Request) -> None:
        if request.method == "POST":
            bodies.append(json.loads(request.post_data or ""))

    page.on("request", hear)
    return bodies


def test_a_kept_draft_is_told_as_such_and_stands_as_the_answer(visit: Visiting, kept: str) -> None:
    visited = visit(kept)
    visited.say("Am I any good?")
    visited.ended()
    expect(visited.station("Answer").locator("p.words").first).to_have_text(DRAFT)
    expect(visited.station("Draft")).to_contain_text("Kept, word for word")
    expect(visited.station("Draft").locator("p.words")).to_be_hidden()
    expect(visited.station("Witness").locator(".decision")).to_contain_text("Decision: keep")
    expect(visited.turn.get_by_text("What changed")).to_have_count(0)


def test_a_revision_stands_beside_its_draft_and_tells_what_changed(visit: Visiting, revised: str) -> None:
    visited = visit(revised)
    visited.say("Am I any good?")
    visited.ended()
    expect(visited.station("Draft").locator("p.words")).to_have_text(DRAFT)
    expect(visited.station("Answer").locator("p.words").first).to_have_text(ANSWER)
    expect(visited.station("Witness").locator(".decision")).to_have_text("Decision: revise (revise probability 0.91)")
    visited.turn.get_by_text("What changed from the draft").click()
    assert DRAFT.startswith(visited.turn.locator(".compared del").first.inner_text())
    expect(visited.turn.locator(".compared ins").first).to_be_visible()


def test_a_revision_in_the_same_words_is_told_as_such(visit: Visiting, tokenizer: ChainTokenizer) -> None:
    with serving(service_over(play(tokenizer, {**REVISED, Stage.REVISED: (DRAFT, "</s>")}), tokenizer)) as url:
        visited = visit(url)
        visited.say("Am I any good?")
        visited.ended()
        expect(visited.station("Answer")).to_contain_text("Said again in the same words.")
        expect(visited.turn.get_by_text("What changed")).to_have_count(0)


def test_the_scene_is_told_with_its_weight_and_the_expected_one_for_every_eye(visit: Visiting, revised: str) -> None:
    visited = visit(revised)
    visited.say("Am I any good?")
    visited.ended()
    scene = visited.station("Witness")
    assert scene.locator("dd").all_inner_texts() == ["a beginner", "She closes the lid.", "Silence."]
    picture = scene.get_by_role("img")
    expect(picture).to_have_attribute(
        "aria-label", "Weight −2 on a scale from −3 to +3: closes. The model expected −1.8."
    )
    [mark, bar] = (picture.locator(kind).bounding_box() for kind in (".mark", ".expected"))
    assert mark is not None
    assert bar is not None
    assert mark["x"] < bar["x"], "−2 lies before −1.8"


def test_only_a_finished_answer_is_announced(visit: Visiting, revised: str) -> None:
    visited = visit(revised)
    visited.page.evaluate(
        """() => { window.told = []; new MutationObserver(() => told.push(announcer.textContent))
           .observe(announcer, {childList: true, characterData: true, subtree: true}); }"""
    )
    visited.say("Am I any good?")
    visited.ended()
    assert visited.page.evaluate("told") == [f"Answer, said again: {ANSWER}"]
    assert visited.page.locator(".turn [aria-live]").count() == 0


def test_answers_are_remembered_until_a_new_conversation(visit: Visiting, kept: str) -> None:
    visited = visit(kept)
    bodies = asked(visited.page)
    for text in ("One.", "Two."):
        visited.say(text)
        visited.ended()
    visited.page.get_by_role("button", name="New conversation").click()
    expect(visited.page.locator(".turn")).to_have_count(0)
    visited.say("Three.")
    visited.ended()
    said = [[message["content"] for message in body["messages"]] for body in bodies]
    assert said == [["One."], ["One.", DRAFT, "Two."], ["Three."]]


def test_stopping_keeps_what_had_come_and_it_is_not_remembered(visit: Visiting, tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED, hang_in=Stage.WITNESS, hang_after=4)
    with serving(service_over(engine, tokenizer)) as url:
        visited = visit(url)
        bodies = asked(visited.page)
        visited.say("Am I any good?")
        expect(visited.station("Witness").locator("dd").first).to_contain_text("a beg")
        visited.page.keyboard.press("Escape")
        expect(visited.turn.get_by_role("status")).to_contain_text("Stopped. What had come stays here.")
        expect(visited.station("Draft").locator("p.words")).to_have_text(DRAFT)
        engine.hang_in = None
        visited.say("And now?")
        visited.ended()
        assert [len(body["messages"]) for body in bodies] == [1, 1]
        assert len(engine.closed) == len(engine.asked), "the engine was let go of"


def test_the_stop_button_stops_and_asking_again_begins_anew(visit: Visiting, tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED, hang_in=Stage.DRAFT, hang_after=2)
    with serving(service_over(engine, tokenizer)) as url:
        visited = visit(url)
        visited.say("Am I any good?")
        expect(visited.station("Draft")).to_be_visible()
        visited.page.get_by_role("button", name="Stop").click()
        expect(visited.page.get_by_role("button", name="Send")).to_be_visible()
        engine.hang_in = None
        visited.turn.get_by_role("button", name="Ask again").click()
        visited.ended()
        expect(visited.station("Answer").locator("p.words").first).to_have_text(ANSWER)
        expect(visited.turn.locator(".notice")).to_have_count(0)


def test_without_reflecting_there_is_an_answer_alone(visit: Visiting, kept: str) -> None:
    visited = visit(kept)
    bodies = asked(visited.page)
    visited.page.get_by_role("switch", name="Reflect").uncheck()
    visited.say("Am I any good?")
    visited.ended()
    assert bodies[0]["model"] == "tear-nano-direct"
    expect(visited.station("Answer").locator("p.words").first).to_have_text(DRAFT)
    expect(visited.station("Answer")).to_contain_text("answered directly")
    expect(visited.station("Draft")).to_be_hidden()
    expect(visited.station("Witness")).to_be_hidden()


def test_switch_and_model_say_the_same(visit: Visiting, kept: str) -> None:
    def model(name: str, reflects: bool) -> dict[str, Any]:
        return {"id": name, "reflects": reflects, "root": "tear-nano"}

    listed = [model(name + twin, not twin) for name in ("tear-nano", "second") for twin in ("", "-direct")]
    visited = visit("about:blank")
    visited.page.route("**/v1/models", lambda route: route.fulfill(json={"data": listed}))
    visited.page.goto(f"{kept}/")
    chosen, switch = visited.page.get_by_label("Model"), visited.page.get_by_role("switch", name="Reflect")
    expect(chosen.locator("option")).to_have_count(4)
    chosen.select_option("second")
    switch.uncheck()
    expect(chosen).to_have_value("second-direct")
    chosen.select_option("tear-nano-direct")
    expect(switch).not_to_be_checked()
    switch.check()
    expect(chosen).to_have_value("tear-nano")


def test_system_message_and_options_are_sent_and_nothing_else(visit: Visiting, kept: str) -> None:
    visited = visit(kept)
    bodies = asked(visited.page)
    page = visited.page
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("System message").fill("Be brief.")
    page.get_by_label("Temperature").fill("0.3")
    page.get_by_label("Revise from").fill("1")
    page.get_by_role("button", name="Done").click()
    visited.say("Am I any good?")
    visited.ended()
    assert bodies == [
        {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Am I any good?"}],
            "model": "tear-nano",
            "temperature": 0.3,
            "revise_threshold": 1,
            "stream": True,
        }
    ]


def test_a_whole_talk_needs_no_mouse(visit: Visiting, kept: str) -> None:
    visited = visit(kept)
    keys = visited.page.keyboard

    def focused() -> str:
        name: str = visited.page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")
        return name

    seen = []
    for _ in range(10):
        keys.press("Tab")
        seen.append(focused())
        if seen[-1] == "message":
            break
    assert seen[:4] == ["Skip to the content", "to-talk", "to-witness", "open-settings"]
    assert seen[-1] == "message"
    keys.type("One line")
    keys.press("Shift+Enter")
    keys.type("and another.")
    keys.press("Enter")
    visited.ended()
    assert visited.turn.locator(".said").inner_text().endswith("One line\nand another.")
    assert focused() == "message"
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Space")
    expect(visited.page.get_by_role("switch", name="Reflect")).not_to_be_checked()


def test_the_skip_link_leads_to_the_content_of_the_same_view(visit: Visiting, kept: str) -> None:
    visited = visit(kept, view="witness")
    visited.page.get_by_role("link", name="Skip to the content").focus()
    visited.page.keyboard.press("Enter")
    assert visited.page.evaluate("document.activeElement.id") == "content"
    expect(visited.page.get_by_role("heading", name="Witness")).to_be_visible()


def test_the_page_also_works_under_a_path(visit: Visiting, kept: str) -> None:
    visited = visit("about:blank")
    visited.page.route("**/tear/**", lambda route: route.continue_(url=route.request.url.replace("/tear/", "/")))
    visited.page.goto(f"{kept}/tear/")
    expect(visited.page.get_by_label("Model")).to_have_value("tear-nano")
    with visited.page.expect_request("**/tear/v1/reflections"):
        visited.say("Am I any good?")
    visited.ended()
    expect(visited.station("Answer").locator("p.words").first).to_have_text(DRAFT)


def test_an_answer_can_be_copied(visit: Visiting, revised: str) -> None:
    visited = visit(revised, permissions=["clipboard-read", "clipboard-write"])
    visited.say("Am I any good?")
    visited.ended()
    visited.turn.get_by_role("button", name="Copy").click()
    expect(visited.turn.get_by_role("button", name="Copied")).to_be_visible()
    assert visited.page.evaluate("navigator.clipboard.readText()") == ANSWER
