"""The view for a terminal: draft, witness and answer in panels that fill as they stream."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tear_chain.events import Event, Witnessed
from tear_chain.words import WEIGHTS, Decision, Outcome, Reflection, Stage, Status
from tear_client.phrases import decision_probability, in_words, signed
from tear_client.progress import TOLD, Progress
from tear_client.safetext import clean

WIDEST = 92
"""Columns; longer lines tire the eye."""
_CELLS_PER_WEIGHT = 4
_LABEL_WIDTH = len("decision")
_FRAMES_PER_SECOND = 12

# Only the terminal's own colours, whose owner has made them readable on this background; yellow never is on white.
_OPENING = "green"
_CLOSING = "red"
_ANSWER = "cyan"

_OPEN_SIDES = box.Box("━━━━\n    \n    \n    \n    \n    \n    \n━━━━\n")
"""The answer's frame: nothing beside the text, so that it can be copied."""


class LiveView:
    """Shows a reflection on a terminal as it happens, and leaves the whole of it behind.

    While it runs, only the end of what does not fit on the screen is shown. `direct` says that the draft will be
    the answer.
    """

    def __init__(self, console: Console, *, direct: bool = False) -> None:
        self._console = console
        self._picture = ReflectionPicture(Progress(), direct=direct, live=True)
        self._live = Live(_Tail(self._picture), console=console, transient=True, refresh_per_second=_FRAMES_PER_SECOND)

    def __enter__(self) -> Self:
        try:
            self._live.start()
        except BaseException:  # Ctrl-C in the middle of it would leave the thread behind that redraws
            self._live.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if not self._picture.progress.is_empty:
            self._console.print(ReflectionPicture(self._picture.progress, direct=self._picture.direct))

    def take(self, event: Event) -> None:
        """Add what one event tells."""
        self._picture.progress.take(event)


class ReflectionPicture:
    """A reflection as far as it is known, for any Rich console; `live` marks the place where it is written."""

    def __init__(self, progress: Progress, *, direct: bool = False, live: bool = False) -> None:
        self.progress = progress
        self.direct = direct
        self._live = live

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        plain = options.ascii_only
        parts = [part for part in (self._draft(plain), self._witness(plain), self._answer(plain)) if part is not None]
        if self._live and not parts:
            parts.append(Text("waiting for the server", style="dim"))
        if self.progress.reflection is not None:
            parts.append(_summary(self.progress.reflection, plain))
        yield from console.render(Group(*parts), options.update_width(min(options.max_width, WIDEST)))

    @property
    def _is_bypassed(self) -> bool:
        reflection = self.progress.reflection
        return self.direct if reflection is None else reflection.status is Status.BYPASSED

    @property
    def _is_kept(self) -> bool:
        witnessed = self.progress.witnessed
        return witnessed is not None and witnessed.decision is Decision.KEEP

    def _draft(self, plain: bool) -> RenderableType | None:
        progress = self.progress
        is_written = progress.stage is Stage.DRAFT
        # A kept draft is the answer, and stands there.
        stands_below = self._is_bypassed or self._is_kept or (progress.reflection and not progress.witnessed)
        if stands_below or not (progress.draft or is_written):
            return None
        withdrawn = progress.witnessed is not None
        text = self._text(progress.draft, is_written, plain)
        text.style = "dim" if withdrawn else ""
        return _panel("draft", text)

    def _witness(self, plain: bool) -> RenderableType | None:
        progress = self.progress
        is_written = progress.stage is Stage.WITNESS and progress.witnessed is None
        if self._is_bypassed or not (is_written or progress.witnessed or any(progress.told.values())):
            return None
        rows = Table.grid(padding=(0, 2), expand=True)
        rows.add_column(style="dim", no_wrap=True, min_width=_LABEL_WIDTH)
        rows.add_column(ratio=1)
        reached = [field for field in TOLD if progress.told[field]]
        for field in reached:
            rows.add_row(str(field), self._text(progress.told[field], is_written and field is reached[-1], plain))
        if is_written and not reached:
            rows.add_row("", self._text("", True, plain))
        if progress.witnessed is not None:
            _add_verdict(rows, progress.witnessed, plain)
        return _panel("witness", rows)

    def _answer(self, plain: bool) -> RenderableType | None:
        progress = self.progress
        text = progress.draft if self._is_bypassed and progress.reflection is None else progress.answer
        is_written = progress.stage is (Stage.DRAFT if self._is_bypassed else Stage.REVISED)
        if not (text or is_written):
            return None
        title = Text("answer", style=f"bold {_ANSWER}")
        if self._is_kept:
            title.append(", the draft as it was", style="not bold")
        return Panel(
            self._text(text, is_written, plain),
            title=title,
            title_align="left",
            border_style=_ANSWER,
            box=_OPEN_SIDES,
            padding=(0, 2),
        )

    def _text(self, text: str, is_written: bool, plain: bool) -> Text:
        shown = Text(clean(text).strip(), overflow="fold")
        if self._live and is_written:
            shown.append("_" if plain else "▍", style=_ANSWER)
        return shown


def weight_line(weight: int, expected: float | None, *, plain: bool = False) -> Text:
    """The weight on its scale, and what that means: the one way in which a weight is shown on a terminal."""
    line = weight_scale(weight, expected, plain=plain)
    line.append(f"   {_minus(signed(weight, 0), plain)}", style=f"bold {_weight_style(weight)}")
    line.append(f" {_effect(weight)}")
    if expected is not None:
        line.append(f", expected {_minus(signed(expected, 1), plain)}", style="dim")
    return line


def weight_scale(weight: int, expected: float | None, *, plain: bool = False) -> Text:
    """The weight on its scale: a bar from zero to where it lies, and a mark where the model expected it.

    −3 ────●◆━━━━━━┼──────────── +3
    """
    line, bar, zero, mark, mean = "-=|O^" if plain else "─━┼●◆"
    lowest, highest = WEIGHTS[0], WEIGHTS[-1]
    style = _weight_style(weight)
    origin, place = (-lowest * _CELLS_PER_WEIGHT, (weight - lowest) * _CELLS_PER_WEIGHT)
    cells = [(line, "dim")] * ((highest - lowest) * _CELLS_PER_WEIGHT + 1)
    for cell in range(min(origin, place), max(origin, place) + 1):
        cells[cell] = (bar, style)
    cells[origin] = (zero, "dim")
    if expected is not None:
        cells[round((min(max(expected, lowest), highest) - lowest) * _CELLS_PER_WEIGHT)] = (mean, style)
    cells[place] = (mark, f"bold {style}")
    scale = Text()
    scale.append(f"{_minus(signed(lowest, 0), plain)} ", style="dim")
    for glyph, cell_style in cells:
        scale.append(glyph, style=cell_style)
    return scale.append(f" {signed(highest, 0)}", style="dim")


class _Tail:
    """The last lines of a renderable, as many as the screen holds.

    An empty line ends them: there the terminal echoes `^C`, which on a full line would scroll the screen.
    """

    def __init__(self, content: RenderableType) -> None:
        self._content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._content, options, pad=False)
        room = max(console.height - 2, 2)
        if len(lines) > room:
            more = Segment("..." if options.ascii_only else "⋮", console.get_style("dim"))
            lines = [[more], *lines[-(room - 1) :]]
        for line in lines:
            yield from line
            yield Segment.line()
        yield Segment(" ")


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(
        content, title=Text(title, style="dim"), title_align="left", border_style="dim", box=box.ROUNDED, padding=(0, 2)
    )


def _add_verdict(rows: Table, witnessed: Witnessed, plain: bool) -> None:
    if witnessed.scene.weight is not None:
        rows.add_row("weight", weight_line(witnessed.scene.weight, witnessed.expected_weight, plain=plain))
    decision = Text.assemble((str(witnessed.decision), "bold"))
    if (probability := decision_probability(witnessed)) is not None:
        decision.append(f", probability {probability:.2f}", style="dim")
    rows.add_row("decision", decision)


def _summary(reflection: Reflection, plain: bool) -> RenderableType:
    """What it took, and what it lacks where it is not complete, in quiet lines."""
    dot = " - " if plain else " · "
    outcome = "answered directly" if reflection.outcome is Outcome.BYPASSED else str(reflection.outcome)
    tokens = sum(stage.tokens for stage in reflection.stages)
    seconds = sum(stage.seconds for stage in reflection.stages)
    lines = [dot.join([outcome, clean(reflection.model), f"{tokens} tokens", f"{seconds:.1f} s", clean(reflection.id)])]
    if reflection.problems:
        lines.append(f"What went wrong: {', '.join(map(in_words, reflection.problems))}.")
    if reflection.answer_cut:
        lines.append("The answer was cut at its token limit.")
    return Padding(Text("\n".join(lines), style="dim"), (0, 3))


def _weight_style(weight: int) -> str:
    if weight == 0:
        return "default"
    return _OPENING if weight > 0 else _CLOSING


def _effect(weight: int) -> str:
    if weight == 0:
        return "leaves no trace"
    return "opens" if weight > 0 else "closes"


def _minus(figure: str, plain: bool) -> str:
    return figure if plain else figure.replace("-", "\N{MINUS SIGN}")
