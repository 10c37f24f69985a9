"""Settings of the server: flags, then `TEAR_*` variables, then a YAML file; the one module that reads them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BeforeValidator, Field, HttpUrl, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    CliApp,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from tear_chain.errors import InvalidRequest
from tear_server.budget import MIN_WITNESS, REFLECTED_ANSWER
from tear_server.logs import LogFormat, LogLevel

FOR_VLLM_HERE = frozenset({"enforce_eager", "gpu_memory_utilization", "cpu_kv_cache_gib", "max_num_seqs"}) | {
    "adapters_dir",
    "engine_args",
    "engine_restarts",
    "max_adapters",
    "max_lora_rank",
    "merge",
    "merge_into",
}


def _split_folders(given: object) -> object:
    if not isinstance(given, str):
        return given
    parts = [part.strip().partition("=") for part in given.split(",") if part.strip()]
    if odd := next((sign.join((name, folder)) for name, sign, folder in parts if not name or not folder), None):
        raise ValueError(f"{odd!r} is not NAME=FOLDER")
    return {name: folder for name, _, folder in parts}


NamedFolders = Annotated[dict[str, Path], NoDecode, BeforeValidator(_split_folders)]


def _mapping(given: Any) -> Any:
    """What a flag, a variable or a file gives as text, read as YAML, which JSON is, too."""
    try:
        return yaml.safe_load(given) if isinstance(given, str) else given
    except yaml.YAMLError as exc:
        raise ValueError("expected a mapping, such as {name: value}") from exc


EngineArgs = Annotated[dict[str, Any], NoDecode, BeforeValidator(_mapping)]


class ServerSettings(BaseSettings):
    """Serve a prepared base with its adapter: draft, witness, keep or revise."""

    model_config = SettingsConfigDict(
        env_prefix="TEAR_",
        extra="forbid",
        frozen=True,
        cli_prog_name="tear serve",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_implicit_flags=True,
        use_attribute_docstrings=True,
    )

    base: Path
    """Folder of a prepared base."""
    adapter: Path | None = None
    """Folder of an adapter trained on that base; left out only where one was merged into it."""
    models: NamedFolders = {}
    """Further models, NAME=FOLDER with commas between them: names to serve, and the adapters that they answer with."""
    adapters_dir: Path | None = None
    """Folder from which adapters may be loaded while the server runs; not given, none can be."""
    max_adapters: int | None = Field(default=None, ge=1)
    """Adapters held at once; not given, those of the start, or with --adapters-dir at least 8."""
    max_lora_rank: int | None = Field(default=None, ge=1, le=512)
    """The largest rank of an adapter; not given, the largest at the start."""
    merge: bool = False
    """Merge the adapter into the base at the start, in a temporary folder: faster, and one adapter for good."""
    merge_into: Path | None = None
    """The same, kept in that folder for the next start."""
    name: str | None = None
    """Model name to serve; the base's own if not given. NAME-direct answers without reflecting."""
    config: Path | None = None
    """YAML file with any of these settings."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on."""
    keys: Path | None = None
    """File of API keys, made with `tear key`; not given, nobody is asked for one."""
    anyone: bool = False
    """Listen beyond this machine without keys: whoever reaches the port may ask."""
    max_requests: int = Field(default=256, ge=1)
    """Reflections worked on at once; more are refused with 503 and told when to come again."""
    max_body_bytes: int = Field(default=4 << 20, ge=1024)
    """The longest request body that is read."""
    cors_origins: str = ""
    """Origins whose web pages may call this server from a browser, with commas between them."""
    journal: SecretStr | None = None
    """Keep every answered reflection there: sqlite:///PATH or postgresql://…; not given, nothing is kept."""
    journal_days: int | None = Field(default=None, ge=1, le=36_500)
    """How long the journal keeps a reflection; not given, until it is purged by hand."""
    context: int | None = Field(default=None, ge=128)
    """Context window in tokens; at most, and by default, what the base was prepared for (up to 8192)."""
    max_answer_tokens: int = Field(default=512, ge=REFLECTED_ANSWER)
    """Tokens of an answer where the caller sets no limit."""
    max_witness_tokens: int = Field(default=256, ge=MIN_WITNESS)
    """Tokens of a consequence scene."""
    draft_deadline_s: float = Field(default=120.0, gt=0)
    """Seconds for a draft; then it is witnessed as far as it came."""
    witness_deadline_s: float = Field(default=120.0, gt=0)
    """Seconds for a consequence scene; then the draft is kept."""
    revision_deadline_s: float = Field(default=120.0, gt=0)
    """Seconds for a revision; then it is the answer as far as it came."""
    temperature: float = Field(default=0.3, ge=0, le=2)
    """Sampling temperature where the caller sets none."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Nucleus sampling where the caller sets none."""
    revise_threshold: float | None = Field(default=None, ge=0, le=1)
    """Revise from this probability on; not given, the model's own decision stands."""
    second_look: float = Field(default=0.0, ge=0, le=1)
    """Share of the revised answers that are witnessed once more, after they went out: what did revising do?"""
    engine: HttpUrl | None = None
    """Generate there: a vLLM server, or a router in front of many. Not given, vLLM is started here."""
    engine_key: SecretStr | None = None
    """API key that the engine asks for."""
    engine_connect_timeout_s: float = Field(default=5.0, gt=0)
    """The longest wait for a connection to the engine."""
    engine_read_timeout_s: float = Field(default=120.0, gt=0)
    """The longest silence of the engine within a generation, its queue included."""
    enforce_eager: bool | None = None
    """vLLM: no compilation. Not given: eager on a CPU, compiled on a GPU."""
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """vLLM: share of the GPU's memory to use."""
    cpu_kv_cache_gib: int = Field(default=1, ge=1)
    """vLLM on a CPU: GiB for the KV cache."""
    max_num_seqs: int | None = Field(default=None, ge=1)
    """vLLM: sequences in one batch."""
    engine_args: EngineArgs = Field(default_factory=dict)
    """vLLM: any further arguments under its own names, as YAML or JSON: {max_num_batched_tokens: 8192}."""
    engine_restarts: int = Field(default=3, ge=0)
    """How many times in 10 minutes a dead engine is started anew before it is given up."""
    drain_seconds: float = Field(default=30, ge=0)
    """How long replies at work may go on once the server was asked to stop."""
    log_level: LogLevel = "info"
    """How much the server says."""
    log_format: LogFormat = "text"
    """Lines for people, or one JSON object on each."""
    otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s/]\S*$")
    """Send traces to this OpenTelemetry collector, by OTLP over HTTP; not given, none are made."""

    @model_validator(mode="after")
    def _one_engine(self) -> Self:
        if self.engine is None:
            return self
        if self.engine.username or self.engine.password:
            raise ValueError("--engine holds a name or a password: give --engine-key, which no log shows")
        if idle := FOR_VLLM_HERE & self.model_fields_set:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(idle))
            raise ValueError(f"{flags}: with --engine no vLLM is started here; say it where that one is started")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags come first of themselves; then the environment, then the file."""
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)


def read_settings(arguments: list[str]) -> ServerSettings:
    """Parse flags, environment and file together; raise `InvalidRequest` with every error at once."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--config", default=os.environ.get("TEAR_CONFIG"))
    file: str | None = finder.parse_known_args(arguments)[0].config
    if file is not None:
        _check_file(file)

    class Settings(ServerSettings):
        __doc__ = ServerSettings.__doc__
        model_config = SettingsConfigDict(yaml_file=file)

    try:
        return CliApp.run(Settings, cli_args=arguments)
    except ValidationError as exc:
        raise InvalidRequest("Settings cannot be used: " + "; ".join(map(_explain, exc.errors()))) from exc


def _check_file(file: str) -> None:
    """Refuse here what pydantic-settings would stumble over."""
    if not Path(file).is_file():
        raise InvalidRequest(f"--config (or TEAR_CONFIG) names {file}, which is not a file.")
    try:
        contents = yaml.safe_load(Path(file).read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"{file} is not YAML: {exc}") from exc
    if contents is not None and not (isinstance(contents, dict) and all(isinstance(name, str) for name in contents)):
        raise InvalidRequest(f"{file} is not a list of settings. Write one `name: value` on a line.")


def _explain(error: Any) -> str:
    if not error["loc"]:
        return str(error["ctx"]["error"])
    name = ".".join(map(str, error["loc"]))
    flag, variable = f"--{name.replace('_', '-')}", f"TEAR_{name.upper()}"
    if error["type"] == "missing":
        return f"{flag} (or {variable}) is missing"
    if error["type"] == "extra_forbidden":
        return f"{name} is not a setting"
    message = error["msg"].removeprefix("Value error, ")
    return f"{flag} is {error['input']!r}: {message[:1].lower()}{message[1:]}"
