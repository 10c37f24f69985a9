"""The whole service as a replica of a Ray Serve deployment: the one module that imports ray.

Inside its functions, since ray is there only where the extra `ray` was installed.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import prometheus_client
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tear_chain.errors import EngineUnreachable, InvalidRequest
from tear_server.api.app import build_app
from tear_server.api.gate import ADMIN
from tear_server.assembly import open_service
from tear_server.embedded import STOP_S
from tear_server.exposition import Exposition, collect, expose
from tear_server.logs import set_up_logs
from tear_server.registry import AdapterBusy
from tear_server.rollout import AdaptersOff
from tear_server.serve import read_access
from tear_server.service import Service
from tear_server.settings import ServerSettings, read_settings

if TYPE_CHECKING:
    from ray.serve import Application

NAME = "Tear"
"""Of the deployment. What a Serve config file says under this name goes over what is set here."""
SPARE_S = 10
"""Beyond the replies' grace and the engine's, before Ray kills what is left of a replica."""
SCRAPE_LIMIT_S = 8.0
"""How long all replicas together may take to tell their metrics; Prometheus waits for ten seconds."""
DEPLOYMENT = "user_config"
"""Who changes adapters here, as the log names it."""
_log = logging.getLogger("tear.replica")


class UserConfig(BaseModel):
    """What a deployment's `user_config` says: what a replica takes in without a restart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    adapter: str
    """Name of a folder inside TEAR_ADAPTERS_DIR: what the default model answers with."""


def build(arguments: Mapping[str, str]) -> Application:
    """The application to deploy, its settings read from `TEAR_*` variables and the YAML file as by `tear serve`.

    Raises `InvalidRequest` for settings that cannot be used, for arguments, and for a door open without being said.
    """
    if arguments:
        raise InvalidRequest(
            f"The application takes no arguments, and was given {', '.join(arguments)}. Give settings as TEAR_* "
            "variables in its runtime_env."
        )
    settings = read_settings([])
    if settings.keys is None and not settings.anyone:
        raise InvalidRequest(
            "Who can reach the service is up to Ray's proxies, and no keys are set. Make keys with `tear key` and set "
            "TEAR_KEYS, or say TEAR_ANYONE=true.",
            param="keys",
        )
    from ray import serve

    deployment = serve.deployment(
        serve.ingress()(Replica),
        name=NAME,
        max_ongoing_requests=settings.max_requests,
        graceful_shutdown_timeout_s=settings.drain_seconds + STOP_S + SPARE_S,
    )
    return deployment.bind(settings)


class Replica:
    """The service with an engine of its own, for as long as Ray keeps it. Ray calls its methods."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._open = AsyncExitStack()
        self._service: Service | None = None

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        """Start the service and return its application; raise a `TearError` if it cannot start."""
        set_up_logs(self._settings.log_level, log_format=self._settings.log_format)
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        access = read_access(self._settings)
        self._service = await self._open.enter_async_context(open_service(self._settings))
        app = build_app(self._service, access)
        # Before the application's own routes, which would speak for whichever replica a request happened to meet.
        app.router.routes[:0] = [
            Route("/metrics", _show_metrics),
            Route(ADMIN, _refuse_change, methods=["POST"]),
            Route(f"{ADMIN}/{{name:path}}", _refuse_change, methods=["POST", "DELETE"]),
        ]
        return BehindRay(app)

    async def check_health(self) -> None:
        """Raise `EngineDead` if the engine is gone; Ray then starts another replica in this one's place.

        Also while the engine is started anew: Ray knows of no replica that lives and is not ready, and who refuses at
        once looks idle and is sent the more.
        """
        # Another replica would bring no engine back that is elsewhere.
        with contextlib.suppress(EngineUnreachable):
            await self._running.engine.health()

    async def reconfigure(self, user_config: Mapping[str, str]) -> None:
        """Serve what the deployment's `user_config` names; called with it at the start and at every change."""
        await serve_adapter(self._running, UserConfig.model_validate(user_config).adapter)

    async def tell_metrics(self) -> Exposition:
        """What this replica and its engine have counted."""
        from ray import serve

        replica = serve.get_replica_context().replica_tag
        return collect(replica, [self._running.metrics.registry, prometheus_client.REGISTRY])

    async def __del__(self) -> None:
        """End the service. Ray awaits this when the last reply is through."""
        await self._open.aclose()

    @property
    def _running(self) -> Service:
        assert self._service is not None, "Ray asks nothing of a replica before it was started"
        return self._service


async def serve_adapter(service: Service, path: str) -> None:
    """Have the default model answer with the adapter at `path` from now on; raises what `Rollout.load` does."""
    rollout = service.rollout
    if rollout is None:
        raise AdaptersOff("This deployment takes no adapters while it runs: TEAR_ADAPTERS_DIR is not set.")
    # Nobody else could make room here: that takes DELETE, which reaches one replica of many.
    served = {line.now.name for _, line in service.registry.lines}
    for adapter in service.registry.versions:
        if adapter.name not in served:
            with contextlib.suppress(AdapterBusy):  # the next change will find it idle
                await rollout.remove(adapter.name, by=DEPLOYMENT)
    await rollout.load(path, model=service.model, by=DEPLOYMENT)


class BehindRay:
    """An application as Ray wants it.

    It leaves x-request-id to Ray's proxy, which adds that header to every reply, whether it is there or not. And what
    an exception says stays here: Ray would write it into its logs, and it may repeat what a person wrote.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        is_whole = False

        async def leaving_the_id_out(message: Message) -> None:
            nonlocal is_whole
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)["x-request-id"]
            await send(message)
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._app(scope, receive, leaving_the_id_out)
        except Exception:
            _log.exception("A request failed in a way that nobody foresaw")
            if not is_whole:
                raise RuntimeError("A reply broke off; the replica's own log says where.") from None


async def _show_metrics(_: Request) -> Response:
    """The metrics of all replicas on one page, each series labelled with its replica."""
    from ray import serve

    context = serve.get_replica_context()
    every = serve.get_deployment_handle(context.deployment, context.app_name).broadcast("tell_metrics")
    try:
        told = await every.results_async(timeout_s=SCRAPE_LIMIT_S, return_exceptions=True)
    except TimeoutError:
        return PlainTextResponse(f"A replica did not tell its metrics within {SCRAPE_LIMIT_S:g} s.", 503)
    heard = [one for one in told if isinstance(one, Exposition)]
    if len(heard) < len(told):
        _log.warning("%d of %d replicas did not tell their metrics", len(told) - len(heard), len(told))
    return Response(expose(heard), media_type=prometheus_client.CONTENT_TYPE_LATEST)


async def _refuse_change(_: Request) -> Response:
    raise InvalidRequest("Here one replica of many would change. Change the deployment, and all of them follow.")
