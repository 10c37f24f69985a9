from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from folders import House, build_house
from listening import listening, opened
from scripted import ScriptedEngine
from stories import REVISED, Story, play, service_over

from tear_chain.tokenizer import ChainTokenizer
from tear_server.api.app import Access

Serve = Callable[..., str]


@pytest.fixture
def engines() -> list[ScriptedEngine]:
    """The engines behind what was served, in turn."""
    return []


@pytest.fixture
def serve(
    tokenizer: ChainTokenizer, tmp_path: Path, engines: list[ScriptedEngine], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Serve]:
    """Serve a story on a real socket until the test ends, where `TEAR_URL` says; with a journal if it `keeps` one."""
    with ExitStack() as stack:

        def begin(story: Story = REVISED, *, access: Access | None = None, keeps: bool = False, **options: Any) -> str:
            engines.append(play(tokenizer, story, **options))
            service = service_over(engines[-1], tokenizer)
            journal = tmp_path / "journal.db" if keeps else None
            url = stack.enter_context(listening(opened(service, journal=journal, access=access)))
            monkeypatch.setenv("TEAR_URL", url)
            return url

        yield begin


@pytest.fixture
def house(tokenizer: ChainTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A server whose adapters can be changed, where `TEAR_URL` says."""
    built = build_house(tokenizer, tmp_path)
    with listening(opened(built.service)) as url:
        monkeypatch.setenv("TEAR_URL", url)
        yield built
