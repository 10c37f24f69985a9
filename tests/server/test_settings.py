from __future__ import annotations

import os
from pathlib import Path

import pytest

from tear_chain.errors import InvalidRequest
from tear_server.settings import FOR_VLLM_HERE, ServerSettings, read_settings

NEEDED = ["--base", "b", "--adapter", "a"]
FOR_VLLM_ELSEWHERE = frozenset(name for name in ServerSettings.model_fields if name.startswith("engine"))


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TEAR_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tear.yaml"


def refusal(arguments: list[str]) -> str:
    with pytest.raises(InvalidRequest) as refused:
        read_settings(arguments)
    return refused.value.sentence()


def test_two_folders_are_all_that_must_be_said() -> None:
    settings = read_settings(NEEDED)
    assert (settings.base, settings.adapter, settings.port, settings.host) == (Path("b"), Path("a"), 8000, "127.0.0.1")


def test_flags_go_over_environment_over_file(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text("base: file\nadapter: file\nname: file\nport: 1111\n")
    monkeypatch.setenv("TEAR_ADAPTER", "environment")
    monkeypatch.setenv("TEAR_NAME", "environment")
    settings = read_settings(["--config", str(file), "--name", "flag"])
    said = (str(settings.base), str(settings.adapter), settings.name, settings.port)
    assert said == ("file", "environment", "flag", 1111)


def test_the_environment_may_name_the_file(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text("base: file\nadapter: file\n")
    monkeypatch.setenv("TEAR_CONFIG", str(file))
    assert read_settings([]).base == Path("file")


@pytest.mark.parametrize("written", ["--config=FILE", "--config FILE"])
def test_the_file_is_found_however_the_flag_is_written(file: Path, written: str) -> None:
    file.write_text("base: file\nadapter: file\n")
    assert read_settings(written.replace("FILE", str(file)).split(" ")).base == Path("file")


@pytest.mark.parametrize("left_out", [FOR_VLLM_HERE, FOR_VLLM_ELSEWHERE], ids=["vllm-elsewhere", "vllm-here"])
def test_every_setting_can_be_a_flag_a_variable_and_a_key(
    monkeypatch: pytest.MonkeyPatch, file: Path, left_out: frozenset[str]
) -> None:
    values = {
        "base": "b",
        "adapter": "a",
        "models": "small=s,large=l/arge",
        "adapters_dir": "d",
        "max_adapters": "4",
        "max_lora_rank": "32",
        "merge": "true",
        "merge_into": "m",
        "name": "n",
        "host": "::1",
        "port": "9000",
        "keys": "keys.yaml",
        "anyone": "true",
        "max_requests": "8",
        "max_body_bytes": "4096",
        "cors_origins": "https://one.example,https://two.example",
        "journal": "sqlite:///journal.db",
        "journal_days": "30",
        "context": "1024",
        "max_answer_tokens": "64",
        "max_witness_tokens": "64",
        "draft_deadline_s": "60",
        "witness_deadline_s": "60",
        "revision_deadline_s": "60",
        "temperature": "0.5",
        "top_p": "0.5",
        "revise_threshold": "0.5",
        "second_look": "0.25",
        "engine": "http://engines:8000/v1",
        "engine_key": "k",
        "engine_connect_timeout_s": "1.5",
        "engine_read_timeout_s": "30",
        "enforce_eager": "true",
        "gpu_memory_utilization": "0.5",
        "cpu_kv_cache_gib": "2",
        "max_num_seqs": "4",
        "engine_args": "{block_size: 16, compilation_config: {level: 0}}",
        "engine_restarts": "0",
        "drain_seconds": "2.5",
        "log_level": "debug",
        "log_format": "json",
        "otlp_endpoint": "http://collector.example:4318",
    }
    assert set(values) == set(ServerSettings.model_fields) - {"config"}
    values = {name: value for name, value in values.items() if name not in left_out}
    flags = [f"--{name.replace('_', '-')}" + (f"={value}" if value != "true" else "") for name, value in values.items()]
    by_flags = read_settings(flags)
    file.write_text("".join(f'{name}: "{value}"\n' for name, value in values.items()))
    by_file = read_settings(["--config", str(file)])
    for name, value in values.items():
        monkeypatch.setenv(f"TEAR_{name.upper()}", value)
    by_environment = read_settings([])
    assert by_environment.model_dump() == by_flags.model_dump()
    assert by_file.model_dump() == by_flags.model_dump() | {"config": file}


def test_all_errors_are_told_at_once(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text("colour: red\nshade: dark\ntop_p: 7\n")
    monkeypatch.setenv("TEAR_TEMPERATURE", "hot")
    told = refusal(["--config", str(file), "--port", "99999"])
    named = ["--base", "colour", "shade", "--top-p", "--temperature", "--port", "TEAR_BASE"]
    assert [name for name in named if name not in told] == []


@pytest.mark.parametrize("key", ["colour", "max-answer-tokens"])
def test_an_unknown_key_of_the_file_is_refused_by_name(file: Path, key: str) -> None:
    file.write_text(f"{key}: 1\n")
    assert f"{key} is not a setting" in refusal([*NEEDED, "--config", str(file)])


def test_an_unknown_flag_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        read_settings([*NEEDED, "--colour", "red"])
    assert refused.value.code == 2
    assert "--colour" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--port", "-1"),
        ("--port", "eighty"),
        ("--context", "1"),
        ("--max-answer-tokens", "47"),
        ("--max-witness-tokens", "47"),
        ("--temperature", "2.1"),
        ("--top-p", "0"),
        ("--revise-threshold", "1.1"),
        ("--second-look", "1.1"),
        ("--gpu-memory-utilization", "0"),
        ("--log-level", "loud"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_flag(flag: str, value: str) -> None:
    told = refusal([*NEEDED, f"{flag}={value}"])
    assert flag in told
    assert value in told


@pytest.mark.parametrize(
    "contents",
    [b"base: [", b"- base\n- adapter\n", b"just words", b"42", b"\xff\xfe\x00", b"1: one\n"],
    ids=["cut", "list", "words", "number", "binary", "numbers-for-names"],
)
def test_a_file_that_cannot_be_used_is_named(file: Path, contents: bytes) -> None:
    file.write_bytes(contents)
    assert str(file) in refusal([*NEEDED, "--config", str(file)])


def test_an_empty_file_says_nothing(file: Path) -> None:
    file.write_text("")
    assert read_settings([*NEEDED, "--config", str(file)]).base == Path("b")


def test_a_missing_file_is_named(file: Path) -> None:
    assert str(file) in refusal([*NEEDED, "--config", str(file)])


@pytest.mark.parametrize(
    "flag", ["--enforce-eager", "--gpu-memory-utilization=0.9", "--cpu-kv-cache-gib=1", "--max-num-seqs=4"]
)
def test_what_only_vllm_here_could_heed_is_refused_with_an_engine_elsewhere(flag: str) -> None:
    told = refusal([*NEEDED, "--engine", "http://engines:8000", flag])
    assert told.startswith(f"Settings cannot be used: {flag.partition('=')[0]}: with --engine no vLLM is started here")


@pytest.mark.parametrize("address", ["http://me:secret@engines:8000", "http://secret@engines:8000"])
def test_an_address_with_a_password_is_refused_and_not_repeated(address: str) -> None:
    told = refusal([*NEEDED, "--engine", address])
    assert "--engine-key" in told
    assert "secret" not in told


@pytest.mark.parametrize("address", ["engines", "ftp://engines", "http://"])
def test_what_is_no_address_is_named(address: str) -> None:
    assert f"--engine is '{address}'" in refusal([*NEEDED, "--engine", address])


def test_the_engines_key_is_in_no_repr() -> None:
    settings = read_settings([*NEEDED, "--engine", "http://engines:8000", "--engine-key", "hush"])
    assert "hush" not in repr(settings)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings(NEEDED).port = 1


@pytest.mark.parametrize("by", ["flags", "file"])
def test_models_are_told_one_by_one_or_as_a_mapping(file: Path, by: str) -> None:
    file.write_text("models:\n  small: s\n  large: l/arge\n" if by == "file" else "")
    flags = ["--models", "small=s", "--models", "large=l/arge"] if by == "flags" else []
    assert read_settings([*NEEDED, "--config", str(file), *flags]).models == {
        "small": Path("s"),
        "large": Path("l/arge"),
    }


@pytest.mark.parametrize("value", ["small", "small=", "=s", "small=s,large"])
def test_a_model_without_name_or_folder_is_named(value: str) -> None:
    told = refusal([*NEEDED, "--models", value])
    assert "--models" in told
    assert "is not NAME=FOLDER" in told


@pytest.mark.parametrize("written", ['{"block_size": 16}', "{block_size: 16}", "block_size: 16"])
def test_engine_arguments_are_a_mapping_in_yaml_or_json(written: str) -> None:
    assert read_settings([*NEEDED, "--engine-args", written]).engine_args == {"block_size": 16}


def test_engine_arguments_may_be_written_out_in_the_file(file: Path) -> None:
    file.write_text("base: b\nadapter: a\nengine_args:\n  block_size: 16\n  compilation_config: {level: 0}\n")
    settings = read_settings(["--config", str(file)])
    assert settings.engine_args == {"block_size": 16, "compilation_config": {"level": 0}}


@pytest.mark.parametrize("written", ["16", "[block_size]", "{block_size", "{16: block_size}"])
def test_engine_arguments_that_are_no_mapping_are_refused(written: str) -> None:
    assert "--engine-args" in refusal([*NEEDED, "--engine-args", written])
