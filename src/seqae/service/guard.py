"""What stands before every route: limits on bodies, the token, counts."""

from __future__ import annotations

import hmac
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from .limits import Limits, Refused


class Metrics:
    """What /metrics tells."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("seqae_requests", "Answered requests", ["route", "status"], registry=self.registry)
        self.seconds = Histogram("seqae_request_seconds", "Until the answer", ["route"], registry=self.registry)
        self.steps = Counter("seqae_steps", "Computed steps", ["route"], registry=self.registry)
        self.waiting = Gauge("seqae_waiting_steps", "Steps that wait or are computed", registry=self.registry)
        self.streams = Gauge("seqae_streams", "Open streams", registry=self.registry)


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: Any, limits: Limits, token: str | None, metrics: Metrics) -> None:
        self._app, self._limits, self._token, self._metrics = app, limits, token, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            if scope["type"] == "websocket" and not self._is_welcome(scope):
                await send({"type": "websocket.close", "code": 1008, "reason": "a bearer token is needed"})
                return
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, self._limited(receive), sending)
        except Refused as refused:
            answer = JSONResponse(refused.body, refused.status, {**refused.headers, "Connection": "close"})
            await answer(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - begun)

    def _check(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if scope["path"].startswith("/v1/") and not self._is_welcome(scope):
            raise Refused(401, "unauthorized", "a bearer token is needed", {"WWW-Authenticate": "Bearer"})
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refused(415, "encoding", "compressed bodies are not read; send the body as it is")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18:
            raise Refused(400, "invalid", "Content-Length must be a number")
        if int(length) > self._limits.body_bytes:
            raise self._too_large()

    def _is_welcome(self, scope: Scope) -> bool:
        if self._token is None:
            return True
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, b"Bearer " + self._token.encode())

    def _limited(self, receive: Receive) -> Receive:
        """As receive, for a body that may come in parts and without its length."""
        n_bytes = 0

        async def receiving() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._limits.body_bytes:
                raise self._too_large()
            return message

        return receiving

    def _too_large(self) -> Refused:
        return Refused(413, "too_large", f"the body has more than {self._limits.body_bytes} bytes")
