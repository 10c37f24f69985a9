"""The `tear data expand` command. Importing this is cheap: the SDK loads when it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tear_chain.errors import InvalidRequest, TearError
from tear_training.rejected import rejected_file

if TYPE_CHECKING:
    from tear_training.expand import ExpandReport
    from tear_training.expand.run import Standing

STOPPED = 130
"""Exit status after Ctrl-C."""


def expand_command(
    out: Annotated[Path, typer.Option(help="JSONL file of the new rows; what is rejected goes beside it.")],
    model: Annotated[str, typer.Option(help="The writer: a model of the endpoint.")],
    license_: Annotated[str, typer.Option("--license", help="Licence of what the writer writes.")],
    plan: Annotated[Path | None, typer.Option(help="YAML plan: topics, cultures and the rest.")] = None,
    situations: Annotated[int | None, typer.Option(min=1, help="How many to ask for, over the plan's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Settles what is asked for, over the plan's.")] = None,
    base_url: Annotated[str | None, typer.Option(help="The endpoint; else OPENAI_BASE_URL.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Its key; else OPENAI_API_KEY.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="The judge: another model than the writer.")] = None,
    judge_base_url: Annotated[str | None, typer.Option(help="The judge's endpoint; the writer's if not given.")] = None,
    judge_api_key: Annotated[
        str | None, typer.Option(envvar="TEAR_JUDGE_API_KEY", help="Its key; needed with --judge-base-url.")
    ] = None,
    no_judge: Annotated[bool, typer.Option("--no-judge", help="Keep rows that nobody judged.")] = False,
    against: Annotated[
        list[Path] | None, typer.Option(help="Rows not to come near, file or folder; may be repeated.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder of replies; beside OUT if not given.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests under way at once, at most.")] = 8,
    force: Annotated[bool, typer.Option("--force", help="Replace an OUT that holds other or reviewed rows.")] = False,
) -> None:
    """Write new rows with a larger model over an OpenAI-compatible endpoint. Run it again to go on where it stopped."""
    folder = cache or out.with_name(f"{out.stem}.cache")
    try:
        from tear_training.expand import ExpandPlan, expand
        from tear_training.expand.plan import load_plan
        from tear_training.expand.writer import Endpoint

        planned = load_plan(plan) if plan is not None else ExpandPlan()
        given = {name: value for name, value in (("situations", situations), ("seed", seed)) if value is not None}
        planned = planned.model_copy(update=given)
        key = SecretStr(api_key) if api_key is not None else None
        judge = None
        if judge_model is not None and judge_base_url is None:
            judge = Endpoint(judge_model, base_url, SecretStr(judge_api_key) if judge_api_key is not None else key)
        elif judge_model is not None:
            if judge_api_key is None:
                # The writer's key is not for another host, and the SDK would send the one of the environment.
                raise InvalidRequest(
                    "--judge-base-url needs --judge-api-key, any word where that endpoint wants none.",
                    param="judge_api_key",
                )
            judge = Endpoint(judge_model, judge_base_url, SecretStr(judge_api_key))
        with _progress(planned.situations) as show:
            report = asyncio.run(
                expand(
                    planned,
                    Endpoint(model, base_url, key),
                    judge=judge,
                    out=out,
                    cache=folder,
                    license_=license_,
                    against=against or (),
                    unjudged=no_judge,
                    concurrency=concurrency,
                    force=force,
                    watch=show,
                )
            )
    except KeyboardInterrupt as exc:
        _tell(f"Stopped. Replies are in {folder}: run the same command again to go on.")
        raise typer.Exit(STOPPED) from exc
    except (TearError, OSError) as exc:
        _tell(f"Error: {exc.sentence() if isinstance(exc, TearError) else exc}")
        raise typer.Exit(1) from exc
    _print(report, out)
    if report.unanswered:
        raise typer.Exit(1)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Standing], None]]:
    """A bar on stderr, and what moves it."""
    columns = (
        TextColumn("situations"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[accepted]} rows accepted, {task.fields[rejected]} rejected"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total, accepted=0, rejected=0)

        def show(standing: Standing) -> None:
            bar.update(task, completed=standing.done, accepted=standing.accepted, rejected=standing.rejected)

        yield show


def _print(report: ExpandReport, out: Path) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    balance = report.balance
    console.print(f"{report.rows} rows are in {out}, {report.squares} whole squares of {report.asked} situations.")
    console.print(f"{report.requests} requests, {report.cached} replies from the cache.")
    for name, side in (("opens", balance.opens), ("closes", balance.closes)):
        console.print(
            f"{name}: {side.answers} answers of {side.words:.1f} words, {side.questions:.0%} with a question mark."
        )
    console.print(
        f"{balance.one_sided} situations ask questions on one side only, in {balance.uneven} one side is longer."
    )
    for reason, count in sorted(report.rejected.items()):
        console.print(f"rejected: {count} {reason}")
    if report.rejected:
        console.print(f"What was rejected, and why, is in {rejected_file(out)}.")
    for reason, count in sorted(report.unanswered.items()):
        _tell(f"{count} situations got no reply ({reason}). Run the same command again to ask for them.")


def _tell(said: str) -> None:
    Console(stderr=True, soft_wrap=True).print(said, style="red", markup=False, highlight=False)
