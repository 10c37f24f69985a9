"""What the suite is pointed at: `--base-url URL`, or else the session's own server with nano on real vLLM."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import httpx
import openai
import pytest
from conformance.recorded import Recording, Target, record, said

LIMIT_S = 120


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--base-url", help="server to check, without /v1; also TEAR_CONFORMANCE_URL")
    group.addoption("--api-key", help="its key; also TEAR_CONFORMANCE_KEY")
    group.addoption(
        "--model", help="its reflective model, the first it lists if not given; also TEAR_CONFORMANCE_MODEL"
    )


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    def given(flag: str, variable: str) -> str | None:
        # The options are known only where the command line names this folder; a whole run goes without.
        value: str | None = request.config.getoption(flag, default=None)
        return value or os.environ.get(variable)

    url = given("--base-url", "TEAR_CONFORMANCE_URL") or request.getfixturevalue("live").url
    url = url.rstrip("/").removesuffix("/v1")
    key = given("--api-key", "TEAR_CONFORMANCE_KEY")
    model = given("--model", "TEAR_CONFORMANCE_MODEL")
    if model is None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        model = (
            httpx.get(f"{url}/v1/models", headers=headers, timeout=LIMIT_S).raise_for_status().json()["data"][0]["id"]
        )
    return Target(url, key, model)


@pytest.fixture(scope="session")
def http(target: Target) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=target.url, headers=target.headers, timeout=LIMIT_S) as client:
        yield client


@pytest.fixture(scope="session")
def sdk(target: Target) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{target.url}/v1", api_key=target.key or "none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def recorded(http: httpx.Client, target: Target) -> Callable[[str], Recording]:
    """One question asked twice, streamed and whole; asked at the first call for its name, and once only."""
    kept: dict[str, Recording] = {}

    def recording(name: str) -> Recording:
        if name not in kept:
            kept[name] = record(http, said(name, target))
        return kept[name]

    return recording


@pytest.fixture
def recording(name: str, recorded: Callable[[str], Recording]) -> Recording:
    """The recording that the test is parametrized with."""
    return recorded(name)
