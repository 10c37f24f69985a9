"""The stages of the chain: each asks the engine once, hands on text as it comes, and holds what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from tear_chain.events import Event, StageCompleted, StageStarted, TextDelta
from tear_chain.parser import WitnessParser
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Problem, Scene, Stage, StageReport
from tear_server.deadline import Deadlines
from tear_server.engine import Chunk, Engine, Finish, Generation
from tear_server.ledger import Ledger
from tear_server.stops import StopMatcher

_UNSCORED: Mapping[int, float] = {}


class TextStage:
    """A stage that writes plain text: the draft or the revision. Its results stand once `run` has ended."""

    def __init__(
        self,
        stage: Stage,
        tokenizer: ChainTokenizer,
        *,
        expected_end: int,
        stops: Sequence[str],
        deadlines: Deadlines,
    ) -> None:
        self._stage = stage
        self._tokenizer = tokenizer
        self._expected_end = expected_end
        self._stops = StopMatcher(stops)
        self._deadlines = deadlines
        self.text = ""
        self.ids: tuple[int, ...] = ()
        """The text's tokens: what the next stage's prompt repeats."""
        self.cut = False
        self.late = False
        """Whether its deadline cut it."""
        self.problems: list[Problem] = []
        self.report: StageReport

    def supply(self, text: str, ids: tuple[int, ...]) -> None:
        """Take a text that the caller brought."""
        self.text, self.ids = text, ids
        self.report = StageReport(self._stage, 0, 0, 0, None, 0.0, "supplied")

    async def run(self, engine: Engine, generation: Generation) -> AsyncGenerator[Event, None]:
        """Generate, handing on text as it comes."""
        yield StageStarted(self._stage)
        decoder, ids, parts = self._tokenizer.decoder(), list[int](), list[str]()
        meter, end, deadline = _Meter(self._stage, generation), None, self._deadlines.start(self._stage)
        top = generation.top_logprobs
        ledger = None if top is None else Ledger(self._tokenizer, top=top)
        is_last = False
        async with aclosing(engine.generate(generation)) as chunks:
            while not is_last:
                chunk, fresh = await deadline.next(chunks), ""
                if chunk is not None:
                    meter.see(chunk)
                    likeliest = chunk.likeliest or (_UNSCORED,) * len(chunk.tokens)
                    for token, logprobs in zip(chunk.tokens, likeliest, strict=True):
                        if token in self._tokenizer.control_ids:
                            end = token
                            break
                        ids.append(token)
                        fresh += (text := decoder.feed(token))
                        if ledger is not None:
                            ledger.write(token, logprobs, text=text, held=decoder.held)
                fresh = self._stops.feed(fresh)
                is_last = chunk is None or chunk.finish is not None or end is not None or self._stops.stopped
                if is_last:
                    fresh += self._stops.flush()
                scored = () if ledger is None else ledger.hand_out(fresh, is_last=is_last)
                if fresh or scored:
                    parts.append(fresh)
                    yield TextDelta(self._stage, None, fresh, tokens=meter.tokens, scored=scored)
        self.text = "".join(parts)
        self.ids = self._tokenizer.encode(self.text) if self._stops.stopped else tuple(ids)
        self.late = deadline.passed
        self.cut = self.late or (meter.at_limit and end is None and not self._stops.stopped)
        is_draft = self._stage is Stage.DRAFT
        if self.late:
            self.problems.append(Problem.LATE_DRAFT if is_draft else Problem.LATE_REVISION)
        elif self.cut:
            self.problems.append(Problem.CUT_DRAFT if is_draft else Problem.CUT_REVISION)
        elif end != self._expected_end and not self._stops.stopped:
            self.problems.append(Problem.STRAY_TOKEN)
        if is_draft and not self.text.strip():
            self.problems.append(Problem.EMPTY_DRAFT)
        self.report = meter.report(cut=self.cut, late=self.late)
        yield StageCompleted(self.report, self.text)


class WitnessStage:
    """The stage that foresees the consequence. Its results stand once `run` has ended."""

    def __init__(self, tokenizer: ChainTokenizer, deadlines: Deadlines) -> None:
        tokens = tokenizer.chain
        self._deadlines = deadlines
        self._weights, self._decisions = tokens.weights, tokens.decisions
        self._ends = tokenizer.control_ids - tokens.scene
        self.watch = (*tokens.weights.values(), *tokens.decisions.values())
        self._parser = WitnessParser(tokens, control_ids=tokenizer.control_ids, new_decoder=tokenizer.decoder)
        self.ids: tuple[int, ...] = ()
        """The scene's tokens, without the decision."""
        self.scene = Scene()
        self.expected_weight: float | None = None
        self.revise_probability: float | None = None
        self.problems: list[Problem] = []
        self.report: StageReport

    async def run(self, engine: Engine, generation: Generation) -> AsyncGenerator[Event, None]:
        """Generate, handing on the scene's text as it comes."""
        yield StageStarted(Stage.WITNESS)
        parser, ids, is_over, meter = self._parser, list[int](), False, _Meter(Stage.WITNESS, generation)
        deadline = self._deadlines.start(Stage.WITNESS)
        async with aclosing(engine.generate(generation)) as chunks:
            while (chunk := await deadline.next(chunks)) is not None:
                meter.see(chunk)
                for token, watched in zip(chunk.tokens, chunk.watched, strict=True):
                    had_weight = parser.weight is not None
                    new = parser.feed(token)
                    if not (is_over := token in self._ends):
                        ids.append(token)
                    if parser.weight is not None and not had_weight and watched:
                        self.expected_weight = _mean(self._weights, watched)
                    if parser.decision is not None and watched:
                        self.revise_probability = _share(self._decisions, Decision.REVISE, watched)
                    if new is not None:
                        yield TextDelta(Stage.WITNESS, new.field, new.text, tokens=meter.tokens)
                    if is_over:
                        break
                if is_over or chunk.finish is not None:
                    break
        late = deadline.passed
        is_cut = late or (meter.at_limit and not is_over)
        self.ids = tuple(ids)
        self.scene = parser.finish(cut=is_cut)
        # The parser knows that it was cut, not by what.
        cut = Problem.LATE_WITNESS if late else Problem.CUT_WITNESS
        self.problems = [cut if problem is Problem.CUT_WITNESS else problem for problem in parser.problems]
        self.report = meter.report(cut=is_cut, late=late)
        yield StageCompleted(self.report, "")

    def decide(self, threshold: float | None) -> Decision:
        """The model's decision, or the operator's by `threshold` on its probability; `keep` if there is none."""
        if threshold is not None and self.revise_probability is not None:
            return Decision.REVISE if self.revise_probability >= threshold else Decision.KEEP
        return self._parser.decision or Decision.KEEP


class _Meter:
    """Shown every chunk of a stage, it knows what the stage took; its clock starts when the engine is asked."""

    def __init__(self, stage: Stage, generation: Generation) -> None:
        self._stage = stage
        self._prompt_tokens = len(generation.prompt)
        self.tokens = 0
        self._cached_tokens = 0
        self._first: float | None = None
        self._seconds = 0.0
        self.at_limit = False
        """Whether the token limit ended the generation."""
        self._asked = time.monotonic()

    def see(self, chunk: Chunk) -> None:
        """Count a chunk that has just come."""
        self._seconds = time.monotonic() - self._asked
        if self._first is None:
            self._first = self._seconds
        self.tokens += len(chunk.tokens)
        self._cached_tokens = chunk.cached_tokens
        self.at_limit = chunk.finish is Finish.LENGTH

    def report(self, *, cut: bool, late: bool) -> StageReport:
        """The whole stage."""
        return StageReport(
            stage=self._stage,
            tokens=self.tokens,
            prompt_tokens=self._prompt_tokens,
            cached_tokens=self._cached_tokens,
            first_token_seconds=self._first,
            seconds=time.monotonic() - self._asked if late else self._seconds,
            finish="deadline" if late else "length" if cut else "stop",
        )


def _mean(ids: Mapping[int, int], logprobs: Mapping[int, float]) -> float:
    """Expected weight over the weights' share of the distribution."""
    shares = {weight: math.exp(logprobs[token]) for weight, token in ids.items()}
    return sum(weight * share for weight, share in shares.items()) / sum(shares.values())


def _share(ids: Mapping[Decision, int], wanted: Decision, logprobs: Mapping[int, float]) -> float:
    """Probability of `wanted` among the decisions alone."""
    shares = {decision: math.exp(logprobs[token]) for decision, token in ids.items()}
    return shares[wanted] / sum(shares.values())
