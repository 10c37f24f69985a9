from __future__ import annotations

import json
import logging
import re
from contextvars import copy_context
from datetime import datetime
from logging.config import dictConfig
from typing import Any

import pytest
from written import written

from tear_server.call import Call, begin_call
from tear_server.logs import VLLM_JSON_LOGS, JsonLines, LogFormat, TextLines, with_fields

SECRET = "my uncle's shed"


def said(log_format: LogFormat, **options: Any) -> str:
    """What is written for one record of ours."""
    with written(log_format) as log:
        logging.getLogger("tear.test").info("kept %(what)s", {"what": "it"}, **options)
    return log.text


def line(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said("json", **options))
    return found


def failing(words: str) -> None:
    try:
        raise LookupError(words)
    except LookupError as cause:
        raise ValueError(f"worse: {words}") from cause


def within_a_call(log_format: LogFormat) -> str:
    """What is written of a surprise while a request is worked on."""

    def surprised() -> str:
        begin_call(Call("mine-1", is_named=True))
        try:
            failing(SECRET)
        except ValueError:
            return said(log_format, exc_info=True)
        raise AssertionError

    return copy_context().run(surprised)


def test_a_line_for_people_has_its_fields_behind_its_words() -> None:
    told = said("text", extra=with_fields(seconds=0.25, key=None))
    assert re.fullmatch(r"[-\d]+ [:,\d]+ INFO tear\.test: kept it seconds=0\.25\n", told)


def test_a_line_for_machines_is_one_object_with_what_its_words_name() -> None:
    told = line(extra=with_fields(seconds=0.25, key=None))
    assert datetime.fromisoformat(told.pop("time")).tzinfo is not None
    assert told == {
        "level": "info",
        "logger": "tear.test",
        "message": "kept it",
        "what": "it",
        "seconds": 0.25,
    }


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_every_line_of_a_request_has_its_id(log_format: LogFormat) -> None:
    assert "mine-1" in within_a_call(log_format)
    assert "request_id" not in said(log_format)


def test_a_traceback_stays_inside_its_json_line() -> None:
    told = within_a_call("json")
    assert told.count("\n") == 1
    assert 'raise ValueError(f"worse: {words}") from cause' in json.loads(told)["traceback"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_an_exception_said_of_a_request_is_not_repeated(log_format: LogFormat) -> None:
    told = within_a_call(log_format)
    assert SECRET not in told
    assert told.index("builtins.LookupError") < told.index("builtins.ValueError")


def test_outside_of_a_request_an_exception_is_told_in_full() -> None:
    try:
        failing("no such file")
    except ValueError:
        assert line(exc_info=True)["traceback"].endswith("ValueError: worse: no such file")


def test_libraries_speak_from_warning_on_and_the_tear_from_its_level_on() -> None:
    with written(level="info") as log:
        for name in ("tear.a", "library"):
            for level in (logging.DEBUG, logging.INFO, logging.WARNING):
                logging.getLogger(name).log(level, "x")
    told = [(each["logger"], each["level"]) for each in log.lines()]
    assert told == [("tear.a", "info"), ("tear.a", "warning"), ("library", "warning")]


def test_vllm_is_told_to_write_the_same_lines() -> None:
    before = logging.getLogger("vllm").handlers[:]
    try:
        dictConfig(json.loads(VLLM_JSON_LOGS.read_text()))
        [handler] = logging.getLogger("vllm").handlers
        assert isinstance(handler.formatter, JsonLines)
        assert not isinstance(handler.formatter, TextLines)
    finally:
        logging.getLogger("vllm").handlers[:] = before
        logging.getLogger("vllm").propagate = True
        logging.getLogger("vllm").setLevel(logging.NOTSET)
