"""How chat programs put a message together from raw chunks; each reader has the habits of one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Read:
    """What a program shows its user."""

    content: str = ""
    reasoning: str = ""


def open_webui(deltas: Iterable[Mapping[str, Any]]) -> Read:
    """Three names for reasoning, the first that says something; content beside it."""
    read = Read()
    for delta in deltas:
        read.reasoning += delta.get("reasoning_content") or delta.get("reasoning") or delta.get("thinking") or ""
        read.content += delta.get("content") or ""
    return read


def continue_dev(deltas: Iterable[Mapping[str, Any]]) -> Read:
    """Looks for content first, and at reasoning only in a delta without it."""
    read = Read()
    for delta in deltas:
        if delta.get("content"):
            read.content += delta["content"]
        elif delta.get("reasoning_content") or delta.get("reasoning"):
            read.reasoning += delta.get("reasoning_content") or delta["reasoning"]
    return read


def librechat(deltas: Iterable[Mapping[str, Any]]) -> Read:
    """Reads `reasoning_content`; takes `reasoning` for it only where that is null."""
    read = Read()
    for delta in deltas:
        thought = delta.get("reasoning_content")
        read.reasoning += (delta.get("reasoning") if thought is None else thought) or ""
        read.content += delta.get("content") or ""
    return read


def vllm_client(deltas: Iterable[Mapping[str, Any]]) -> Read:
    """Knows `reasoning` alone."""
    read = Read()
    for delta in deltas:
        read.reasoning += delta.get("reasoning") or ""
        read.content += delta.get("content") or ""
    return read


def older_client(deltas: Iterable[Mapping[str, Any]]) -> Read:
    """Knows `reasoning_content` alone, and takes whatever is not that for content."""
    read = Read()
    for delta in deltas:
        if delta.get("reasoning_content") is not None:
            read.reasoning += delta["reasoning_content"]
        else:
            read.content += delta.get("content") or ""
    return read


def adding_sdk(deltas: Iterable[Mapping[str, Any]]) -> Read:
    """Adds up every field it meets, known or not: texts are joined, numbers summed."""
    total: dict[str, Any] = {}
    for delta in deltas:
        for name, value in delta.items():
            total[name] = total[name] + value if isinstance(total.get(name), str | int) else value
    return Read(total.get("content", ""), total.get("reasoning", ""))


READERS: Mapping[str, Callable[[Iterable[Mapping[str, Any]]], Read]] = {
    "open-webui": open_webui,
    "continue": continue_dev,
    "librechat": librechat,
    "vllm": vllm_client,
    "older": older_client,
    "adding": adding_sdk,
}
