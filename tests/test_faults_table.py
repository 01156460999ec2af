"""Faults of disks, processes and outputs: what was there stays, what can be kept is kept, and one sentence says so."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from seqae import Checkpoint, SequenceAutoencoder, load
from seqae.cli import app
from seqae.errors import ModelFileError
from seqae.storage import files
from seqae.storage.model_file import ModelFile, read_model_file, write_model_file

WAVES = [np.sin(np.arange(9.0) + i)[:, None] for i in range(8)]
SMALL: dict[str, Any] = {"latent_size": 2, "hidden_size": 3, "max_epochs": 2, "random_state": 0, "verbose": False}
CONTENT = ModelFile("thing", {}, {"x": np.arange(1000.0)})


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Fills the disk for files whose names contain a text."""
    true_fsync = os.fsync

    def fill(part: str) -> None:
        def fsync(descriptor: int) -> None:
            if part in os.readlink(f"/proc/self/fd/{descriptor}"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            true_fsync(descriptor)

        monkeypatch.setattr(files.os, "fsync", fsync)

    return fill


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    pd.DataFrame({"id": np.repeat(np.arange(8), 9), "x": np.concatenate(WAVES)[:, 0]}).to_csv(path, index=False)
    return path


TINY = ["--id", "id", "--latent-size", "2", "--hidden-size", "3", "--max-epochs", "1", "-q"]


def test_a_full_disk_under_a_checkpoint_costs_the_checkpoint_alone(
    tmp_path: Path, full_disk: Callable[[str], None]
) -> None:
    plain = SequenceAutoencoder(**SMALL).fit(WAVES)
    kept = tmp_path / "run.ckpt"
    full_disk("run.ckpt")
    with pytest.warns(UserWarning, match=r"run.ckpt cannot be written: No space left .*training goes on"):
        fitted = SequenceAutoencoder(**SMALL, callbacks=[Checkpoint(kept)]).fit(WAVES)
    assert fitted.transform(WAVES).tobytes() == plain.transform(WAVES).tobytes()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_under_the_model_saves_it_elsewhere(
    tmp_path: Path, data: Path, full_disk: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "other"))
    (tmp_path / "m.seqae").write_bytes(b"old")
    full_disk(f"{tmp_path}/.m.seqae")
    result = run("fit", data, *TINY, "-o", tmp_path / "m.seqae")
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert "No space left on device; free some space, or choose another disk; the model was saved as" in message
    rescued = Path(message.split("saved as ")[1].split(" instead")[0])
    assert load(rescued).n_channels_ == 1
    assert (tmp_path / "m.seqae").read_bytes() == b"old"


def test_a_full_disk_under_a_table_leaves_the_old_one(
    tmp_path: Path, data: Path, full_disk: Callable[[str], None]
) -> None:
    assert run("fit", data, *TINY, "-o", tmp_path / "m.seqae").exit_code == 0
    (tmp_path / "z.csv").write_text("old")
    full_disk("z.csv")
    result = run("embed", tmp_path / "m.seqae", data, "--id", "id", "-o", tmp_path / "z.csv")
    assert (result.exit_code, (tmp_path / "z.csv").read_text()) == (2, "old")
    assert "No space left on device; free some space" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "m.seqae", "z.csv"]


# name: what is at the output's place, the sentence
OUTPUTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (lambda path: path.mkdir(), "it is a folder; name a file in it"),
    "a pipe": (os.mkfifo, "it is a pipe, not a file, or"),
    "a link to a device": (lambda path: path.symlink_to("/dev/full"), "it is a device, not a file, or"),
    "a link in a circle": (lambda path: path.symlink_to(path.name), "its symbolic links lead in a circle"),
    "a link into a folder that is not there": (lambda path: path.symlink_to("no/x"), "there is no folder"),
}


def untouched(path: Path) -> tuple[int, ...]:
    """What stays the same of a path that is looked at and not written."""
    found = os.lstat(path)
    return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("option", ["-o", "--checkpoint"])
def test_outputs_are_tried_before_the_work(tmp_path: Path, data: Path, name: str, option: str) -> None:
    make, message = OUTPUTS[name]
    make(tmp_path / "out")
    before = untouched(tmp_path / "out")
    others = ["-o", tmp_path / "m.seqae"] if option != "-o" else []
    result = run("fit", data, *TINY, option, tmp_path / "out", *others)
    assert result.exit_code == 2
    assert message.removesuffix(", or") in result.stderr
    assert untouched(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "out"]


@pytest.mark.parametrize("name", ["n" * 256 + ".seqae", "no/m.seqae", "data.csv/m.seqae"])
def test_names_are_tried_before_the_work(tmp_path: Path, data: Path, name: str) -> None:
    result = run("fit", data, *TINY, "-o", tmp_path / name)
    assert result.exit_code == 2
    assert "choose a shorter name" in result.stderr or "there is no folder" in result.stderr


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_a_table_goes_to_standard_output_alone(tmp_path: Path, data: Path, name: str) -> None:
    assert run("fit", data, *TINY, "-o", tmp_path / "m.seqae").exit_code == 0
    result = run("embed", tmp_path / "m.seqae", data, "--id", "id", "-o", name)
    lines = result.stdout.splitlines()
    assert lines[0] == '"id","z0","z1"'
    assert len(lines) == 9
    assert "8 vectors of 2 values" in result.stderr


STAGES = ("open", "flush", "fsync", "replace")


def killed_in(stage: str, path: Path) -> int:
    """The signal that ended a child that was killed at a stage of a write."""
    child = os.fork()
    if child == 0:
        try:
            kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
            if stage in ("fsync", "replace"):
                setattr(files.os, stage, kill)
            with files.written_whole(path) as file:
                if stage == "open":
                    kill()
                file.write(b"half")
                file.flush()
                if stage == "flush":
                    kill()
        finally:
            os._exit(1)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def test_a_hundred_kills_inside_writes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.seqae"
    for k in range(100):
        if k % 10 == 0:
            write_model_file(path, CONTENT)
            before = path.read_bytes()
        assert killed_in(STAGES[k % 4], path) == signal.SIGKILL
        assert path.read_bytes() == before
    write_model_file(path, CONTENT)
    assert [file.name for file in tmp_path.iterdir()] == ["m.seqae"]
    assert read_model_file(path).kind == "thing"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "choose a folder that you may write to"),
        (errno.EROFS, "choose another disk"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_went_wrong_is_said_with_its_own_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "open", fail)
    with pytest.raises(ModelFileError, match=expected):
        write_model_file(tmp_path / "m.seqae", CONTENT)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_private_model_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "m.seqae"
    write_model_file(path, CONTENT)
    path.chmod(0o600)
    write_model_file(path, CONTENT)
    assert path.stat().st_mode & 0o777 == 0o600
