"""How much is tried: a share that fits into every run, or all of it with `--fuzz full`."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz", choices=["small", "full"], help="how much to try: a quick share (default), or all")


@pytest.fixture(scope="session")
def is_full(request: pytest.FixtureRequest) -> bool:
    # The option is known only where the command line names this folder; a whole run goes without.
    return bool(request.config.getoption("--fuzz", default=None) == "full")
