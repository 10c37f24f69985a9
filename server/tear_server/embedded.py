"""vLLM in this process, its core in another: the one module that imports vllm."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tear_chain.errors import EngineDead, EngineError
from tear_server.engine import WATCHED_TOKENS, AdapterFiles, Chunk, Finish, Generation
from tear_server.engine_args import check_known
from tear_server.engine_options import EngineOptions
from tear_server.launch import launch
from tear_server.logprobs import likeliest_of, watched_of
from tear_server.turns import Turn, Turns

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.async_llm import AsyncLLM

CPU_BLOCK_TOKENS = 32
"""The smallest that vLLM's CPU attention has. Only whole blocks of a prefix are cached: with the default of 128 the
later part of a short chain was computed anew whenever a request took over from another."""
CPU_BATCH_TOKENS = 4096
"""Prompt tokens computed in one step; at least a whole prompt, since on a CPU none is computed in parts."""
STOP_S = 20
"""How long the core may take to end by itself before it is killed; vLLM's own five seconds are too few here."""
CORE = "EngineCore"
"""How vLLM names its processes that are this one's children."""
ANSWER_S = 1.0
"""How long the core is waited for before it is asked whether it lives."""
WORKER_EXTENSION = "tear_server.worker.WorkerExtension"
"""By name: it needs torch, which only the core's process loads before an adapter has been looked at."""
IN_CORE = "vllm.v1.executor.uniproc_executor.UniProcExecutor"
"""The model runs in the core's own process. On a CPU vLLM gives it one more, so as to bind its threads to cores, and
the core then keeps one of the machine's busy with waiting for it; it takes "uni" for "mp" there, but not the class."""
OWN_WORKERS = {"distributed_executor_backend", "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"}
"""Arguments that ask for workers, as does `VLLM_CPU_OMP_THREADS_BIND`: then vLLM has its way."""
_DIED = "The engine stopped while it generated."
_UNWATCHED: Mapping[int, float] = {}
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",  # every file is local; a look at a hub would only delay the start
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a fork of a server at work would hold its port and its connections
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",  # its warnings are about its own insides; set the variable to see them
}

Answer = TypeVar("Answer")


@asynccontextmanager
async def embedded_engine(
    base: Path, adapter: AdapterFiles | None, *, name: str, options: EngineOptions
) -> AsyncIterator[EmbeddedEngine]:
    """Start vLLM on a prepared base, called `name` in its metrics; leaving the context ends its processes.

    Raises `EngineError` when vLLM cannot start; its own log has said why.
    """
    vllm = await launch(
        lambda: _start(base, adapter, name=name, options=options),
        end=lambda started: started.shutdown(timeout=0),
        processes=CORE,
    )
    engine = EmbeddedEngine(vllm, max_rank=options.lora_rank(adapter))
    try:
        await engine.prepare()
        if adapter is not None:
            await engine.load(adapter)
        # Half a million objects of torch and vLLM stay for good; looking them over took a third of a second each time.
        gc.collect()
        gc.freeze()
        yield engine
    finally:
        await engine.end()
        # Exceptions that libraries keep of optional imports hold this frame to the very end, and so would the frame
        # hold the engine, whose finalizer needs modules that are gone by then.
        del vllm, engine
        gc.unfreeze()  # what this engine leaves behind is collected when another one starts


def _start(base: Path, adapter: AdapterFiles | None, *, name: str, options: EngineOptions) -> AsyncLLM:
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(options.cpu_kv_cache_gib))
    if options.log_config is not None:
        os.environ.setdefault("VLLM_LOGGING_CONFIG_PATH", str(options.log_config))
    if options.traces_url is not None:
        os.environ.setdefault("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
    # Imported here, so that the settings above are seen and a refused adapter costs no seven seconds.
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.v1.engine.async_llm import AsyncLLM

    on_cpu = current_platform.is_cpu()
    in_core = on_cpu and "VLLM_CPU_OMP_THREADS_BIND" not in os.environ and not OWN_WORKERS.intersection(options.args)
    if in_core:
        # As many threads as vLLM's own workers would have: a core is left to everything else.
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) - 1)))
    arguments = AsyncEngineArgs(
        model=str(base),
        served_model_name=[name],
        tokenizer_mode="mistral",
        dtype="bfloat16",
        max_model_len=options.max_model_len,
        max_num_seqs=options.max_num_seqs,
        enforce_eager=on_cpu if options.enforce_eager is None else options.enforce_eager,
        gpu_memory_utilization=options.gpu_memory_utilization,
        enable_prefix_caching=True,
        # A prompt computed in parts draws a token too early, which vLLM takes back by rewinding the request's random
        # generator; torch's generators on a CPU cannot be rewound, so one seeded request would end the whole engine.
        enable_chunked_prefill=False if on_cpu else None,
        max_num_batched_tokens=max(options.max_model_len, CPU_BATCH_TOKENS) if on_cpu else None,
        block_size=CPU_BLOCK_TOKENS if on_cpu else None,
        distributed_executor_backend=IN_CORE if in_core else None,
        enable_lora=adapter is not None,
        max_lora_rank=cast(Any, options.lora_rank(adapter)),
        max_loras=options.max_loras,
        max_cpu_loras=options.max_loras,
        generation_config="vllm",
        otlp_traces_endpoint=options.traces_url,
        # One backend for all: vLLM keeps to the one that the first request needed. This one bounds the work that a
        # schema can make, refuses what it cannot hold a text to, and lets no control token into a text.
        structured_outputs_config=cast(Any, {"backend": "guidance", "disable_any_whitespace": True}),
        worker_extension_cls=WORKER_EXTENSION,
        seed=0,
    )
    check_known(options.args, known={field.name for field in dataclasses.fields(arguments)}, on_cpu=on_cpu)
    try:
        return AsyncLLM.from_engine_args(dataclasses.replace(arguments, **options.args))
    except (RuntimeError, ValueError, TypeError, OSError) as exc:
        raise EngineError(f"vLLM cannot start on {base}: {exc}") from exc


class EmbeddedEngine:
    """The `Engine`, and `AdapterHost`, over vLLM's `AsyncLLM`."""

    def __init__(self, vllm: AsyncLLM, *, max_rank: int) -> None:
        from vllm import SamplingParams
        from vllm.engine.protocol import StreamingInput
        from vllm.exceptions import VLLMError
        from vllm.inputs.engine import tokens_input
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams
        from vllm.v1.engine.exceptions import EngineDeadError

        self._vllm = vllm
        self._max_rank = max_rank
        self._loras: dict[str, LoRARequest] = {}
        self._loaded = 0

        class SessionParams(SamplingParams):
            """vLLM's front end keeps log-probabilities of a session only if its first turn asks for some."""

            @property
            def num_logprobs(self) -> int:
                return -1  # as many as come; the core, which reads the fields alone, is asked for none

        self._params = SamplingParams
        self._session_params = SessionParams
        self._prompt = tokens_input
        self._input = StreamingInput
        self._structure = StructuredOutputsParams
        self._delta = RequestOutputKind.DELTA
        self._dead_error = EngineDeadError
        self._refusal = (ValueError, VLLMError)

    async def prepare(self) -> None:
        """Bind the engine's processes to this one, and learn what generating would ask first."""
        await self._answer(self._vllm.collective_rpc("end_with_process", args=(os.getpid(),)))
        await self._answer(self._vllm.collective_rpc("keep_likeliest"))
        await self._answer(self._vllm.get_supported_tasks())

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        """Stream one generation; closing the iterator aborts it in the core."""
        lora = None if generation.adapter is None else self._loras.get(generation.adapter)
        if lora is None and generation.adapter is not None:
            raise EngineError(f"The adapter {generation.adapter} is not loaded.")
        in_turns = generation.watch_after is not None and self._has_room(generation)
        chunks = self._in_turns(generation, lora) if in_turns else self._at_once(generation, lora)
        try:
            async with contextlib.aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
        except self._dead_error as exc:
            raise EngineDead(_DIED) from exc
        except self._refusal as exc:
            if self._vllm.errored:
                raise EngineDead(_DIED) from exc
            reason = exc.__cause__ or exc
            raise EngineError(f"The engine refused the request: {str(reason) or type(reason).__name__}") from exc

    async def _at_once(self, generation: Generation, lora: LoRARequest | None) -> AsyncGenerator[Chunk, None]:
        whole = Turn(
            generation.prompt, generation.max_tokens, generation.min_tokens, generation.stop_ids, generation.watch
        )
        prompt, params = (
            self._prompt(list(whole.prompt)),
            self._params_for(whole, generation, kind=self._params),
        )
        stream = self._vllm.generate(prompt, params, generation.id, lora_request=lora)
        async with contextlib.aclosing(stream):
            async for output in stream:
                completion = output.outputs[0]
                tokens = tuple(completion.token_ids)
                yield Chunk(
                    tokens=tokens,
                    watched=watched_of(completion.logprobs, tokens, generation.watch) if generation.watch else (),
                    cached_tokens=output.num_cached_tokens or 0,
                    finish=_finish(completion.finish_reason),
                    likeliest=likeliest_of(completion.logprobs) if generation.top_logprobs is not None else (),
                )

    async def _in_turns(self, generation: Generation, lora: LoRARequest | None) -> AsyncGenerator[Chunk, None]:
        """As one of vLLM's sessions, which computes nothing anew from turn to turn."""
        turns, inputs, cached_tokens = Turns(generation), asyncio.Queue[Any](), None

        def take(turn: Turn) -> None:
            params = self._params_for(turn, generation, kind=self._session_params)
            inputs.put_nowait(self._input(prompt=self._prompt(list(turn.prompt)), sampling_params=params))

        async def session() -> AsyncGenerator[Any, None]:
            while True:
                yield await inputs.get()

        first = turns.first()
        for turn in first:
            take(turn)
        params = self._params_for(first[0], generation, kind=self._session_params)
        stream = self._vllm.generate(
            session(), params, generation.id, lora_request=lora, trace_headers=generation.trace
        )
        async with contextlib.aclosing(stream):
            async for output in stream:
                completion = output.outputs[0]
                _finish(completion.finish_reason)  # whether it ends is the turns' to say, but not whether it broke off
                reading = turns.read(completion.token_ids)
                if reading.then is not None:
                    take(reading.then)
                if cached_tokens is None:
                    cached_tokens = output.num_cached_tokens or 0
                drawn = [token for token, asked in zip(reading.tokens, reading.is_watched, strict=True) if asked]
                found = iter(watched_of(completion.logprobs, drawn, generation.watch) if drawn else ())
                watched = tuple(next(found) if asked else _UNWATCHED for asked in reading.is_watched)
                yield Chunk(reading.tokens, watched, cached_tokens, reading.finish)
                if reading.finish is not None:
                    return

    def _params_for(self, turn: Turn, generation: Generation, *, kind: type[SamplingParams]) -> SamplingParams:
        sampling, schema = generation.sampling, generation.json_schema
        return kind(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
            frequency_penalty=sampling.frequency_penalty,
            presence_penalty=sampling.presence_penalty,
            max_tokens=turn.max_tokens,
            min_tokens=turn.min_tokens,
            stop_token_ids=sorted(turn.stop_ids),
            logprobs=generation.top_logprobs,
            logprob_token_ids=list(turn.watch) or None,
            structured_outputs=None if schema is None else self._structure(json=schema),
            flat_logprobs=True,  # by far fewer objects per token
            ignore_eos=True,  # the stop ids say all
            detokenize=False,
            output_kind=self._delta,
        )

    def _has_room(self, generation: Generation) -> bool:
        """Whether the turns that vLLM may have begun beyond the limit still fit its context."""
        return len(generation.prompt) + generation.max_tokens + WATCHED_TOKENS < self._vllm.model_config.max_model_len

    async def load(self, files: AdapterFiles) -> None:
        """Load a LoRA; its name must say its contents, since the prefix cache goes by it."""
        from vllm.lora.request import LoRARequest

        if files.name in self._loras:
            return
        if files.rank > self._max_rank:
            raise EngineError(
                f"The adapter in {files.folder} has rank {files.rank}; this engine was started for {self._max_rank} at "
                "most (--max-lora-rank)."
            )
        lora = LoRARequest(files.name, self._loaded + 1, str(files.folder.resolve()))
        try:
            await self._answer(self._vllm.add_lora(lora))
        except EngineDead:
            raise
        except Exception as exc:  # the core reports whatever went wrong there as a plain Exception
            raise EngineError(f"vLLM cannot load the adapter in {files.folder}: {exc}") from exc
        self._loaded += 1
        self._loras[files.name] = lora

    async def unload(self, name: str) -> None:
        """Forget a LoRA."""
        lora = self._loras.pop(name, None)
        if lora is not None:
            await self._answer(self._vllm.remove_lora(lora.lora_int_id))

    async def health(self) -> None:
        """Ask vLLM; raise `EngineDead` if its core is gone."""
        try:
            await self._vllm.check_health()
        except self._dead_error as exc:
            raise EngineDead("The engine is not running.") from exc

    async def end(self) -> None:
        """End the core, and whatever still waits for it: vLLM would leave that waiting."""
        if self._vllm.output_handler is not None:
            self._vllm.output_handler.cancel()  # it would take the end for a failure
        self._vllm.output_processor.propagate_error(self._dead_error())
        await asyncio.to_thread(self._vllm.shutdown, timeout=STOP_S)
        self._vllm.output_processor.propagate_error(self._dead_error())  # what came in between

    async def _answer(self, call: Awaitable[Answer]) -> Answer:
        """What the core answers to a call; `EngineDead` if it dies before, which vLLM would never notice."""
        answering = asyncio.ensure_future(call)
        try:
            while not (await asyncio.wait({answering}, timeout=ANSWER_S))[0]:
                await self.health()
            return answering.result()
        except self._dead_error as exc:
            raise EngineDead("The engine is not running.") from exc
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)


def _finish(reason: str | None) -> Finish | None:
    match reason:
        case None:
            return None
        case "stop" | "length":
            return Finish(reason)
        case "abort":  # what nobody left is aborted by a core that is being ended
            raise EngineDead(_DIED)
        case _:
            raise EngineError(f"The engine gave the request up: {reason}.")
