"""seqae serve: a model as an HTTP service."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InvalidParameter, MissingExtra
from ..service.limits import Limits
from . import options
from .screen import note

if TYPE_CHECKING:
    from ..service.app import Service

LIMITS, MB, DEFAULTS = "Limits", 1 << 20, Limits()


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """What a request may ask for; defaults are those of seqae.service.Limits."""

    max_body: Annotated[float, typer.Option(metavar="MB", help="Of one request.", rich_help_panel=LIMITS)] = (
        DEFAULTS.body_bytes / MB
    )
    max_sequences: Annotated[int, typer.Option(metavar="N", help="Of one request.", rich_help_panel=LIMITS)] = (
        DEFAULTS.sequences
    )
    max_steps: Annotated[int, typer.Option(metavar="N", help="Of one request.", rich_help_panel=LIMITS)] = (
        DEFAULTS.steps
    )
    max_seconds: Annotated[int, typer.Option(metavar="N", help="Until an answer.", rich_help_panel=LIMITS)] = (
        DEFAULTS.seconds
    )
    max_streams: Annotated[int, typer.Option(metavar="N", help="Open at a time.", rich_help_panel=LIMITS)] = (
        DEFAULTS.streams
    )

    @property
    def limits(self) -> Limits:
        """As the service takes them."""
        return Limits(
            body_bytes=int(self.max_body * MB),
            sequences=self.max_sequences,
            steps=self.max_steps,
            waiting_steps=4 * self.max_steps,
            seconds=self.max_seconds,
            streams=self.max_streams,
        )


def serve(
    model: options.Model,
    host: Annotated[str, typer.Option(help="Where to listen; other machines reach 0.0.0.0.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free one.")] = 8000,
    index: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Stored vectors of the same model, for /v1/nearest.")
    ] = None,
    *,
    limits: LimitOptions,
) -> None:
    """Serve an autoencoder or a detector until Ctrl-C or SIGTERM: embed, reconstruct, decode, score, detect, streams.

    /openapi.json describes the routes. Where the environment has SEQAE_TOKEN, clients must send it as a bearer token.
    What was accepted before the end is answered.
    """
    try:
        from ..service import running
    except ImportError as error:
        raise MissingExtra("serve") from error
    service = _service(model, index, limits.limits, os.environ.get("SEQAE_TOKEN") or None)
    running.run(service, host, port, lambda address: note(f"serving {model} at {address}"))


def _service(path: Path, index: Path | None, limits: Limits, token: str | None) -> Service:
    from ..detection.detector import AnomalyDetector
    from ..detection.storage import KIND
    from ..detection.stream import Stream
    from ..estimator import SequenceAutoencoder
    from ..search import VectorIndex
    from ..service.app import Service
    from ..storage.model_file import read_model_file

    file = read_model_file(path)
    if file.kind != KIND:
        stored = None if index is None else VectorIndex.open(index)
        estimator = SequenceAutoencoder.from_model_file(file)
        return Service.of_autoencoder(estimator, index=stored, limits=limits, token=token)
    if index is not None:
        raise InvalidParameter("--index is for an autoencoder, whose vectors it holds; this model is a detector")
    detector = AnomalyDetector.from_model_file(file)
    stream = None if detector.window_ is None else Stream(detector, limits.streams)
    return Service.of_detector(detector, stream=stream, limits=limits, token=token)
