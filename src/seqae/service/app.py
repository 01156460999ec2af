"""The routes of a served model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ..errors import SeqaeError
from ..reading.source import Layout
from ..search import VectorIndex
from ..version import __version__
from . import answers, bodies
from .batching import Batcher
from .examples import EXAMPLES, described
from .guard import Guard, Metrics
from .limits import Limits, Refused
from .models import Autoencoding, Detecting, Model
from .streams import Scores, Streams
from .work import Job, Operation, Work

BATCH_STEPS = 1 << 17
"""Steps that are computed together."""
MOST_FORECAST, MOST_NEIGHBOURS = 10_000, 1000


class Service:
    """The routes of one model; `app` is the ASGI application. See of_autoencoder() and of_detector()."""

    def __init__(
        self,
        model: Model,
        kind: str,
        operations: Mapping[str, tuple[Operation, answers.Shape]],
        limits: Limits,
        token: str | None,
    ) -> None:
        self.limits, self.metrics, self.is_ready = limits, Metrics(), True
        self._model, self._kind, self._operations = model, kind, operations
        self._worker = ThreadPoolExecutor(1, "seqae")
        work = Work(model, {name: operation for name, (operation, _) in operations.items()}, limits)
        self._jobs = Batcher(work.run, limits, self._worker, BATCH_STEPS)
        self._calls = Batcher(_called, limits, self._worker, BATCH_STEPS)
        self._api = FastAPI(title="seqae", version=__version__, lifespan=self._living, docs_url=None, redoc_url=None)
        self._add_routes()
        self.app = Guard(self._api, limits, token, self.metrics)

    @classmethod
    def of_autoencoder(
        cls,
        model: Autoencoding,
        *,
        index: VectorIndex | None = None,
        limits: Limits | None = None,
        token: str | None = None,
    ) -> Service:
        """/v1/embed, reconstruct, decode, score, and forecast where the model predicts; nearest with an index.

        index: of vectors of the same model. token: what clients send as a bearer token; None lets everybody in.
        """
        operations = {
            "embed": (Operation(lambda source, _: model.transform(source)), answers.vectors),
            "score": (Operation(lambda source, _: model.reconstruction_error(source)), answers.scores),
            "reconstruct": (Operation(lambda source, _: model.reconstruct(source)), answers.sequences),
        }
        if model.model_.n_held_back:
            predict = Operation(lambda source, n_steps: model.predict_steps(source, n_steps or 1))
            operations["forecast"] = (predict, answers.sequences)
        service = cls(model, "autoencoder", operations, limits or Limits(), token)
        service._route("decode", partial(service._decode, model))
        if index is not None:
            service._route("nearest", partial(service._nearest, index))
        return service

    @classmethod
    def of_detector(
        cls, model: Detecting, *, stream: Scores | None = None, limits: Limits | None = None, token: str | None = None
    ) -> Service:
        """/v1/score and detect; /v1/stream, a WebSocket, with a Stream of the detector: as many as it has are open."""
        operations = {
            "score": (Operation(lambda source, _: model.anomaly_score(source)), answers.scores),
            "detect": (Operation(lambda source, _: model.detect(source), is_alone=True), answers.intervals),
        }
        service = cls(model, "detector", operations, limits or Limits(), token)
        if stream is not None:
            service._add_streams(Streams(stream))
        return service

    # -- routes ----------------------------------------------------------------------------------------------------

    def _add_routes(self) -> None:
        self._api.add_exception_handler(Refused, _refuse)  # pyright: ignore[reportArgumentType]
        self._api.add_exception_handler(HTTPException, _refuse_http)  # pyright: ignore[reportArgumentType]
        self._api.add_api_route("/health/live", self._live, tags=["health"])
        self._api.add_api_route("/health/ready", self._ready, tags=["health"])
        self._api.add_api_route("/metrics", self._told, tags=["health"], response_class=Response)
        self._api.add_api_route("/v1/model", self._described, tags=["model"])
        for name in self._operations:
            self._route(name, partial(self._compute, name))

    def _route(self, name: str, handler: Any) -> None:
        async def handled(request: Request) -> Response:
            if not self.is_ready:
                raise Refused(503, "stopping", "the service is stopping", {"Retry-After": "1"})
            return await handler(request)

        self._api.add_api_route(
            f"/v1/{name}",
            handled,
            methods=["POST"],
            name=name,
            summary=EXAMPLES[name][0],
            openapi_extra=described(name),
            response_class=Response,
            tags=["model"],
        )

    async def _live(self) -> dict[str, str]:
        return {"status": "live"}

    async def _ready(self) -> dict[str, str]:
        if not self.is_ready:
            raise Refused(503, "stopping", "the service is stopping")
        return {"status": "ready"}

    async def _told(self) -> Response:
        self.metrics.waiting.set(self._jobs.waiting_steps + self._calls.waiting_steps)
        return Response(generate_latest(self.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def _described(self) -> dict[str, Any]:
        schema = self._model.schema_
        n_channels = None if schema.n_symbols is not None else self._model.n_channels_
        told = {"kind": self._kind, "n_channels": n_channels, "channels": schema.columns}
        return told | {"vocabulary": schema.vocabulary, "seqae": __version__}

    # -- operations ------------------------------------------------------------------------------------------------

    async def _compute(self, name: str, request: Request) -> Response:
        job, size = await self._job(name, request, *(("n_steps",) if name == "forecast" else ()))
        answer = await self._answer(job, size)
        return answers.respond(self._operations[name][1], answer, as_arrow=_wants_arrow(request))

    async def _answer(self, job: Job, size: int) -> answers.Answer:
        self.metrics.steps.labels(f"/v1/{job.name}").inc(size)
        return await self._jobs.result(job, size)

    async def _job(self, name: str, request: Request, *options: str) -> tuple[Job, int]:
        body = await request.body()
        if _kind(request) == bodies.ARROW:
            table = bodies.table_of(body)
            bodies.check_size(0, table.num_rows, self.limits)
            return Job(name, table, bodies.layout_of(request.query_params)), table.num_rows
        told = bodies.json_of(body)
        bodies.only(told, "sequences", "values", "lengths", *options)
        sequences = bodies.sequences_of(told, self.limits)
        argument = bodies.number(told, "n_steps", 1, MOST_FORECAST) if "n_steps" in options else None
        return Job(name, sequences, Layout(missing="mask"), argument), sum(map(len, sequences))

    async def _decode(self, model: Autoencoding, request: Request) -> Response:
        told = bodies.json_of(await request.body())
        bodies.only(told, "vectors", "lengths")
        vectors, lengths = bodies.vectors_of(told, self.limits)
        size = len(vectors) if lengths is None else sum(lengths)
        found = await self._calls.result(partial(model.inverse_transform, vectors, lengths), size)
        names = model.channel_names_
        answer = answers.Answer(answers.source_of_vectors(found, names, model.vocabulary_), found)
        return answers.respond(answers.sequences, answer, as_arrow=_wants_arrow(request))

    async def _nearest(self, index: VectorIndex, request: Request) -> Response:
        told = bodies.json_of(await request.body())
        bodies.only(told, "sequences", "values", "lengths", "k", "where")
        k, where = bodies.number(told, "k", 5, MOST_NEIGHBOURS), bodies.texts(told, "where")
        sequences = bodies.sequences_of(told, self.limits)
        size = sum(map(len, sequences))
        answer = await self._answer(Job("embed", sequences, Layout(missing="mask")), size)
        found = await self._calls.result(partial(index.nearest, np.asarray(answer.value), k, where=where), size)
        return answers.respond(answers.neighbours, answers.Answer(answer.source, found), as_arrow=_wants_arrow(request))

    def _add_streams(self, streams: Streams) -> None:
        batcher = Batcher(streams.run, self.limits, self._worker, self.limits.streams)

        async def stream(socket: WebSocket) -> None:
            place = streams.open() if self.is_ready else None
            await socket.accept()
            if place is None:
                await socket.close(1013, "no more streams can be opened; try again later")
                return
            self.metrics.streams.inc()
            try:
                await _serve_stream(socket, place, batcher)
            except WebSocketDisconnect:
                pass
            finally:
                self.metrics.streams.dec()
                streams.close(place)

        self._api.add_api_websocket_route("/v1/stream", stream)

    @asynccontextmanager
    async def _living(self, api: FastAPI) -> AsyncIterator[None]:
        yield
        self.is_ready = False
        self._worker.shutdown()


async def _serve_stream(socket: WebSocket, place: int, batcher: Batcher) -> None:
    """A step in each message, [x, y, ...]; the answer is {"score": ..., "is_anomaly": ...} or an error."""
    while True:
        text = await socket.receive_text()
        try:
            score, mark = await batcher.result((place, bodies.step_of(text)), 1, key=place)
        except Refused as refused:
            await socket.send_json(refused.body)
        else:
            await socket.send_json({"score": None if np.isnan(score) else score, "is_anomaly": mark})


def _called(calls: list[Any]) -> list[Any]:
    """What each call returns, or the error that it raises."""
    found = []
    for call in calls:
        try:
            found.append(call())
        except SeqaeError as error:
            found.append(bodies.in_words(error))
    return found


def _kind(request: Request) -> str:
    kind = request.headers.get("content-type", bodies.JSON).partition(";")[0].strip().lower()
    if kind not in (bodies.JSON, bodies.ARROW):
        raise Refused(415, "encoding", f"the body must be {bodies.JSON} or {bodies.ARROW}")
    return kind


def _wants_arrow(request: Request) -> bool:
    return bodies.ARROW in request.headers.get("accept", "")


async def _refuse(request: Request, refused: Refused) -> Response:
    return JSONResponse(refused.body, refused.status, refused.headers)


async def _refuse_http(request: Request, error: HTTPException) -> Response:
    message = f"{request.method} {request.url.path[:100]}: {error.detail}; see /openapi.json"
    return await _refuse(request, Refused(error.status_code, "not_here", message, error.headers))
