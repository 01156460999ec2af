"""Nearest vectors against all distances, computed one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from typer.testing import CliRunner

from seqae import VectorIndex, search
from seqae.cli import app
from seqae.errors import InvalidParameter, InvalidSequence, UnreadableFile

from . import naive


def make_vectors(n: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, size)).astype(np.float32)


@given(
    n=st.integers(1, 40),
    n_queries=st.integers(1, 7),
    size=st.integers(1, 9),
    k=st.integers(1, 12),
    block=st.integers(1, 50),
    offset=st.sampled_from([0.0, 1e3, 1e6]),
)
def test_equals_a_search_of_all_pairs(n: int, n_queries: int, size: int, k: int, block: int, offset: float) -> None:
    vectors = make_vectors(n, size) + np.float32(offset)  # where products lose digits
    queries = make_vectors(n_queries, size, seed=1) + np.float32(offset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "BLOCK", block)
        patch.setattr(search, "QUERIES", 3)
        found = VectorIndex(vectors).nearest(queries, k)
    indices, distances = naive.nearest(queries, vectors, min(k, n))
    assert_array_equal(found.indices, indices)
    assert_allclose(found.distances, distances, rtol=1e-12)


def test_of_equal_vectors_the_first_stored_is_nearest() -> None:
    found = VectorIndex(np.ones((50, 3))).nearest(np.ones(3), 4)
    assert found.indices.tolist() == [[0, 1, 2, 3]]
    assert found.distances.tolist() == [[0, 0, 0, 0]]


def test_a_query_alone_has_the_same_bits_as_among_others() -> None:
    index, queries = VectorIndex(make_vectors(3000, 40)), make_vectors(300, 40, seed=1)
    together = index.nearest(queries, 5)
    for i in (0, 7, 299):
        alone = index.nearest(queries[i], 5)
        assert_array_equal(alone.indices[0], together.indices[i])
        assert_array_equal(alone.distances[0], together.distances[i])


def test_stored_vectors_are_no_neighbours_of_themselves() -> None:
    vectors = make_vectors(30, 4)
    vectors[3] = vectors[20]
    found = VectorIndex(vectors, ids=[f"s{i}" for i in range(30)]).nearest_of(["s3", "s20"], 2)
    assert found.queries.tolist() == ["s3", "s20"]
    assert found.ids[:, 0].tolist() == ["s20", "s3"]
    assert found.distances[:, 0].tolist() == [0, 0]
    assert VectorIndex(vectors[:3]).nearest_of(k=9).indices.shape == (3, 2)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("label=walk", [0, 2, 4]),
        ("label != walk", [1, 3]),
        ("length>=30", [2, 3, 4]),
        ("length<20", [0]),
        (("label=walk", "length > 30"), [4]),
        ("mass<=2", [0, 1]),  # a missing value meets no condition
    ],
)
def test_conditions(where: str | tuple[str, ...], expected: list[int]) -> None:
    columns = {
        "label": ["walk", "run", "walk", "run", "walk"],
        "length": [10, 20, 30, 40, 50],
        "mass": [1.5, 2.0, None, 9.0, 9.5],
    }
    found = VectorIndex(make_vectors(5, 2), columns=columns).nearest(np.zeros(2), 5, where=where)
    assert sorted(found.indices[0]) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda index: index.nearest(np.zeros(3)), "queries must have 2 values"),
        (lambda index: index.nearest(np.array([0, np.nan])), "query 0 is not finite"),
        (lambda index: index.nearest(np.zeros(2), 0), "k must be a whole number"),
        (lambda index: index.nearest(np.zeros(2), where="label"), "a condition must be a column"),
        (lambda index: index.nearest(np.zeros(2), where="colour=red"), "no column 'colour'.*there are: label, length"),
        (lambda index: index.nearest(np.zeros(2), where="length>long"), "'long' cannot be compared"),
        (lambda index: index.nearest(np.zeros(2), where="label=swim"), "no stored vector meets 'label=swim'"),
        (lambda index: index.nearest_of("c"), "no stored vector has the id 'c'"),
        (lambda index: index.nearest_of("a", where="label=walk"), "no other stored vector meets"),
        (lambda index: VectorIndex(np.zeros((0, 2))), "both at least 1"),
        (lambda index: VectorIndex(np.zeros((2, 2)), ids=[1]), "ids has 1 values for 2 vectors"),
        (lambda index: VectorIndex(np.array([[0.0], [np.inf]])).nearest(np.zeros(1)), "stored vector 1 is not finite"),
    ],
)
def test_errors_say_what_is_wrong(call: object, message: str) -> None:
    index = VectorIndex(make_vectors(2, 2), ids=["a", "b"], columns={"label": ["walk", "run"], "length": [1, 2]})
    with pytest.raises((InvalidParameter, InvalidSequence), match=message):
        call(index)  # pyright: ignore[reportCallIssue]


def test_saved_vectors_stay_on_the_disk(tmp_path: Path) -> None:
    vectors = make_vectors(100, 8)
    VectorIndex(vectors, ids=np.arange(100) * 2, columns={"label": ["x"] * 100}).save(tmp_path / "v.arrow")
    allocated = pa.total_allocated_bytes()
    index = VectorIndex.open(tmp_path / "v.arrow")
    assert pa.total_allocated_bytes() - allocated < vectors.nbytes // 2
    assert not index.vectors.flags.owndata
    assert_array_equal(index.vectors, vectors)
    found = index.nearest_of([8], 1, where="label=x")
    assert found.queries.tolist() == [8]
    assert found.ids[0, 0] % 2 == 0


@pytest.mark.parametrize("name", ["v.csv", "v.parquet"])
def test_what_embed_writes_is_searched(name: str, tmp_path: Path) -> None:
    vectors = make_vectors(6, 11)
    table = pa.table({"name": list("abcdef"), **{f"z{k}": vectors[:, k] for k in range(11)}})
    if name.endswith("csv"):
        pa.csv.write_csv(table, tmp_path / name)
    else:
        pq.write_table(table, tmp_path / name)
    index = VectorIndex.open(tmp_path / name)
    assert index.ids.tolist() == list("abcdef")
    assert_array_equal(index.vectors, vectors)  # z10 after z9


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    VectorIndex(make_vectors(50, 4)).save(tmp_path / "good.arrow")
    good = (tmp_path / "good.arrow").read_bytes()
    rng = np.random.default_rng(0)
    for trial in range(200):
        data = bytearray(good)
        if trial % 4 == 0:
            data = data[: rng.integers(len(data))]
        for place in rng.integers(0, max(len(data), 1), 3) if data else ():
            data[place] = rng.integers(256)
        (tmp_path / "bad.arrow").write_bytes(data)
        try:
            found = VectorIndex.open(tmp_path / "bad.arrow").nearest(np.zeros(4))
        except (UnreadableFile, InvalidSequence):
            continue
        assert found.distances.shape[0] == 1


def test_files_without_vectors(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("a b\n")
    (tmp_path / "v.csv").write_text("id,x\n1,2\n")
    (tmp_path / "w.csv").write_text("id,z0\n1,a\n")
    (tmp_path / "x.csv").write_text("id,z0\n1,\n2,3.5\n")
    for name, message in (
        ("v.txt", "vectors are read from"),
        ("v.csv", "there are no vectors"),
        ("w.csv", "'z0' has missing values or no numbers"),
        ("x.csv", "'z0' has missing values"),
        ("none.csv", "cannot be read"),
    ):
        with pytest.raises(UnreadableFile, match=message):
            VectorIndex.open(tmp_path / name)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_the_commands(tmp_path: Path) -> None:
    vectors = make_vectors(20, 3)
    columns = {"name": [f"s{i}" for i in range(20)], "label": ["a", "b"] * 10}
    pq.write_table(pa.table(columns | {f"z{k}": vectors[:, k] for k in range(3)}), tmp_path / "v.parquet")
    assert "20 vectors of 3 values" in run("index", tmp_path / "v.parquet", "-o", tmp_path / "v.arrow")
    run("nearest", tmp_path / "v.arrow", tmp_path / "v.parquet", "-k", 1, "-o", tmp_path / "same.parquet")
    same = pq.read_table(tmp_path / "same.parquet").to_pydict()
    assert same["query"] == same["neighbour"] == columns["name"]
    assert same["distance"] == [0] * 20
    run("nearest", tmp_path / "v.arrow", "--of", "s4", "-k", 3, "--where", "label=b", "-o", tmp_path / "n.parquet")
    found = pq.read_table(tmp_path / "n.parquet").to_pydict()
    assert found["query"] == ["s4"] * 3
    assert found["rank"] == [1, 2, 3]
    odd = vectors[1::2]
    nearest = np.argsort(((odd - vectors[4]).astype(np.float64) ** 2).sum(axis=1))[:3]
    assert found["neighbour"] == [f"s{2 * i + 1}" for i in nearest]


def test_the_commands_refuse_in_one_line(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2], "z0": [0.5, 1.5]}), tmp_path / "v.parquet")
    for arguments, message in (
        (["index", "v.parquet", "-o", "v.csv"], "must be .arrow"),
        (["nearest", "v.parquet", "v.parquet", "--of", "1", "-o", "n.csv"], "leave one of them out"),
        (["nearest", "v.parquet", "-o", "v.parquet"], "it is also read"),
        (["nearest", "v.parquet", "--where", "label=a", "-o", "n.csv"], "no column 'label'"),
    ):
        placed = [str(tmp_path / word) if "." in word else word for word in arguments]
        result = CliRunner().invoke(app, placed)
        assert result.exit_code == 2
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
