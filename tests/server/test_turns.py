from __future__ import annotations

import pytest

from tear_server.engine import Finish, Generation, Sampling
from tear_server.turns import Turn, Turns

WEIGHT, KEEP, REVISE, END = 90, 91, 92, 93
WATCH = (1, 2, KEEP, REVISE)


def generation(*prompt: int, max_tokens: int = 20, stops: frozenset[int] = frozenset({KEEP, END})) -> Generation:
    return Generation(
        id="whole",
        prompt=prompt,
        max_tokens=max_tokens,
        min_tokens=1,
        stop_ids=stops,
        sampling=Sampling(),
        watch=WATCH,
        watch_after=WEIGHT,
    )


def read(turns: Turns, written: list[int], *, size: int) -> tuple[list[int], list[bool], Finish | None, list[Turn]]:
    tokens, watched, then = list[int](), list[bool](), list[Turn]()
    for start in range(0, len(written), size):
        reading = turns.read(written[start : start + size])
        tokens += reading.tokens
        watched += reading.is_watched
        then += [reading.then] if reading.then else []
        if reading.finish is not None:
            return tokens, watched, reading.finish, then
    return tokens, watched, None, then


def test_the_watched_turn_is_handed_over_with_the_first() -> None:
    first, watched = Turns(generation(0)).first()
    assert first == Turn((0,), 20, 1, frozenset({KEEP, END, WEIGHT}), watch=())
    assert watched == Turn((WEIGHT,), 2, 0, frozenset({KEEP, END}), watch=WATCH)


def test_a_prompt_that_ends_before_the_watched_tokens_begins_with_them() -> None:
    turns = Turns(generation(0, WEIGHT))
    assert turns.first() == (Turn((0, WEIGHT), 2, 1, frozenset({KEEP, END}), watch=WATCH),)
    assert turns.read([1]).is_watched == (True,)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_weight_and_decision_are_watched_and_nothing_else(size: int) -> None:
    # The engine ends a turn after the decision, so no chunk goes beyond it.
    turns = Turns(generation(0))
    assert read(turns, [10, WEIGHT, 1, REVISE], size=size)[1] == [False, False, True, True]
    assert read(turns, [11, 12, END], size=size)[1:3] == ([False, False, False], Finish.STOP)


def test_a_revision_goes_on_from_its_decision_with_what_is_left() -> None:
    turns = Turns(generation(0))
    reading = turns.read([10, WEIGHT, 1, REVISE])
    assert reading.then == Turn((REVISE,), 16, 0, frozenset({KEEP, END}), watch=())


@pytest.mark.parametrize("size", [1, 3, 10])
def test_a_kept_draft_ends_with_the_decision(size: int) -> None:
    tokens, watched, finish, then = read(Turns(generation(0)), [10, WEIGHT, 1, KEEP], size=size)
    assert (tokens, watched, finish, then) == ([10, WEIGHT, 1, KEEP], [False, False, True, True], Finish.STOP, [])


@pytest.mark.parametrize("size", [1, 2, 10])
def test_what_an_engine_wrote_beyond_another_stop_is_dropped(size: int) -> None:
    tokens, watched, finish, _ = read(Turns(generation(0)), [10, END, 1, KEEP], size=size)
    assert (tokens, watched, finish) == ([10, END], [False, False], Finish.STOP)


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [1, 10])
def test_the_limit_holds_over_all_turns(limit: int, size: int) -> None:
    tokens, _, finish, _ = read(Turns(generation(0, max_tokens=limit)), [10, WEIGHT, 1, REVISE], size=size)
    assert (tokens, finish) == ([10, WEIGHT, 1, REVISE][:limit], Finish.LENGTH)
