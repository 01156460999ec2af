"""The command line on bad input: one line, exit code 2, no traceback, and no output that is not whole."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from seqae.cli import app
from seqae.storage import model_file as saving

from .test_cli import seqae, seqae_process

GOOD = "walk,t,x,y\na,1,1,2\na,2,2,1\nb,1,3,4\nb,2,4,3\nb,3,5,5\n"
LAYOUT = ["--id", "walk", "--time", "t"]
MISSING = [*LAYOUT, "--missing", "error"]


def npz(path: Path, **arrays: np.ndarray) -> None:
    np.savez(path, **arrays)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def truncated_parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"walk": ["a"] * 99, "x": np.arange(99.0)}), path)
    cut_short(path)


def truncated_npz(path: Path) -> None:
    npz(path, values=np.ones((9, 2)), lengths=np.array([4, 5]))
    cut_short(path)


BAD_DATA: dict[str, tuple[str, Callable[[Path], object], list[str], list[str]]] = {
    # name: (file, what writes it, options, what the line must say)
    "empty file": ("d.csv", lambda p: p.write_text(""), [], ["d.csv", "empty"]),
    "no rows": ("d.csv", lambda p: p.write_text("walk,t,x\n"), LAYOUT, ["d.csv", "no rows"]),
    "text in a channel": ("d.csv", lambda p: p.write_text(GOOD + "b,4,soon,1\n"), LAYOUT, ["'x'", "row 5", "soon"]),
    "ragged row": ("d.csv", lambda p: p.write_text(GOOD + "b,4,1\n"), LAYOUT, ["d.csv", "7"]),
    "wrong encoding": ("d.csv", lambda p: p.write_bytes(GOOD.encode() + b"\xe9,4,1,1\n"), LAYOUT, ["line 7", "UTF-8"]),
    "nan": ("d.csv", lambda p: p.write_text(GOOD + "b,4,nan,1\n"), MISSING, ["'b'", "step 3", "'x'", "--missing mask"]),
    "inf": ("d.csv", lambda p: p.write_text(GOOD + "b,4,1,inf\n"), LAYOUT, ["'b'", "step 3", "'y'", "inf"]),
    "too large": ("d.csv", lambda p: p.write_text(GOOD + "b,4,1,1e30\n"), LAYOUT, ["'b'", "step 3", "'y'", "1e+30"]),
    "repeated time": ("d.csv", lambda p: p.write_text(GOOD + "b,3,1,1\n"), LAYOUT, ["'b'", "t is 3", "rows 4 and 5"]),
    "unsorted times": ("d.csv", lambda p: p.write_text(GOOD + "b,0,1,1\n"), LAYOUT, ["'b'", "t falls from 3 to 0"]),
    "unknown column": ("d.csv", lambda p: p.write_text(GOOD), ["--id", "walks"], ["'walks'", "did you mean 'walk'?"]),
    "unknown channel": ("d.csv", lambda p: p.write_text(GOOD), ["--channels", "x,z"], ["'z'"]),
    "wide with time": ("d.csv", lambda p: p.write_text(GOOD), ["--wide", "--time", "t"], ["wide"]),
    "truncated parquet": ("d.parquet", truncated_parquet, [], ["d.parquet"]),
    "truncated npz": ("d.npz", truncated_npz, [], ["d.npz"]),
    "unknown extension": ("d.docx", lambda p: p.write_text(GOOD), [], ["d.docx", ".parquet"]),
    "parquet by name only": ("d.parquet", lambda p: p.write_text(GOOD), [], ["d.parquet"]),
    "no such file": ("d.csv", lambda p: None, [], ["d.csv", "no such file"]),
    "a folder": ("d.csv", lambda p: p.mkdir(), [], ["d.csv", "folder"]),
    "text array": ("d.npy", lambda p: np.save(p, np.array([["a"], ["b"]])), [], ["d.npy"]),
    "object array": ("d.npy", lambda p: np.save(p, np.array([1, "b"], object)), [], ["d.npy"]),
    "complex array": ("d.npy", lambda p: np.save(p, np.ones((2, 3, 1), complex)), [], ["complex"]),
    "four dimensions": ("d.npy", lambda p: np.save(p, np.ones((2, 3, 4, 5))), [], ["(2, 3, 4, 5)"]),
    "no steps": ("d.npz", lambda p: npz(p, values=np.ones((3, 1)), lengths=np.array([3, 0])), [], ["lengths[1] is 0"]),
    "negative length": ("d.npz", lambda p: npz(p, values=np.ones((3, 1)), lengths=np.array([4, -1])), [], ["-1"]),
    "too many steps": ("d.npz", lambda p: npz(p, values=np.ones((3, 1)), lengths=np.array([4])), [], ["d.npz"]),
    "fractional length": ("d.npz", lambda p: npz(p, values=np.ones((3, 1)), lengths=np.array([1.5])), [], ["1.5"]),
}

BAD_OPTIONS = {
    "architecture": (["--architecture", "reapet"], ["architecture", "repeat", "'reapet'"]),
    "cell": (["--cell", "rnn"], ["cell", "'lstm'", "'rnn'"]),
    "loss": (["--loss", "mean"], ["loss", "mse", "'mean'"]),
    "latent_size": (["--latent-size", "0"], ["--latent-size", "at least 1", "got 0"]),
    "max_epochs": (["--max-epochs", "-3"], ["--max-epochs", "got -3"]),
    "learning_rate": (["--learning-rate", "nan"], ["--learning-rate", "above 0", "nan"]),
    "validation_fraction": (["--validation-fraction", "1"], ["--validation-fraction", "below 1"]),
    "patience": (["--patience", "-1"], ["patience", "-1"]),
    "device": (["--device", "abacus"], ["device", "abacus"]),
    "seed": (["--seed", "-1"], ["--seed", "-1"]),
    "bce": (["--loss", "bce"], ["'bce'", "0 to 1"]),
}

BAD_OUTPUTS = {
    "folder that does not exist": (["-o", "no/m.seqae"], ["no", "folder"]),
    "a folder": (["-o", "."], ["folder"]),
    "the data itself": (["-o", "good.csv"], ["good.csv", "also read"]),
    "checkpoint is the model": (["-o", "m.seqae", "--checkpoint", "m.seqae"], ["m.seqae"]),
    "checkpoint folder": (["-o", "m.seqae", "--checkpoint", "no/c.ckpt"], ["folder"]),
}


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "good.csv").write_text(GOOD)
    tiny = ["--latent-size", "2", "--hidden-size", "2", "--max-epochs", "1"]
    seqae("fit", folder / "good.csv", *LAYOUT, *tiny, "-o", folder / "m.seqae")
    return folder / "m.seqae"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with good data in it."""
    (tmp_path / "good.csv").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(folder: Path, *arguments: object) -> str:
    """Run a command that must fail on bad input and leave the folder as it was; its error line."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2, (result.stdout, result.exception)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    return result.stderr


@pytest.mark.parametrize("name", BAD_DATA)
@pytest.mark.parametrize("command", ["fit", "embed", "reconstruct"])
def test_bad_data(folder: Path, model_file: Path, command: str, name: str) -> None:
    file, write, options, expected = BAD_DATA[name]
    write(folder / file)
    model = () if command == "fit" else (model_file,)
    line = refused(folder, command, *model, file, *options, "-o", "out.csv")
    for part in expected:
        assert part in line


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options(folder: Path, name: str) -> None:
    options, expected = BAD_OPTIONS[name]
    line = refused(folder, "fit", "good.csv", *LAYOUT, "--max-epochs", "1", *options, "-o", "m.seqae")
    for part in expected:
        assert part in line


@pytest.mark.parametrize("command", [["fit"], ["detect", "--normal", "good.csv"], ["compare"]])
@pytest.mark.parametrize("seed", ["-1", "4294967296"])
def test_bad_seeds(folder: Path, command: list[str], seed: str) -> None:
    (folder / "more.csv").write_text("walk,x\n" + "".join(f"{k // 5},{k % 3}\n" for k in range(60)))
    line = refused(folder, *command, "more.csv", "--id", "walk", "--channels", "x", "--seed", seed, "-o", "out.csv")
    assert "--seed must be a whole number from 0 to 4294967295" in line
    assert f"got {seed}" in line


@pytest.mark.parametrize("name", BAD_OUTPUTS)
def test_bad_outputs_of_fit_are_refused_before_training(folder: Path, name: str) -> None:
    options, expected = BAD_OUTPUTS[name]
    line = refused(folder, "fit", "good.csv", *LAYOUT, "--max-epochs", "1000000", *options)
    for part in expected:
        assert part in line


@pytest.mark.parametrize("command", ["embed", "reconstruct"])
@pytest.mark.parametrize(
    ("output", "expected"), [("z.xlsx", ".parquet"), ("no/z.csv", "folder"), ("good.csv", "also read")]
)
def test_bad_outputs(folder: Path, model_file: Path, command: str, output: str, expected: str) -> None:
    assert expected in refused(folder, command, model_file, "good.csv", *LAYOUT, "-o", output)


def test_other_channels_than_fitted(folder: Path, model_file: Path) -> None:
    (folder / "other.csv").write_text(GOOD.replace("x,y", "x,height"))
    assert "'y'" in refused(folder, "embed", model_file, "other.csv", *LAYOUT, "-o", "z.csv")
    (folder / "fewer.csv").write_text("x\n1\n2\n")
    assert "'y'" in refused(folder, "embed", model_file, "fewer.csv", "--id", "", "--time", "", "-o", "z.csv")
    np.save(folder / "three.npy", np.ones((2, 4, 3)))
    line = refused(folder, "embed", model_file, "three.npy", "-o", "z.csv")
    assert "2 channels" in line
    assert "got 3" in line


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 4
    path.write_bytes(data)


def from_a_newer_format(path: Path) -> None:
    """The same file as a later seqae would write it, checksum included."""
    file = saving.read_model_file(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "FORMAT_VERSION", 99)
        saving.write_model_file(path, file)


BAD_MODELS: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "truncated": (cut_short, ["m.seqae", "save the model again"]),
    "a flipped bit": (flip_a_bit, ["m.seqae", "damaged"]),
    "empty": (lambda p: p.write_bytes(b""), ["m.seqae", "empty"]),
    "a pickle": (lambda p: p.write_bytes(pickle.dumps({"a": 1})), ["m.seqae", "pickle"]),
    "a zip": (lambda p: zipfile.ZipFile(p, "w").writestr("a", "b"), ["m.seqae"]),
    "html": (lambda p: p.write_text("<!doctype html><html></html>"), ["m.seqae", "HTML"]),
    "another safetensors file": (lambda p: save_file({"w": np.ones(3)}, p), ["m.seqae", "seqae"]),
    "a newer format": (from_a_newer_format, ["format 99", "upgrade"]),
    "missing": (lambda p: p.unlink(), ["m.seqae"]),
    "text": (lambda p: p.write_text(GOOD), ["m.seqae"]),
}


@pytest.mark.parametrize("name", BAD_MODELS)
@pytest.mark.parametrize("command", ["embed", "info"])
def test_bad_model_files(folder: Path, model_file: Path, command: str, name: str) -> None:
    path = folder / "m.seqae"
    path.write_bytes(model_file.read_bytes())
    spoil, expected = BAD_MODELS[name]
    spoil(path)
    arguments = [path] if command == "info" else [path, "good.csv", *LAYOUT, "-o", "z.csv"]
    line = refused(folder, command, *arguments)
    for part in expected:
        assert part in line


def test_a_checkpoint_is_no_model(folder: Path) -> None:
    sizes = ["--architecture", "repeat", "--latent-size", "2", "--hidden-size", "2", "--max-epochs", "1"]
    options = [*sizes, "-q", "--checkpoint", "run.ckpt"]
    seqae("fit", "good.csv", *LAYOUT, *options, "-o", "m.seqae")
    assert "checkpoint" in refused(folder, "info", "run.ckpt")
    line = refused(folder, "fit", "good.csv", *LAYOUT, *sizes, "-q", "--checkpoint", "m.seqae", "-o", "other.seqae")
    assert "m.seqae" in line
    assert "not a checkpoint" in line


def test_a_diverging_training_saves_nothing(folder: Path) -> None:
    rows = "".join(f"{(-1) ** k * 10.0 ** (k % 19)}\n" for k in range(200))
    (folder / "wild.csv").write_text("x\n" + rows)
    options = ["--no-scale", "--learning-rate", "1e30", "--max-epochs", "50", "--validation-fraction", "0"]
    assert "--learning-rate" in refused(folder, "fit", "wild.csv", *options, "-o", "m.seqae")


def test_usage_errors_exit_with_2(folder: Path) -> None:
    for arguments in (["fit"], ["fit", "good.csv"], ["fit", "good.csv", "-o", "m", "--epoch", "3"], ["fitt"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert "Traceback" not in result.stderr


def test_as_a_process_too(folder: Path) -> None:
    result = seqae_process("embed", "nothing.seqae", "good.csv", "-o", folder / "z.csv")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: nothing.seqae")
