"""Readers and loaders under damaged and hostile files: a result, or one of our errors in one short line.

SEQAE_FUZZ says how many changes of each kind of file are tried; `make fuzz` tries 2,000.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqae import AnomalyDetector, Checkpoint, SequenceAutoencoder, Stream, load, read
from seqae.errors import ModelFileError, SeqaeError
from seqae.storage.model_file import ModelFile, read_model_file, write_model_file

from .fuzz import edits, mutated

N = int(os.environ.get("SEQAE_FUZZ", "200"))
WAVES = [np.sin(np.arange(12.0) + i)[:, None] + 0.1 * np.arange(12.0)[:, None] for i in range(12)]
SMALL: dict[str, Any] = {"latent_size": 2, "hidden_size": 3, "max_epochs": 2, "random_state": 0, "verbose": False}
TABLE = pa.table({"id": list("aabbcc"), "t": [1, 2] * 3, "x": [1.5, 2, 3, 4, 5, 6], "y": [0.25, 1, 2, 3, 4, 5]})
CSV = b"id,t,x,y\na,1,1.5,0.25\na,2,2,1\nb,1,3,2\nb,2,4,3\n"


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink)
    return sink.getvalue()


def arrow(is_file: bool, compression: str | None) -> bytes:
    sink = io.BytesIO()
    opened = pa.ipc.new_file if is_file else pa.ipc.new_stream
    with opened(sink, TABLE.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(TABLE)
    return sink.getvalue()


def saved(save: Callable[..., None], **arrays: Any) -> bytes:
    sink = io.BytesIO()
    save(sink, **arrays)
    return sink.getvalue()


LONG = {"id": "id", "time": "t"}
FILES: dict[str, tuple[Callable[[], bytes], dict[str, Any]]] = {
    "x.csv": (lambda: CSV, LONG),
    "wide.csv": (lambda: b"id,0,1,2\na,1,2,\nb,4,5,6\n", {"id": "id", "wide": True, "missing": "mask"}),
    "symbols.csv": (lambda: CSV, {"id": "id", "channels": ["t"], "symbols": "auto"}),
    "x.csv.gz": (lambda: gzip.compress(CSV), LONG),
    "x.parquet": (parquet, LONG),
    "x.arrow": (lambda: arrow(True, None), LONG),
    "x.feather": (lambda: arrow(True, "lz4"), LONG),
    "x.ipc": (lambda: arrow(False, "zstd"), LONG),
    "x.npy": (lambda: saved(np.save, arr=np.ones((3, 4, 2), np.float32)), {}),
    "x.npz": (lambda: saved(np.savez, values=np.ones((6, 2)), lengths=[2, 4], id=[1, 2]), {"id": "id"}),
    "packed.npz": (lambda: saved(np.savez_compressed, x=np.ones((3, 4, 2))), {}),
    "sequences.jsonl": (lambda: b'{"id": 1, "values": [[1, 2], [3, 4]]}\n{"id": 2, "values": [[5, 6]]}\n', {}),
    "steps.jsonl": (
        lambda: b'{"id": 1, "t": 1, "x": 0.5}\n{"id": 1, "t": 2, "x": null}\n',
        {**LONG, "missing": "mask"},
    ),
    "x.ts": (lambda: b"@classLabel true a b\n@data\n1,2,3:4,5,?:a\n1,2:3,4:b\n", {"missing": "mask"}),
    "x.txt": (lambda: b"a b c\nb c\n\na\n", {"symbols": "auto"}),
}


@pytest.mark.parametrize("name", FILES)
def test_damaged_data_is_read_or_refused(tmp_path: Path, name: str) -> None:
    make, arguments = FILES[name]
    data, path, rng = make(), tmp_path / name, np.random.default_rng(zlib.crc32(name.encode()))
    path.write_bytes(data)
    assert len(read(path, **arguments))
    for _ in range(N):
        path.write_bytes(mutated(data, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read(path, **arguments)
            except SeqaeError as error:
                message = str(error)
                assert "\n" not in message
                assert len(message) < 1000


@cache
def autoencoder() -> SequenceAutoencoder:
    return SequenceAutoencoder(**SMALL).fit(WAVES)


@cache
def detector() -> AnomalyDetector:
    return AnomalyDetector(SequenceAutoencoder(**SMALL), window=4, random_state=0).fit([np.concatenate(WAVES)])


def use_model(path: Path) -> None:
    load(path).transform(WAVES)


def use_detector(path: Path) -> None:
    load(path).anomaly_score([np.concatenate(WAVES)])


def use_stream(path: Path) -> None:
    stream = Stream(detector(), 2)
    stream.load(path)
    stream.push(np.zeros((2, 1)))


def use_checkpoint(path: Path) -> None:
    SequenceAutoencoder(**SMALL | {"max_epochs": 3}, callbacks=[Checkpoint(path)]).fit(WAVES)


def make_stream(path: Path) -> None:
    stream = Stream(detector(), 2)
    for k in range(5):
        stream.push(np.full((2, 1), 0.1 * k))
    stream.save(path)


def make_checkpoint(path: Path) -> None:
    class Kill:
        def on_epoch_end(self, epoch: Any) -> None:
            raise ZeroDivisionError

    model = SequenceAutoencoder(**SMALL | {"max_epochs": 3}, callbacks=[Checkpoint(path), Kill()])
    with pytest.raises(ZeroDivisionError):
        model.fit(WAVES)


KINDS: dict[str, tuple[Callable[[Path], object], Callable[[Path], None]]] = {
    "model": (lambda path: autoencoder().save(path), use_model),
    "detector": (lambda path: detector().save(path), use_detector),
    "stream": (make_stream, use_stream),
    "checkpoint": (make_checkpoint, use_checkpoint),
}


def chosen(file: ModelFile, n: int, rng: np.random.Generator) -> list[tuple[str, ModelFile]]:
    """So many of the edits of a file, evenly drawn."""
    every = list(edits(file))
    return [every[k] for k in rng.permutation(len(every))[:n]]


EXPECTED_OF_CHECKPOINTS = "belongs to another run|holds a|training diverged"
"""What is said of a sound file of something else, and of weights that are finite and absurd."""


@pytest.mark.parametrize("kind", KINDS)
def test_signed_edits_are_harmless_or_refused(tmp_path: Path, kind: str) -> None:
    make, use = KINDS[kind]
    path, edited = tmp_path / "x.seqae", tmp_path / "edited.seqae"
    make(path)
    rng, problems = np.random.default_rng(0), []
    for what, file in chosen(read_model_file(path), N, rng):
        write_model_file(edited, file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                use(edited)
            except ModelFileError as error:
                if len(str(error)) > 600 or "\n" in str(error):
                    problems.append(f"{what}: a message of {len(str(error))} characters")
            except SeqaeError as error:
                if kind != "checkpoint" or not re.search(EXPECTED_OF_CHECKPOINTS, str(error)):
                    problems.append(f"{what}: {type(error).__name__}: {str(error)[:100]}")
            except Exception as error:
                problems.append(f"{what}: {type(error).__name__}: {str(error)[:100]}")
    assert not problems, f"{len(problems)} of {N}:\n" + "\n".join(problems[:40])


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_sizes_take_no_memory(tmp_path: Path, kind: str) -> None:
    make, _ = KINDS[kind]
    path, edited = tmp_path / "x.seqae", tmp_path / "edited.seqae"
    make(path)
    if kind in ("model", "detector"):
        load(path)  # what is imported on the way counts once
    for what, file in chosen(read_model_file(path), max(N // 10, 20), np.random.default_rng(1)):
        write_model_file(edited, file)
        tracemalloc.start()
        try:
            load(edited) if kind in ("model", "detector") else read_model_file(edited)
        except ModelFileError:
            pass
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < 10 * edited.stat().st_size + 2_000_000, f"{what}: {peak} bytes"


@pytest.mark.parametrize("text", ["[" * 100_000, "{" * 5, '{"a":' * 50_000, "[" + "{}," * 300_000 + "{}]", "1" * 5000])
def test_hostile_headers_are_refused(tmp_path: Path, text: str) -> None:
    from seqae.storage import model_file

    header = {"kind": "autoencoder", "format": 1, "versions": {}, "config": {}}
    path = tmp_path / "x.seqae"
    write_model_file(path, ModelFile("autoencoder", {}, {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_file.json, "dumps", lambda value: text)
        write_model_file(path, ModelFile("autoencoder", header, {}))
    tracemalloc.start()
    with pytest.raises(ModelFileError) as caught:
        read_model_file(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(str(caught.value)) < 300
    assert peak < 10 * path.stat().st_size + 1_000_000


def test_every_place_of_a_header_is_edited() -> None:
    file = ModelFile("thing", {"a": {"b": [1, 2, 3]}, "c": None}, {"x": np.ones(3, np.float32)})
    done = [what for what, _ in edits(file)]
    for place in ("('a',)", "('a', 'b')", "('a', 'b', 0)", "('a', 'b', 2)", "('c',)"):
        assert f"{place} left out" in done
    assert json.dumps(file.config) == '{"a": {"b": [1, 2, 3]}, "c": null}'
