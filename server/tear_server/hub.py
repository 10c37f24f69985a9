"""A model hub, to which an adapter goes in one commit: all of it or nothing, and unseen unless somebody says so."""

from __future__ import annotations

from dataclasses import dataclass

from tear_chain.errors import HubError
from tear_server.publication import Publication


@dataclass(frozen=True, slots=True)
class Pushed:
    """Where an adapter lies now."""

    url: str
    """Of the commit."""
    is_private: bool


def push_adapter(adapter: Publication, repo: str, *, public: bool = False) -> Pushed:
    """Push to the repository `repo`, OWNER/NAME, which is made if it is not there: private, unless `public`.

    Raises `HubError` if the hub refuses or cannot be reached, and before anything is sent if the repository is public
    already and `public` was not said. Hub and token are huggingface_hub's: HF_ENDPOINT, `hf auth login`.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    # A hub that does not answer is told by the HTTP library, which changes with the hub's own.
    http_error: type[Exception] = HfHubHTTPError.__bases__[0]
    api, manifest = HfApi(), adapter.manifest
    files = [CommitOperationAdd(name, adapter.folder / name) for name in adapter.files]
    try:
        api.create_repo(repo, private=not public, exist_ok=True)
        is_private = bool(api.model_info(repo).private)
        if not (is_private or public):
            raise HubError(f"{repo} is public. Push with --public if everybody may have {manifest.name}.")
        commit = api.create_commit(repo, files, commit_message=f"{manifest.name} {manifest.version}")
    except (http_error, OSError, ValueError, RuntimeError) as exc:
        reason = str(exc).strip().splitlines()[0].rstrip(".") if str(exc).strip() else type(exc).__name__
        raise HubError(f"{manifest.name} was not pushed to {repo}: {reason}.") from exc
    return Pushed(commit.commit_url, is_private)
