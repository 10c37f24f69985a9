from __future__ import annotations

import asyncio
import os
import signal

import pytest
from stories import until

from tear_server.stopping import SIGNALS, StopSignals

EACH = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)


@EACH
async def test_a_signal_before_the_start_is_through_breaks_it_off(number: signal.Signals) -> None:
    broken_off = False
    with StopSignals(at_once=lambda: None) as signals:
        os.kill(os.getpid(), number)
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 5)
        except asyncio.CancelledError:
            broken_off = True
        assert (broken_off, signals.is_asked) == (True, True)


@EACH
async def test_a_signal_after_the_start_asks_and_the_next_one_hurries(number: signal.Signals) -> None:
    hurried: list[str] = []
    with StopSignals(at_once=lambda: hurried.append("at once")) as signals:
        signals.started()
        assert not signals.is_asked
        os.kill(os.getpid(), number)
        await asyncio.wait_for(signals.asked(), 5)
        waiting = asyncio.create_task(signals.hurried())
        await asyncio.sleep(0)
        assert (waiting.done(), hurried) == (False, [])
        os.kill(os.getpid(), number)
        await asyncio.wait_for(waiting, 5)
        os.kill(os.getpid(), number)
        await until(lambda: len(hurried) == 2)


async def test_signals_are_heard_that_a_shell_has_its_background_jobs_ignore() -> None:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        with StopSignals(at_once=lambda: None) as signals:
            signals.started()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(signals.asked(), 5)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
