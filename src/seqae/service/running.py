"""A service on a socket, until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from ..errors import InvalidParameter
from .app import Service


class _Server(uvicorn.Server):
    """Ends by our signals alone: uvicorn would raise them again at the end, for an exit code of 143."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(service: Service, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM, then answer what was accepted and return.

    started: is told the address. Raises InvalidParameter where it cannot be listened to.
    """
    listening = _listening(host, port)
    own_port = listening.getsockname()[1]
    config = uvicorn.Config(
        service.app, log_level="warning", access_log=False, timeout_graceful_shutdown=service.limits.seconds
    )
    server = _Server(config)

    async def serving() -> None:
        def end() -> None:
            service.is_ready = False
            server.should_exit = True

        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, end)
        started(f"http://{host}:{own_port}")
        await server.serve(sockets=[listening])

    asyncio.run(serving())


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, proto=socket.IPPROTO_TCP)  # named, or asyncio would leave delays on
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise InvalidParameter(
            f"cannot listen at {host}:{port}: {error.strerror or error}; choose another --port"
        ) from error
    return listening
