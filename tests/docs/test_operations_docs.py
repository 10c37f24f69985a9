"""docs/operations.md is whole and true: settings, options, metrics; and neither page names one that is not there."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest
import typer
from docs.pages import FOLDER, Page, quoted, read
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client.metrics import MetricWrapperBase
from pydantic_core import PydanticUndefined
from stories import KEPT, STORIES, asking, play, service_over
from typer.main import get_command
from written import written

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.adapter_command import adapter_app
from tear_server.api.app import Access, build_app
from tear_server.command import key_command
from tear_server.embedded import STOP_S
from tear_server.engine_args import REFUSED
from tear_server.journal.command import journal_app
from tear_server.journal.store import WRITE_LIMIT_S
from tear_server.keys import Key, make_key
from tear_server.lifeline import LONGEST_PAUSE_S, LONGEST_WAIT_S, PAUSE_S, WINDOW_S
from tear_server.metrics import Metrics
from tear_server.serve import CLOSE_S
from tear_server.settings import ServerSettings
from tear_server.spans import Tracing

PAGE = read("operations.md")
PAGES = pytest.mark.parametrize("page", [PAGE, read("api.md")], ids=["operations", "api"])
FLAGS = {f"--{name.replace('_', '-')}" for name in ServerSettings.model_fields}
VARIABLES = {f"TEAR_{name.upper()}" for name in ServerSettings.model_fields}
SUFFIXES = ("", "_bucket", "_sum", "_count")
SECTIONS = {"key": "Keys", "journal": "Journal", "adapter": "Taking adapters elsewhere"}
SETTINGS = PAGE.section("Settings").told("Flag")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
OF_VLLM = {"--api-key", "--data-parallel-size", *FLAG.findall(PAGE.section("Many engines").code("sh")[1])}
"""`tests/live/test_remote.py` starts vLLM with that command."""


def options() -> Mapping[str, set[str]]:
    """The options of `tear key` and of the `tear journal` and `tear adapter` commands."""
    key_app = typer.Typer()
    key_app.command()(key_command)
    found: dict[str, set[str]] = {}
    for name, app in {"key": key_app, "journal": journal_app, "adapter": adapter_app}.items():
        command = get_command(app)
        parts = getattr(command, "commands", {"": command}).values()
        flags = {flag for part in parts for each in part.params for flag in each.opts if flag.startswith("--")}
        found[name] = flags - {"--install-completion", "--show-completion"}
    return found


def metrics() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Every metric by the name that Prometheus sees: its type and labels."""
    made = Metrics()
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for metric in vars(made).values():
        if isinstance(metric, MetricWrapperBase):
            [family] = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = (family.type, tuple(metric._labelnames))  # it tells its labels nowhere else
    assert len(found) == len(list(made.registry.collect())), "a metric that is no attribute"
    return found


# What is there is on the page


@pytest.mark.parametrize("name", ServerSettings.model_fields)
def test_every_setting_is_told_with_its_flag_variable_and_default(name: str) -> None:
    flag, field = f"--{name.replace('_', '-')}", ServerSettings.model_fields[name]
    assert flag in SETTINGS, f"{flag} is not in the table of settings"
    _, variable, default, meaning = SETTINGS[flag]
    assert variable == f"`TEAR_{name.upper()}`"
    value = field.default
    if field.default_factory is dict:
        value = None
    shown = "required" if value is PydanticUndefined else "–" if value in (None, "") else f"`{value!s}`"
    assert default == (shown.lower() if isinstance(value, bool) else shown)
    assert meaning


@pytest.mark.parametrize("command", SECTIONS)
def test_every_option_of_a_command_is_told(command: str) -> None:
    assert set(PAGE.section(SECTIONS[command]).named("Option")) >= options()[command]


@pytest.mark.parametrize("name", metrics())
def test_every_metric_is_told_with_its_type_and_labels(name: str) -> None:
    told = PAGE.section("Metrics").told("Metric")
    assert name in told, f"{name} is not in the table of metrics"
    _, kind, labels, meaning = told[name]
    assert (kind, tuple(quoted(labels))) == metrics()[name]
    assert meaning


def test_every_engine_argument_that_is_refused_is_told_with_the_reason() -> None:
    told = PAGE.section("Engine arguments").told("Refused")
    assert set(told) - {"enable_chunked_prefill"} == set(REFUSED)
    for name, reason in REFUSED.items():
        assert told[name][1].lower() == reason.lower()


def test_the_page_tells_how_long_things_take_at_most() -> None:
    drain_s = ServerSettings.model_fields["drain_seconds"].default
    stopping, restarts = PAGE.section("Stopping").text, PAGE.section("Restarts").text
    assert f"`--drain-seconds` ({drain_s}) at most" in stopping
    assert f"vLLM has {STOP_S} seconds to end, connections {CLOSE_S} to close" in stopping
    pauses = ", ".join(f"{PAUSE_S * (2**count - 1):g}" for count in (1, 2, 3))
    assert f"within {WINDOW_S / 60:g} minutes after {pauses} … seconds, {LONGEST_PAUSE_S:g} at most" in restarts
    assert f"what the last start took, {LONGEST_WAIT_S:g} seconds at most" in restarts
    assert f"longer than {WRITE_LIMIT_S:g} seconds" in PAGE.section("Journal").text


# What is on a page is there


@PAGES
def test_no_flag_is_named_that_is_not_there(page: Page) -> None:
    known = FLAGS.union(*options().values())
    assert set(FLAG.findall(page.text)) <= known | (OF_VLLM if page is PAGE else set())


@PAGES
def test_no_variable_is_named_that_is_not_there(page: Page) -> None:
    assert set(re.findall(r"\bTEAR_[A-Z_]*[A-Z]\b", page.text)) <= VARIABLES


@PAGES
def test_no_metric_is_named_that_is_not_there(page: Page) -> None:
    known = {
        name + suffix
        for name, (kind, _) in metrics().items()
        for suffix in (SUFFIXES if kind == "histogram" else SUFFIXES[:1])
    }
    assert set(re.findall(r"\btear_[a-z_]+", page.text)) <= known


def test_what_is_said_of_codes_and_problems_stands_in_the_api_page() -> None:
    api = read("api.md")
    named = {code for row in PAGE.section("Limits").rows("Limit") for code in quoted(row[1])} - {"retry-after"}
    named |= {code for row in PAGE.section("Health").rows("Probe") for code in quoted(row[2])}
    told = {code.split(" ")[-1] for code in named}
    assert told <= set(api.named("Code"))


@PAGES
def test_links_between_pages_lead_somewhere(page: Page) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", page.text)
    assert [target for target in targets if not (FOLDER / target).exists()] == []


async def test_every_field_of_a_log_line_is_told_and_no_other(tokenizer: ChainTokenizer) -> None:
    key, digest = make_key()
    headers = {"authorization": f"Bearer {key}"}
    app = build_app(service_over(play(tokenizer, KEPT), tokenizer), Access(keys={"alice": Key(sha256=digest)}))

    @app.get("/surprise")
    async def surprise() -> None:
        logging.getLogger("tear.test").error("surprised", exc_info=LookupError())

    with written() as log:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear") as http:
            await http.post("/v1/chat/completions", json=asking(), headers=headers)
            await http.post("/v1/chat/completions", json={}, headers=headers)
            await http.get("/surprise")
    seen = {name for line in log.lines() for name in line}
    assert set(PAGE.section("Logs").named("Log field")) == seen
    [shown] = PAGE.section("Logs").json()
    assert list(shown) == list(log.requests()[0])


async def test_every_attribute_of_a_span_is_told_and_no_other(tokenizer: ChainTokenizer) -> None:
    exporter = InMemorySpanExporter()
    key, digest = make_key()
    headers = {"authorization": f"Bearer {key}", "x-session-id": "evening"}
    for story, failing in ((STORIES["gaps"], None), (KEPT, Stage.WITNESS)):
        engine = play(tokenizer, story, fail_in=failing, logprobs=dict.fromkeys(tokenizer.chain.weights.values(), -1.0))
        service = replace(service_over(engine, tokenizer), tracing=Tracing(SimpleSpanProcessor(exporter)))
        app = build_app(service, Access(keys={"alice": Key(sha256=digest)}))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear") as http:
            await http.post("/v1/chat/completions", json=asking(), headers=headers)
    told = PAGE.section("Traces").told("Span attribute")
    seen: dict[str, set[str]] = {}
    for span in exporter.get_finished_spans():
        kind = "request" if span.kind is SpanKind.SERVER else "stage"
        for name in span.attributes or ():
            seen.setdefault(name, set()).add(kind)
    assert {name: set(row[1].replace("witness", "stage").split(", ")) for name, row in told.items()} == seen
