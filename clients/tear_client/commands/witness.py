"""`tear witness`: what answers by whomever would do, for one text or for many, for people and for CI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ValidationError

from tear_chain.errors import InvalidRequest
from tear_client.calls import WITNESS_BATCH, Item
from tear_client.commands.options import JsonFlag, ModelOption, SeedOption, UrlOption, settings_of
from tear_client.replies import Witness
from tear_client.terminal import print_json, print_problem, read_piped, show_scenes, show_witness

BELOW = 3
"""Exit code where an answer weighs less than was asked for, or could not be weighed."""
_STDIN = "-"


@dataclass(frozen=True, slots=True)
class Answers:
    """What a file holds to witness."""

    items: Sequence[Item]
    is_list: bool
    """Whether the file was a list, be it of one; else it is one answer."""


class _Line(BaseModel):
    situation: str
    answer: str


def witness(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help='An answer, or JSONL: {"situation": "…", "answer": "…"} on each line; - reads a pipe.',
        ),
    ],
    situation: Annotated[
        str | None, typer.Option("--situation", "-s", metavar="TEXT", help="What an answer in plain text answers.")
    ] = None,
    fail_below: Annotated[
        int | None,
        typer.Option("--fail-below", min=-3, max=3, metavar="WEIGHT", help="Exit with 3 if an answer weighs less."),
    ] = None,
    model: ModelOption = None,
    temperature: Annotated[
        float, typer.Option("--temperature", "-t", min=0, metavar="T", help="0 foresees the same each time.")
    ] = 0.0,
    seed: SeedOption = None,
    url: UrlOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Foresee what answers would do to the people who receive them."""
    settings = settings_of(ctx, url, as_json)
    answers = _read(file, situation)
    found: list[Witness] = []
    with settings.client() as client:
        for start in range(0, len(answers.items), WITNESS_BATCH):
            batch = answers.items[start : start + WITNESS_BATCH]
            scenes = client.witness(batch, model=model, temperature=temperature, seed=seed)
            if settings.as_json:
                for item, each in zip(batch, scenes, strict=True):
                    print_json({"situation": item.situation, "answer": item.answer, **each.model_dump(mode="json")})
            elif answers.is_list:
                show_scenes([item.answer for item in batch], scenes, first=start + 1)
            else:
                show_witness(scenes[0])
            found += scenes
    if fail_below is not None and (sentence := _below(found, fail_below)):
        print_problem(sentence)
        raise typer.Exit(BELOW)


def _read(file: str, situation: str | None) -> Answers:
    text = read_piped() if file == _STDIN else _text(Path(file))
    if not text.strip():
        raise InvalidRequest(f"There is nothing to witness in {_called(file)}.", param="file")
    if file.endswith(".jsonl") or text.lstrip().startswith("{"):
        lines = enumerate(text.split("\n"), start=1)
        return Answers([_item(f"{_called(file)}:{number}", line) for number, line in lines if line.strip()], True)
    if situation is None:
        raise InvalidRequest(
            f"{_called(file)} is text alone. Say what it answers with --situation, or give JSONL.", param="situation"
        )
    return Answers([Item(situation, text.strip())], False)


def _item(where: str, line: str) -> Item:
    try:
        row = _Line.model_validate_json(line)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"]))
        raise InvalidRequest(
            f'{where} is not {{"situation": "…", "answer": "…"}}: {f"{field}: " if field else ""}{fault["msg"]}.',
            param="file",
        ) from error
    for field, text in (("situation", row.situation), ("answer", row.answer)):
        if not text.strip():
            raise InvalidRequest(f"{where}: {field} has no text. Leave the line out or write something.", param="file")
    return Item(row.situation, row.answer)


def _below(found: Sequence[Witness], lowest: int) -> str | None:
    """What to say of answers that weigh less than `lowest` or have no weight; None where there are none."""
    light = [number for number, each in enumerate(found, start=1) if each.weight is not None and each.weight < lowest]
    lost = [number for number, each in enumerate(found, start=1) if each.weight is None]
    told = []
    if light:
        told.append(f"Of {len(found)} answers {len(light)} weigh less than {lowest}: {', '.join(map(str, light))}.")
    if lost:
        told.append(f"Without a weight, as the model left it out: {', '.join(map(str, lost))}.")
    return " ".join(told) or None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{file} is not UTF-8 text. Convert it first.", param="file") from error
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}.", param="file") from error


def _called(file: str) -> str:
    return "standard input" if file == _STDIN else file
