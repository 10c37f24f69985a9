"""API keys: a file of names and hashes. A key itself is shown once, when it is made, and kept nowhere."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from tear_chain.errors import InvalidRequest

PREFIX = "tear-"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Key(BaseModel):
    """What the file holds of one key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    requests_per_minute: int | None = Field(default=None, ge=1)
    """None: as often as it likes."""
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Read and written; None: as many as it likes."""
    admin: bool = False
    """Whether it may change what is served."""


class _File(RootModel[dict[Name, Key]]):
    """The whole file."""


def make_key() -> tuple[str, str]:
    """A new key of 256 random bits, and its hash."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, _hash(key)


def load_keys(path: Path) -> Mapping[str, Key]:
    """The keys of a file by name; `InvalidRequest` names what is wrong with it."""
    try:
        given = yaml.safe_load(path.read_bytes())
    except OSError as exc:
        raise InvalidRequest(f"{path} cannot be read: {exc.strerror}.", param="keys") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"{path} is not YAML: {exc}", param="keys") from exc
    try:
        return _File.model_validate(given or {}).root
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))} {each['msg']}" for each in exc.errors())
        raise InvalidRequest(f"{path} is no file of keys: {faults}. Make keys with `tear key`.", param="keys") from exc


def add_key(
    path: Path, name: str, *, requests_per_minute: int | None, tokens_per_minute: int | None = None, admin: bool
) -> str:
    """Write a new key into the file, which is made if need be and readable by its owner alone; the key itself."""
    keys = dict(load_keys(path)) if path.exists() else {}
    if name in keys:
        raise InvalidRequest(f"{path} already has a key {name}. Take it out first, or choose another name.")
    key, digest = make_key()
    try:
        made = Key(
            sha256=digest, requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute, admin=admin
        )
        whole = _File.model_validate({**keys, name: made})
    except ValidationError as exc:
        raise InvalidRequest(f"{name!r} is no name for a key: letters, digits, `.`, `_` and `-`, 64 at most.") from exc
    if not path.absolute().parent.is_dir():
        raise InvalidRequest(f"The folder {path.absolute().parent} does not exist. Make it first.", param="keys")
    partial = path.with_name(path.name + ".partial")
    partial.touch(mode=0o600)
    partial.write_text(yaml.safe_dump(whole.model_dump(exclude_defaults=True), sort_keys=True), encoding="utf-8")
    partial.replace(path)
    return key


def name_of(keys: Mapping[str, Key], presented: str) -> str | None:
    """Whose key that is. Every hash is compared, in constant time, whichever fits."""
    digest, found = _hash(presented), None
    for name, key in keys.items():
        if hmac.compare_digest(key.sha256, digest):
            found = name
    return found


def _hash(key: str) -> str:
    # The keys are random, not chosen: there is nothing that a slow hash would protect from guessing.
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
