"""The service against the estimator: the same bits, whatever else is asked for; every error in one shape."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import httpx2 as httpx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from seqae import AnomalyDetector, SequenceAutoencoder, Stream, VectorIndex
from seqae.service.app import Service
from seqae.service.batching import Batcher
from seqae.service.bodies import ARROW
from seqae.service.limits import Limits, Refused

from .conftest import make_waves

LIMITS = Limits(body_bytes=200_000, sequences=50, steps=5000, waiting_steps=20_000, seconds=20, streams=3)


@pytest.fixture(scope="module")
def estimator() -> SequenceAutoencoder:
    return SequenceAutoencoder(
        "composite", latent_size=3, hidden_size=4, max_epochs=2, random_state=0, verbose=False
    ).fit(make_waves(20, seed=0))


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    series = [np.sin(np.arange(300) / 4)[:, None] + 0.05 * np.random.default_rng(0).normal(size=(300, 2))]
    return AnomalyDetector(baseline="pca", window=10, random_state=0).fit(series)


@pytest.fixture(scope="module")
def client(estimator: SequenceAutoencoder) -> Iterator[TestClient]:
    index = VectorIndex(estimator.transform(make_waves(20, seed=0)), ids=[f"w{i}" for i in range(20)])
    with TestClient(Service.of_autoencoder(estimator, index=index, limits=LIMITS).app) as client:
        yield client


def sequences(n: int, seed: int = 1) -> list[np.ndarray]:
    return [np.asarray(part, np.float32) for part in make_waves(n, seed=seed)]


def lists(X: list[np.ndarray]) -> list[list[list[float]]]:
    return [sequence.tolist() for sequence in X]


def test_vectors_have_the_bits_of_transform(client: TestClient, estimator: SequenceAutoencoder) -> None:
    X = sequences(7)
    answer = client.post("/v1/embed", json={"sequences": lists(X)})
    assert answer.status_code == 200
    assert_array_equal(np.array(answer.json()["vectors"], np.float32), estimator.transform(X))
    flat = {"values": np.concatenate(X).tolist(), "lengths": [len(sequence) for sequence in X]}
    assert client.post("/v1/embed", json=flat).json() == answer.json()


def test_requests_together_have_the_bits_of_each_alone(client: TestClient, estimator: SequenceAutoencoder) -> None:
    parts = [sequences(1 + i % 4, seed=i) for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda X: client.post("/v1/embed", json={"sequences": lists(X)}).json(), parts))
    for X, answer in zip(parts, found, strict=True):
        assert_array_equal(np.array(answer["vectors"], np.float32), estimator.transform(X))


def test_every_operation(client: TestClient, estimator: SequenceAutoencoder) -> None:
    X = sequences(3)
    body = {"sequences": lists(X)}
    rebuilt = client.post("/v1/reconstruct", json=body).json()["sequences"]
    for ours, expected in zip(rebuilt, estimator.reconstruct(X), strict=True):
        assert_array_equal(np.array(ours, np.float32), expected)
    assert client.post("/v1/score", json=body).json()["scores"] == estimator.reconstruction_error(X).tolist()
    following = client.post("/v1/forecast", json=body | {"n_steps": 2}).json()["sequences"]
    assert_array_equal(np.array(following, np.float32)[1], estimator.predict_steps(X, 2)[1])
    Z = estimator.transform(X)
    decoded = client.post("/v1/decode", json={"vectors": Z.tolist(), "lengths": [3, 4, 5]}).json()["sequences"]
    for ours, expected in zip(decoded, estimator.inverse_transform(Z, [3, 4, 5]), strict=True):
        assert_array_equal(np.array(ours, np.float32), expected)
    near = client.post("/v1/nearest", json={"sequences": lists(sequences(20, seed=0)[:2]), "k": 2}).json()["neighbours"]
    assert [part["ids"][0] for part in near] == ["w0", "w1"]
    assert near[0]["distances"][0] == 0


def test_arrow_both_ways(client: TestClient, estimator: SequenceAutoencoder) -> None:
    X = sequences(2)
    table = pa.table(
        {
            "id": np.repeat(["a", "b"], [len(part) for part in X]),
            **{name: np.concatenate(X)[:, k] for k, name in enumerate("xy"[: X[0].shape[1]])},
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    headers = {"content-type": ARROW, "accept": ARROW}
    answer = client.post("/v1/embed?id=id", content=sink.getvalue().to_pybytes(), headers=headers)
    found = pa.ipc.open_stream(answer.content).read_all()
    assert found["id"].to_pylist() == ["a", "b"]
    assert_array_equal(np.column_stack([found[f"z{k}"] for k in range(3)]), estimator.transform(X))
    answer = client.post("/v1/reconstruct?id=id", content=sink.getvalue().to_pybytes(), headers=headers)
    found = pa.ipc.open_stream(answer.content).read_all()
    assert found.column_names[:2] == ["id", "step"]
    assert found.num_rows == table.num_rows


def test_detection(detector: AnomalyDetector) -> None:
    series = np.sin(np.arange(80) / 4)[:, None].repeat(2, axis=1)
    series[40:44] += 3
    with TestClient(Service.of_detector(detector, limits=LIMITS).app) as client:
        body = {"sequences": [series.tolist()]}
        expected = detector.detect([series])
        found = client.post("/v1/detect", json=body).json()["intervals"]
        assert [(part["start"], part["end"]) for part in found] == [(i.start, i.end) for i in expected.intervals]
        scores = client.post("/v1/score", json=body).json()["scores"]
        assert_allclose(np.array(scores[0], np.float64), expected.scores[0][:, 0], rtol=0, atol=0)
        assert client.post("/v1/embed", json=body).status_code == 404
        assert client.get("/v1/model").json()["kind"] == "detector"


def test_streams(detector: AnomalyDetector) -> None:
    series = np.sin(np.arange(30) / 4)[:, None].repeat(2, axis=1)
    own = Stream(detector)
    expected = [own.push(step) for step in series]
    service = Service.of_detector(detector, stream=Stream(detector, LIMITS.streams), limits=LIMITS)
    with TestClient(service.app) as client, client.websocket_connect("/v1/stream") as a:
        with client.websocket_connect("/v1/stream") as b:
            for step, score in zip(series, expected, strict=True):
                a.send_text(json.dumps(step.tolist()))
                b.send_text(json.dumps((step + 1).tolist()))
                found = a.receive_json()
                assert found["score"] == (None if np.isnan(score) else score)
                b.receive_json()
            a.send_text("[1, null]")
            assert a.receive_json()["score"] == own.push([1, np.nan])
            for text in ("[1]", "x", '["1", 2]', "[NaN, 1]", "{}"):
                a.send_text(text)
                assert a.receive_json()["error"]["code"] == "invalid"
        with client.websocket_connect("/v1/stream") as c:  # takes the place of b, whose steps are gone
            c.send_text("[0, 0]")
            assert c.receive_json()["score"] is None
            with (
                client.websocket_connect("/v1/stream"),
                pytest.raises(WebSocketDisconnect) as full,
                client.websocket_connect("/v1/stream") as late,
            ):
                late.receive_json()
            assert full.value.code == 1013


BAD = {
    "no JSON": (b"{", 422),
    "a list": (b"[]", 422),
    "nothing": (b"", 422),
    "no sequences": (b'{"sequences": []}', 422),
    "an empty sequence": (b'{"sequences": [[]]}', 422),
    "another field": (b'{"sequences": [[[1]]], "extra": 1}', 422),
    "too many channels": (b'{"sequences": [[[1, 2, 3, 4, 5]]]}', 422),
    "uneven steps": (b'{"sequences": [[[1], [1, 2]]]}', 422),
    "texts": (b'{"sequences": [["a", "b"]]}', 422),
    "too deep": (b'{"sequences": ' + b"[" * 5000 + b"]" * 5000 + b"}", 422),
    "objects": (b'{"sequences": [[{"a": 1}]]}', 422),
    "infinite": (b'{"sequences": [[[1e999]]]}', 422),
    "lengths that do not add up": (b'{"values": [[1], [2]], "lengths": [1]}', 422),
    "lengths below 1": (b'{"values": [[1], [2]], "lengths": [3, -1]}', 422),
    "no UTF-8": (b'{"sequences": [["\xff"]]}', 422),
    "too many sequences": (json.dumps({"sequences": [[[0.0]]] * 51}).encode(), 413),
    "too many steps": (json.dumps({"sequences": [[[0]] * 5001]}).encode(), 413),
    "too many bytes": (b'{"sequences": "' + b" " * 200_000 + b'"}', 413),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bodies_get_a_documented_status_and_one_shape(client: TestClient, name: str) -> None:
    body, status = BAD[name]
    answer = client.post("/v1/embed", content=body, headers={"content-type": "application/json"})
    check_error(answer, status)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/v1/embed", {"content-type": "text/plain"}, 415),
        ("POST", "/v1/embed", {"content-encoding": "gzip"}, 415),
        ("POST", "/v1/embed", {"content-length": "x"}, 400),
        ("POST", "/v1/embed", {"content-type": ARROW}, 422),
        ("GET", "/v1/embed", {}, 405),
        ("POST", "/v1/detect", {}, 404),
        ("GET", "/../etc/passwd", {}, 404),
        ("POST", "/v1/decode", {}, 422),
    ],
)
def test_bad_requests(client: TestClient, method: str, path: str, headers: dict[str, str], status: int) -> None:
    check_error(client.request(method, path, headers=headers, content=b"{}"), status)


def check_error(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"code", "message"}
    assert "Traceback" not in error["message"]
    assert "\n" not in error["message"]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150)
@given(route=st.sampled_from(["embed", "decode", "nearest", "forecast"]), body=json_values, key=st.booleans())
def test_any_json_gets_a_documented_status(client: TestClient, route: str, body: object, key: bool) -> None:
    name = "vectors" if route == "decode" else "sequences"
    content = json.dumps({name: body} if key else body).encode()
    answer = client.post(f"/v1/{route}", content=content, headers={"content-type": "application/json"})
    if answer.status_code != 200:
        check_error(answer, answer.status_code)
        assert answer.status_code in (413, 422)


def test_a_body_in_parts_is_counted(client: TestClient) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(300):
            yield b" " * 1000

    check_error(client.post("/v1/embed", content=parts(), headers={"content-type": "application/json"}), 413)


def test_a_token(estimator: SequenceAutoencoder) -> None:
    with TestClient(Service.of_autoencoder(estimator, token="secret").app) as client:
        body = {"sequences": lists(sequences(1))}
        check_error(client.post("/v1/embed", json=body), 401)
        check_error(client.post("/v1/embed", json=body, headers={"Authorization": "Bearer secre"}), 401)
        assert client.post("/v1/embed", json=body, headers={"Authorization": "Bearer secret"}).status_code == 200
        assert client.get("/health/ready").status_code == 200


def test_health_metrics_and_description(client: TestClient) -> None:
    client.post("/v1/embed", json={"sequences": lists(sequences(1))})
    assert client.get("/health/live").json() == {"status": "live"}
    assert 'seqae_requests_total{route="/v1/embed",status="200"}' in client.get("/metrics").text
    described = client.get("/openapi.json").json()
    for name in ("embed", "reconstruct", "decode", "score", "forecast", "nearest"):
        route = described["paths"][f"/v1/{name}"]["post"]
        example = route["requestBody"]["content"]["application/json"]["example"]
        assert {"200", "413", "422", "429", "503", "504"} <= set(route["responses"])
        if name != "decode":  # whose vectors have the size of the example's model
            assert client.post(f"/v1/{name}", json=example).status_code in (200, 422)


def batcher(run: object, **limits: int) -> Batcher[int, int]:
    return Batcher(run, Limits(**limits), ThreadPoolExecutor(1), 10)  # pyright: ignore[reportArgumentType]


def test_batches_hold_what_waits_up_to_their_size() -> None:
    batches: list[list[int]] = []

    def run(items: list[int]) -> list[int]:
        time.sleep(0.05)
        batches.append(items)
        return [-item for item in items]

    async def ask() -> list[int]:
        one = batcher(run)
        return list(await asyncio.gather(*(one.result(i, 4, key=i % 2 if i > 5 else None) for i in range(9))))

    assert asyncio.run(ask()) == [-i for i in range(9)]
    assert sorted(chain(*batches)) == list(range(9))
    assert all(len(batch) <= 2 for batch in batches)  # of 4 steps each, at most 10 together
    keys = [[i % 2 for i in batch if i > 5] for batch in batches]
    assert all(len(set(part)) == len(part) for part in keys)
    order = [i for batch in batches for i in batch if i > 5]
    assert order.index(6) < order.index(8)  # one key keeps its order


def test_too_much_and_too_late() -> None:
    def slow(items: list[int]) -> list[int]:
        time.sleep(1.5)
        return items

    async def ask() -> list[object]:
        one = batcher(slow, waiting_steps=10, seconds=1)
        asked = [one.result(i, 4) for i in range(3)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.sleep(3.2)
        assert one.waiting_steps == 0
        return list(found)

    found = asyncio.run(ask())
    statuses = [part.status for part in found]  # pyright: ignore[reportAttributeAccessIssue]
    assert statuses == [504, 504, 429]
    assert found[2].headers == {"Retry-After": "1"}  # pyright: ignore[reportAttributeAccessIssue]


def test_an_error_of_one_request_is_its_own(client: TestClient, estimator: SequenceAutoencoder) -> None:
    good, bad = lists(sequences(1)), [[[1.0] * 9]]
    with ThreadPoolExecutor(8) as pool:
        bodies = [{"sequences": bad if i % 3 == 0 else good} for i in range(12)]
        statuses = list(pool.map(lambda body: client.post("/v1/embed", json=body).status_code, bodies))
    assert statuses == [422 if i % 3 == 0 else 200 for i in range(12)]


def test_the_command_answers_what_it_accepted_and_exits_with_0(estimator: SequenceAutoencoder, tmp_path: Path) -> None:
    estimator.save(tmp_path / "m.seqae")
    command = [sys.executable, "-m", "seqae", "serve", str(tmp_path / "m.seqae"), "--port", "0"]
    environment = os.environ | {"SEQAE_TOKEN": ""}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[-1]
        for _ in range(100):
            try:
                httpx.get(f"{address}/health/ready")
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        X = sequences(40)
        with ThreadPoolExecutor(4) as pool:
            asked = [
                pool.submit(httpx.post, f"{address}/v1/embed", json={"sequences": lists(X)}, timeout=30)
                for _ in range(4)
            ]
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            statuses = {future.result().status_code for future in asked if future.exception() is None}
        assert process.wait(30) == 0
        assert statuses <= {200, 503}
        assert 200 in statuses


def test_limits_are_whole_numbers() -> None:
    with pytest.raises(ValueError, match="steps must be a whole number"):
        Limits(steps=0)
    assert Refused(429, "busy", "x").body == {"error": {"code": "busy", "message": "x"}}
