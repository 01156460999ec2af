"""A file is a file: whole, checked to the bit, and never run."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqae.errors import ModelFileError
from seqae.storage import model_file as saving
from seqae.storage.model_file import ModelFile, read_model_file, write_model_file

CONTENT = ModelFile("thing", {"a": [1, 2.5, None, "é"]}, {"x": np.arange(6, dtype=np.float32).reshape(2, 3)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_model_file(tmp_path / "m.seqae", CONTENT)
    return tmp_path / "m.seqae"


def test_round_trip(path: Path) -> None:
    file = read_model_file(path)
    assert (file.kind, file.config) == (CONTENT.kind, CONTENT.config)
    np.testing.assert_array_equal(file.tensors["x"], CONTENT.tensors["x"])


def test_leaves_no_temporary_file_and_keeps_the_old_one_on_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(ModelFileError, match="No space left"):
        write_model_file(path, ModelFile("other", {}, {}))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be written"):
        write_model_file(tmp_path / "no" / "m.seqae", CONTENT)


@given(place=st.floats(0, 0.999999), bit=st.integers(0, 7))
def test_no_flipped_bit_passes(place: float, bit: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("flip") / "m.seqae"
    write_model_file(path, CONTENT)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(ModelFileError):
        read_model_file(path)


def test_every_truncation_is_named(path: Path) -> None:
    data = path.read_bytes()
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        with pytest.raises(ModelFileError, match=r"m.seqae"):
            read_model_file(path)


def as_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", "x" * 600)
    return buffer.getvalue()


class Bomb:
    """Unpickling this writes a file."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return Path.touch, (Path("exploded"),)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (as_zip(), "a zip archive"),
        (pickle.dumps({"weights": list(range(600))}), "a pickle"),
        (pickle.dumps(Bomb()), "a pickle"),
        (b"<!DOCTYPE html><html>" + b" " * 600, "an HTML or XML page"),
        (b"", "empty"),
        (b"hello", "m.seqae"),
        (np.random.default_rng(0).bytes(2000), "m.seqae"),
        (struct.pack("<Q", 2**62) + b"{" + b"x" * 600, "truncated or damaged"),
    ],
)
def test_foreign_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.seqae").write_bytes(data)
    with pytest.raises(ModelFileError, match=name) as caught:
        read_model_file(tmp_path / "m.seqae")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "exploded").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="No such file"):
        read_model_file(tmp_path / "m.seqae")


def test_a_foreign_safetensors_file_is_named(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(2)}, tmp_path / "m.safetensors")
    with pytest.raises(ModelFileError, match="not one that seqae saved"):
        read_model_file(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("other", "advice"), [(1, "upgrade seqae"), (-1, r"of seqae .* no longer reads.*fit the model again")]
)
def test_another_format_is_named(other: int, advice: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file_format = saving.FORMAT_VERSION + other
    monkeypatch.setattr(saving, "FORMAT_VERSION", file_format)
    write_model_file(path, CONTENT)
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=rf"has format {file_format}.*{advice}"):
        read_model_file(path)


def test_the_header_is_readable_json(path: Path) -> None:
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header["__metadata__"]["seqae"])["kind"] == "thing"
