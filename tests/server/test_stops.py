from __future__ import annotations

import pytest

from tear_server.stops import StopMatcher


def run(stops: list[str], parts: list[str]) -> tuple[list[str], bool]:
    """What passes for each part and at the end, and whether a stop string came."""
    matcher = StopMatcher(stops)
    passed = [matcher.feed(part) for part in parts]
    return [*passed, matcher.flush()], matcher.stopped


@pytest.mark.parametrize(
    ("stops", "parts", "passed", "stopped"),
    [
        ([], ["one ", "two"], ["one ", "two", ""], False),
        (["END"], ["one END two"], ["one ", ""], True),
        (["END"], ["END"], ["", ""], True),
        (["END"], ["one E", "N", "D two"], ["one ", "", "", ""], True),
        (["END"], ["one E", "NE", "ND"], ["one ", "EN", "", ""], True),
        (["END"], ["one EN"], ["one ", "EN"], False),
        (["END"], ["END", "more", "END"], ["", "", "", ""], True),
        (["\n\n"], ["a\n", "b\n", "\nc"], ["a", "\nb", "", ""], True),
        (["aab"], ["aa", "ab"], ["", "a", ""], True),
        (["END", "two"], ["one two END"], ["one ", ""], True),
        (["abcd", "bc"], ["abcd"], ["a", ""], True),
        (["bc", "abc"], ["xabc"], ["x", ""], True),
        (["漢字"], ["学漢", "字"], ["学", "", ""], True),
    ],
    ids=[
        *("none", "inside", "all", "split", "false-start", "unfinished", "once-only", "lines", "overlapping-itself"),
        *("first-of-two", "first-to-be-whole", "both-at-once", "cjk"),
    ],
)
def test_text_passes_up_to_the_stop_string(
    stops: list[str], parts: list[str], passed: list[str], stopped: bool
) -> None:
    assert run(stops, parts) == (passed, stopped)


@pytest.mark.parametrize(
    "stops",
    [["END"], ["aab", "ab"], ["abcd", "bc"], ["bc", "abcd"], ["d", "abcde"], ["aa", "aaa"], ["cab", "bca"]],
    ids="|".join,
)
@pytest.mark.parametrize("text", ["one END", "aaabcd", "abcde", "xabcabx", "aabaabEN", "abcab"])
def test_how_text_is_cut_into_parts_changes_nothing(stops: list[str], text: str) -> None:
    whole, stopped = run(stops, [text])
    for size in range(1, len(text)):
        parts = [text[start : start + size] for start in range(0, len(text), size)]
        passed, stopped_too = run(stops, parts)
        assert ("".join(passed), stopped_too) == ("".join(whole), stopped), size


def test_nothing_that_could_begin_a_stop_string_passes_early() -> None:
    matcher = StopMatcher(["</s>"])
    assert [matcher.feed(letter) for letter in "a</s"] == ["a", "", "", ""]
