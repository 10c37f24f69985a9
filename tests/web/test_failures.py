"""What the page does when something goes wrong: it says what, keeps what had come, and offers what can be done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect
from stories import ANSWER, REVISED, play, service_over
from web.browsing import events, serving
from web.conftest import Visiting

from tear_chain.tokenizer import ChainTokenizer
from tear_server.api.app import Access
from tear_server.keys import Key, make_key

PATH = "**/v1/reflections"
KEY, KEYS = make_key()
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)> javascript:alert(4) "
HUGE = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz" * 12
DRAFTING = [
    ("stage.started", {"stage": "draft"}),
    ("text.delta", {"stage": "draft", "field": None, "text": "Slow hands,", "tokens": 2}),
]


@pytest.fixture(scope="module")
def url(tokenizer: ChainTokenizer) -> Iterator[str]:
    with serving(service_over(play(tokenizer, REVISED), tokenizer)) as url:
        yield url


@pytest.fixture(scope="module")
def guarded(tokenizer: ChainTokenizer) -> Iterator[str]:
    """A server that asks for keys."""
    access = Access(keys={"alice": Key(sha256=KEYS)})
    with serving(service_over(play(tokenizer, REVISED), tokenizer), access) as url:
        yield url


def once(page: Page, answer: dict[str, object] | str) -> None:
    """Answer the next reflection so, or abort it; those after it reach the server."""

    def handle(route: Route) -> None:
        if isinstance(answer, str):
            route.abort(answer)
        else:
            route.fulfill(**answer)  # type: ignore[arg-type]

    page.route(PATH, handle, times=1)


def refusal(status: int, code: str, **headers: str) -> dict[str, object]:
    error = {"message": f"It is {code}.", "type": "x", "param": None, "code": code}
    return {
        "status": status,
        "json": {"error": error},
        "headers": {name.replace("_", "-"): headers[name] for name in headers},
    }


def stream(body: bytes) -> dict[str, object]:
    return {"status": 200, "content_type": "text/event-stream", "body": body}


def test_a_server_that_is_away_is_named_and_can_be_asked_again(visit: Visiting, url: str) -> None:
    visited = visit(url)
    once(visited.page, "connectionrefused")
    visited.say("Am I any good?")
    alert = visited.turn.get_by_role("alert")
    expect(alert).to_contain_text("The server is away.")
    expect(alert).to_contain_text(url)
    visited.turn.get_by_role("button", name="Ask again").click()
    expect(visited.station("Answer").locator("p.words").first).to_have_text(ANSWER)
    expect(visited.turn.locator(".notice")).to_have_count(0)


def test_a_page_whose_server_went_away_says_so_at_once(visit: Visiting, url: str) -> None:
    visited = visit("about:blank")
    visited.page.route("**/v1/models", lambda route: route.abort("connectionrefused"), times=1)
    visited.page.goto(url)
    expect(visited.page.get_by_role("alert")).to_contain_text("The server is away.")
    visited.page.get_by_role("button", name="Ask again").click()
    expect(visited.page.get_by_role("alert")).to_have_count(0)
    expect(visited.page.get_by_label("Model")).to_have_value("tear-nano")


def test_a_stream_that_breaks_off_keeps_what_had_come_and_is_not_remembered(visit: Visiting, url: str) -> None:
    visited = visit(url)
    once(visited.page, stream(events(*DRAFTING)))
    visited.say("Am I any good?")
    alert = visited.turn.get_by_role("alert")
    expect(alert).to_contain_text("The answer broke off.")
    expect(alert).to_contain_text("What had come stays here, and is not remembered.")
    expect(visited.station("Draft").locator("p.words")).to_have_text("Slow hands,")
    with visited.page.expect_request(PATH) as asked:
        visited.say("And now?")
    assert asked.value.post_data_json["messages"] == [{"role": "user", "content": "And now?"}]
    visited.ended()


def test_a_failure_within_the_stream_is_told_in_the_servers_words(visit: Visiting, url: str) -> None:
    visited = visit(url)
    failed = ("reflection.failed", {"code": "engine_error", "message": "The engine failed while it worked."})
    once(visited.page, stream(events(*DRAFTING, failed)))
    visited.say("Am I any good?")
    expect(visited.turn.get_by_role("alert")).to_contain_text("The engine failed while it worked.")
    expect(visited.turn.get_by_role("button", name="Ask again")).to_be_visible()


def test_what_asking_again_cannot_help_is_not_offered_again(visit: Visiting, url: str) -> None:
    visited = visit(url)
    once(visited.page, refusal(400, "context_length_exceeded", x_should_retry="false", x_request_id="r-17"))
    visited.say("Am I any good?")
    expect(visited.turn.get_by_role("alert")).to_contain_text("It is context_length_exceeded.")
    expect(visited.turn.locator(".notice")).to_contain_text("Request r-17")
    expect(visited.turn.get_by_role("button", name="Ask again")).to_have_count(0)


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limit_exceeded"), (503, "overloaded")])
def test_a_limit_is_counted_down_and_then_asked_again(visit: Visiting, url: str, status: int, code: str) -> None:
    visited = visit(url)
    once(visited.page, refusal(status, code, retry_after="2", retry_after_ms="1300", x_should_retry="true"))
    visited.say("Am I any good?")
    expect(visited.turn.get_by_role("timer")).to_have_text("Asking again in 2 s.")
    expect(visited.turn.get_by_role("timer")).to_have_text("Asking again in 1 s.")
    expect(visited.station("Answer").locator("p.words").first).to_have_text(ANSWER)
    expect(visited.turn.locator(".notice")).to_have_count(0)


def test_a_countdown_can_be_called_off(visit: Visiting, url: str) -> None:
    visited = visit(url)
    once(visited.page, refusal(429, "rate_limit_exceeded", retry_after_ms="60000", x_should_retry="true"))
    visited.say("Am I any good?")
    expect(visited.turn.get_by_role("timer")).to_have_text("Asking again in 60 s.")
    visited.turn.get_by_role("button", name="Do not ask again").click()
    expect(visited.turn.get_by_role("status")).to_contain_text("Stopped before a word had come.")
    expect(visited.page.get_by_role("button", name="Send")).to_be_visible()


def test_a_missing_key_is_asked_for_and_then_all_goes_on(visit: Visiting, guarded: str) -> None:
    visited = visit(guarded)
    page = visited.page
    expect(page.get_by_role("alert")).to_contain_text("The server asks for an API key.")
    page.get_by_role("button", name="Enter a key").click()
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type(KEY)
    page.keyboard.press("Escape")
    expect(page.get_by_role("alert")).to_have_count(0)
    visited.say("Am I any good?")
    expect(visited.station("Answer").locator("p.words").first).to_have_text(ANSWER)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The server asks for an API key.")
    assert page.evaluate("sessionStorage.length + localStorage.length + document.cookie.length") == 0


def test_a_wrong_key_is_told_where_it_was_used(visit: Visiting, guarded: str) -> None:
    visited = visit(guarded)
    page = visited.page
    for key in ("wrong", "sésame"):
        page.get_by_role("button", name="Settings").click()
        page.get_by_label("API key").fill(key)
        page.keyboard.press("Enter")
        visited.say("Am I any good?")
        expect(visited.turn.get_by_role("alert")).to_contain_text("key")
        expect(visited.turn.get_by_role("button", name="Enter a key")).to_be_visible()


def test_a_key_outlives_a_reload_only_if_one_asks_for_it(visit: Visiting, guarded: str) -> None:
    visited = visit(guarded)
    page = visited.page
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Keep it until this tab is closed").check()
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Model")).to_have_value("tear-nano")
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Keep it until this tab is closed").uncheck()
    assert page.evaluate("sessionStorage.length") == 0


def test_whatever_a_model_writes_is_text(visit: Visiting, url: str) -> None:
    scene = {"who": HOSTILE, "impact": HUGE, "ripples": "שלום " * 30, "weight": 3}
    verdict = {"expected_weight": 99.0, "decision": "revise", "revise_probability": 1.0}
    said = {"answer": HOSTILE + HUGE, "draft": HOSTILE, "witness": scene, "answer_stage": "revised", "stages": []}
    rest = {"id": "refl-1", "model": HOSTILE, "status": "complete", "outcome": "revised", "problems": [HOSTILE]}
    told = [
        ("text.delta", {"stage": "draft", "field": None, "text": HOSTILE, "tokens": 9}),
        ("text.delta", {"stage": "witness", "field": "__proto__", "text": HOSTILE, "tokens": 9}),
        ("reflection.witnessed", {"scene": scene, **verdict}),
        ("reflection.completed", {"reflection": {**said, **rest, **verdict, "answer_cut": False}}),
    ]
    visited = visit(url, viewport={"width": 360, "height": 740})
    once(visited.page, stream(events(*told)))
    visited.say(HOSTILE + HUGE)
    visited.ended()
    visited.turn.get_by_text("What changed from the draft").click()
    expect(visited.station("Draft").locator("p.words")).to_have_text(HOSTILE.strip())
    expect(visited.station("Witness").locator("dd").first).to_have_text(HOSTILE.strip())
    assert visited.turn.locator("script, img, svg[onload]").count() == 0
    assert not visited.is_too_wide()


def test_a_hostile_refusal_is_text_too(visit: Visiting, url: str) -> None:
    visited = visit(url, viewport={"width": 360, "height": 740})
    error = {"message": HOSTILE + HUGE, "type": "x", "param": None, "code": HOSTILE}
    once(visited.page, {"status": 400, "json": {"error": error}})
    visited.say("Am I any good?")
    expect(visited.turn.get_by_role("alert")).to_contain_text("<script>alert(1)</script>")
    assert visited.turn.locator("script, img").count() == 0
    assert not visited.is_too_wide()
