"""Parts of results: computed alone, kept, and joined to what a single run writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv
from typer.testing import CliRunner, Result

from seqae import AnomalyDetector, Ragged, SequenceAutoencoder
from seqae.cli import app
from seqae.errors import InvalidParameter, UnreadableFile
from seqae.reading import Source
from seqae.storage.parts import Part, digest, join_parts
from seqae.storage.tables import write_table

from .conftest import make_waves

N_PARTS = 3


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten sequences with ids and times, an autoencoder and a detector of them."""
    tmp_path = tmp_path_factory.mktemp("made")
    waves = make_waves(10, seed=0)
    lengths = [len(wave) for wave in waves]
    values = np.concatenate(waves)
    columns = {f"c{k}": values[:, k] for k in range(values.shape[1])}
    names = np.repeat([f"s{k}" for k in range(10)], lengths)
    table = pa.table({"id": names, "t": np.concatenate([np.arange(n) for n in lengths]), **columns})
    csv.write_csv(table, tmp_path / "data.csv")
    layout = ("--id", "id", "--time", "t")
    assert run("fit", tmp_path / "data.csv", *layout, "--quality", "fast", "-o", tmp_path / "m.seqae").exit_code == 0
    AnomalyDetector(SequenceAutoencoder("linear", verbose=False), random_state=0, verbose=False).fit(waves).save(
        tmp_path / "d.seqae"
    )
    return tmp_path


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The same, to be written in."""
    return Path(shutil.copytree(made, tmp_path / "folder"))


def commands(folder: Path) -> dict[str, list[object]]:
    layout = ["--id", "id", "--time", "t", "--channels", "c0,c1"]
    data, model = folder / "data.csv", folder / "m.seqae"
    return {
        "embed": ["embed", model, data],
        "windows": ["embed", model, data, "--window", 3],
        "reconstruct": ["reconstruct", model, data],
        "detect": ["detect", data, "--model", folder / "d.seqae", *layout, "--rows", "step"],
    }


@pytest.mark.parametrize(
    ("command", "suffix"),
    [
        ("embed", ".parquet"),
        ("embed", ".csv"),
        ("windows", ".parquet"),
        ("reconstruct", ".csv"),
        ("detect", ".parquet"),
    ],
)
def test_joined_parts_are_the_whole(command: str, suffix: str, folder: Path) -> None:
    call = commands(folder)[command]
    whole, joined = folder / f"whole{suffix}", folder / f"joined{suffix}"
    assert run(*call, "-o", whole).exit_code == 0
    for k in (3, 1, 2):
        done = run(*call, "-o", folder / "out.parquet", "--part", f"{k}/{N_PARTS}")
        assert done.exit_code == 0, done.stderr
    parts = sorted(folder.glob("out.part-*.parquet"))
    assert [path.name for path in parts] == [f"out.part-{k}-of-3.parquet" for k in (1, 2, 3)]
    done = run("join", *parts[::-1], "-o", joined)
    assert done.exit_code == 0, done.stderr
    read = pq.read_table if suffix == ".parquet" else csv.read_csv
    assert read(joined).equals(read(whole))


def test_a_finished_part_is_kept(folder: Path) -> None:
    call = [*commands(folder)["embed"], "-o", folder / "out.parquet", "--part", "2/3"]
    run(*call)
    path = folder / "out.part-2-of-3.parquet"
    before = path.stat().st_mtime_ns
    assert "kept, as it was written before" in run(*call).stdout
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["data", "options", "model", "damage"])
def test_a_part_of_other_work_is_written_anew(change: str, folder: Path) -> None:
    call = [*commands(folder)["embed"], "-o", folder / "out.parquet", "--part", "1/3"]
    run(*call)
    if change == "data":
        data = folder / "data.csv"
        data.write_text(data.read_text().replace('"s9"', '"s99"'))  # of another part
    elif change == "options":
        call += ["--window", 3]
    elif change == "model":
        run("fit", folder / "data.csv", "--id", "id", "--time", "t", "--quality", "fast", "--seed", 5, "-o", call[1])
    else:
        path = folder / "out.part-1-of-3.parquet"
        path.write_bytes(path.read_bytes()[:-20])
    again = run(*call)
    assert again.exit_code == 0
    assert "kept" not in again.stdout


def test_parts_of_other_work_are_not_joined(folder: Path) -> None:
    call = [*commands(folder)["embed"], "-o", folder / "out.parquet"]
    run(*call, "--part", "1/2")
    run(*call, "--part", "2/2", "--window", 3)
    parts = sorted(folder.glob("out.part-*.parquet"))
    refused = run("join", *parts, "-o", folder / "joined.parquet")
    assert refused.exit_code == 2
    assert "belongs to another result" in refused.stderr
    assert not (folder / "joined.parquet").exists()


def test_missing_and_double_parts_are_named(folder: Path) -> None:
    call = [*commands(folder)["embed"], "-o", folder / "out.parquet"]
    run(*call, "--part", "2/3")
    part = folder / "out.part-2-of-3.parquet"
    (folder / "copy.parquet").write_bytes(part.read_bytes())
    with pytest.raises(InvalidParameter, match="of 3 parts, 2 are missing: 1, 3"):
        join_parts([part], folder / "joined.csv")
    with pytest.raises(InvalidParameter, match="are both part 2"):
        join_parts([part, folder / "copy.parquet"], folder / "joined.csv")
    write_table(folder / "other.parquet", {"a": [1]})
    for path in (folder / "other.parquet", folder / "data.csv"):
        with pytest.raises(UnreadableFile, match="is no"):
            join_parts([path], folder / "joined.csv")
    assert not (folder / "joined.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--part", "0/3"], "must be I/N"),
        (["--part", "4/3"], "must be I/N"),
        (["--part", "half"], "must be I/N"),
        (["--part", "1/11"], "10 sequences are fewer than 11 parts"),
    ],
)
def test_wrong_parts_are_refused(arguments: list[str], told: str, folder: Path) -> None:
    refused = run(*commands(folder)["embed"], "-o", folder / "out.parquet", *arguments)
    assert refused.exit_code == 2
    assert told in refused.stderr
    assert not list(folder.glob("out*"))


def test_parts_are_parquet(folder: Path) -> None:
    refused = run(*commands(folder)["embed"], "-o", folder / "out.csv", "--part", "1/2")
    assert refused.exit_code == 2
    assert "parts are .parquet" in refused.stderr


def test_detect_in_parts_needs_a_saved_limit(folder: Path) -> None:
    data, out = folder / "data.csv", folder / "out.parquet"
    layout = ["--id", "id", "--time", "t"]
    refused = run("detect", data, "--normal", data, *layout, "-o", out, "--part", "1/2", "--baseline", "pca")
    assert refused.exit_code == 2
    assert "--part needs --model with a saved detector" in refused.stderr


@given(st.integers(1, 50), st.integers(1, 50))
def test_parts_are_all_sequences_in_order(n: int, count: int) -> None:
    source = Source(Ragged.from_any([np.zeros((1, 1))] * n), np.arange(n), None, ("a",))
    if n < count:
        with pytest.raises(InvalidParameter, match="fewer than"):
            Part(1, count).of(source)
        return
    sizes = [Part(k, count).of(source).ids for k in range(1, count + 1)]
    assert np.concatenate(sizes).tolist() == list(range(n))
    assert max(map(len, sizes)) - min(map(len, sizes)) <= 1


def test_a_digest_tells_all_apart() -> None:
    ragged = Ragged.from_any([np.array([[1.0], [2.0]]), np.array([[3.0]])])
    missing = Ragged.from_any([np.array([[1.0], [np.nan]]), np.array([[3.0]])])
    ids, times = np.arange(2), np.arange(3.0)
    sources = [
        Source(ragged, ids, None, ("a",)),
        Source(ragged, ids + 1, None, ("a",)),
        Source(ragged, np.array(["x", "y"], object), None, ("a",)),
        Source(ragged, ids, times, ("a",)),
        Source(Ragged.from_any([np.array([[1.0]]), np.array([[2.0], [3.0]])]), ids, None, ("a",)),
        Source(missing, ids, None, ("a",)),
    ]
    told = [digest(source, *more) for source in sources for more in ((), (b"ab", b"c"), (b"a", b"bc"))]
    assert len(set(told)) == len(told)
    assert told[0] == digest(sources[0])
