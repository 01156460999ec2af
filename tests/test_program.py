"""Programs: what they compute in NumPy, C and ONNX against transform(), inverse_transform() and lengths_of()."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from seqae import SequenceAutoencoder
from seqae.cli import app
from seqae.errors import InvalidParameter
from seqae.model.architecture import Architecture, InitialState
from seqae.model.presets import PRESETS
from seqae.program import Program, programs_of
from seqae.program.onnx_model import onnx_model
from seqae.program.operations.curves import CurveFit, interpolation
from seqae.program.recurrent_forms import problem_of
from seqae.program.writing import write_c, write_onnx

FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-ffreestanding")
Form = Callable[..., np.ndarray]
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not here")
has_onnx = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
needs_onnx = pytest.mark.skipif(not has_onnx, reason="onnx and onnxruntime are not installed")


def sequences(n: int, n_channels: int, *, seed: int = 0, dtype: type = np.float32) -> list[np.ndarray]:
    """Of 1 to 60 steps, with channels in different units."""
    rng = np.random.default_rng(seed)
    units, centres = 10.0 ** np.arange(n_channels), 100.0 * np.arange(n_channels)
    walks = [rng.normal(size=(k, n_channels)).cumsum(axis=0) for k in [1, 2, *rng.integers(3, 60, n - 2)]]
    return [(walk * units + centres).astype(dtype) for walk in walks]


@pytest.fixture(scope="module", params=["one", "three", "float64", "one length"])
def fitted(request: pytest.FixtureRequest) -> tuple[SequenceAutoencoder, list[np.ndarray]]:
    """An autoencoder, and data that it did and did not see."""
    n_channels = 1 if request.param == "one" else 3
    dtype = np.float64 if request.param == "float64" else np.float32
    seen, new = (sequences(n, n_channels, seed=k, dtype=dtype) for k, n in enumerate((60, 20)))
    if request.param == "float64":
        seen, new = ([x + 1e9 for x in part] for part in (seen, new))
    if request.param == "one length":
        seen, new = ([x[:40] for x in part if len(x) >= 40] for part in (seen, new))
    return SequenceAutoencoder("linear", verbose=False, random_state=0).fit(seen), [*seen, *new]


def in_numpy(program: Program, folder: Path, **values: object) -> np.ndarray:
    return np.asarray(program.run(**values))  # pyright: ignore[reportArgumentType]


def in_onnx(program: Program, folder: Path, **values: object) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_model(program).SerializeToString())
    feeds = {name: np.asarray(value)[None] for name, value in values.items() if name != "length"}
    if program.has_steps:
        feeds["lengths"] = np.array([values.get("length", len(next(iter(feeds.values()))[0]))])
    return session.run(None, feeds)[0][0]


def compiled(folder: Path, programs: tuple[Program, ...]) -> ctypes.CDLL:
    write_c(folder, programs)
    (folder / "size.c").write_text('#include "model.h"\nint model_size(void) { return sizeof(model_workspace); }\n')
    sources = [str(folder / name) for name in ("model.c", "size.c")]
    subprocess.run(["gcc", *FLAGS, "-shared", "-fPIC", "-o", folder / "model.so", *sources, "-lm"], check=True)
    return ctypes.CDLL(str(folder / "model.so"))


def in_c(library: ctypes.CDLL, program: Program, **values: object) -> np.ndarray:
    work = ctypes.create_string_buffer(b"\xff" * library.model_size())
    call = partial(getattr(library, f"model_{program.name}"), work)
    arrays = [np.ascontiguousarray(value) for name, value in values.items() if name != "length"]
    n = values.get("length", len(arrays[0]))
    arguments: list[object] = [array.ctypes.data_as(ctypes.c_void_p) for array in arrays]
    if program.output.kind == "length":
        return np.asarray(call(*arguments))
    shape = (n, program.output.size) if program.output.kind == "steps" else program.output.size
    result = np.full(shape, np.nan, program.output.dtype)
    arguments += [ctypes.c_int(n)] if program.has_steps else []
    assert call(*arguments, result.ctypes.data_as(ctypes.c_void_p)) == 0
    return result


def check_all(run: Form, estimator: SequenceAutoencoder, data: list[np.ndarray]) -> None:
    """Each program's results against the estimator's, to a millionth of the largest value of a vector or channel."""
    encode, decode, length = programs_of(estimator)
    vectors = estimator.transform(data)
    told = estimator.lengths_of(vectors)
    again = estimator.inverse_transform(vectors, [len(x) for x in data])
    spread = estimator.scaling_.scale
    for k, x in enumerate(data):
        np.testing.assert_allclose(run(encode, values=x), vectors[k], rtol=0, atol=5e-6 * np.abs(vectors).max())
        apart = (run(decode, vector=vectors[k], length=len(x)) - again[k]) / spread
        assert np.abs(apart).max() < 1e-5 * max(1, np.abs(again[k] / spread - estimator.scaling_.centre / spread).max())
        assert run(length, vector=vectors[k]) == told[k]


def test_in_numpy(fitted: tuple[SequenceAutoencoder, list[np.ndarray]], tmp_path: Path) -> None:
    check_all(lambda program, **values: in_numpy(program, tmp_path, **values), *fitted)


@needs_onnx
def test_in_onnx(fitted: tuple[SequenceAutoencoder, list[np.ndarray]], tmp_path: Path) -> None:
    estimator, data = fitted
    check_all(lambda program, **values: in_onnx(program, tmp_path, **values), estimator, data[:6])


@needs_gcc
def test_in_c(fitted: tuple[SequenceAutoencoder, list[np.ndarray]], tmp_path: Path) -> None:
    library = compiled(tmp_path, programs_of(fitted[0]))
    check_all(lambda program, **values: in_c(library, program, **values), *fitted)


@needs_onnx
@pytest.mark.parametrize(
    ("preset", "n"), [("linear", 1), *((preset, 64) for preset in ("linear", "hybrid", "repeat", "encdec_ad"))]
)
def test_onnx_takes_batches_of_ragged_sequences(preset: str, n: int) -> None:
    import onnxruntime

    estimator, _ = trained(preset, "lstm")
    data = sequences(66, 2, seed=1)[-n:]
    lengths = np.array([len(x) for x in data])
    padded = np.full((n, lengths.max() + 3, 2), np.nan, np.float32)
    for k, x in enumerate(data):
        padded[k, : len(x)] = x
    encode, decode, _ = (
        onnxruntime.InferenceSession(onnx_model(program).SerializeToString()) for program in programs_of(estimator)
    )
    vectors = estimator.transform(data)
    found = encode.run(None, {"values": padded, "lengths": lengths})[0]
    np.testing.assert_allclose(found, vectors, rtol=0, atol=5e-6 * np.abs(vectors).max())
    steps = decode.run(None, {"vector": vectors, "lengths": lengths})[0]
    again = estimator.inverse_transform(vectors, lengths)
    assert steps.shape == (n, lengths.max(), 2)
    for k, length in enumerate(lengths):
        np.testing.assert_allclose(steps[k, :length], again[k], rtol=0, atol=1e-5 * np.abs(again[k]).max())
        assert not steps[k, length:].any()


@needs_onnx
def test_onnx_states_its_versions() -> None:
    model = onnx_model(programs_of(SequenceAutoencoder("linear", verbose=False).fit(sequences(20, 1)))[0])
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)


@needs_gcc
def test_c_refuses_a_wrong_number_of_steps(tmp_path: Path) -> None:
    encode, *_ = programs = programs_of(SequenceAutoencoder("linear", verbose=False).fit(sequences(20, 1)))
    library = compiled(tmp_path, programs)
    work = ctypes.create_string_buffer(library.model_size())
    for n in (0, -1, encode.longest + 1):
        assert library.model_encode(work, ctypes.c_void_p(None), n, ctypes.c_void_p(None)) == -1


@needs_gcc
def test_c_tells_its_sizes(tmp_path: Path) -> None:
    programs = programs_of(SequenceAutoencoder("linear", verbose=False).fit(sequences(20, 1)))
    made, library = write_c(tmp_path, programs), compiled(tmp_path, programs)
    assert made.n_work <= library.model_size() <= made.n_work + 64  # for alignment
    told = subprocess.run(["size", "-A", tmp_path / "model.so"], capture_output=True, text=True, check=True).stdout
    constants = next(int(line.split()[1]) for line in told.splitlines() if line.startswith(".rodata"))
    assert 0.9 * made.n_flash <= constants <= made.n_flash + 4096  # small constants may move into the code


@given(st.integers(1, 30), st.integers(1, 20))
def test_interpolation_weights_add_up(n: int, n_points: int) -> None:
    np.testing.assert_allclose(interpolation(n, n_points).sum(axis=1), 1, rtol=1e-12)


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(1, 8), st.integers(1, 2), st.integers(0, 99))
def test_a_curve_is_the_least_squares_solution(n: int, n_points: int, n_channels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mean, components = rng.normal(size=(n_points, n_channels)), rng.normal(size=(3, n_points, n_channels))
    prior, steps = rng.uniform(0.1, 1, 3), rng.normal(size=(n, n_channels))
    fit = CurveFit(("x",), "z", mean, components, prior)

    def loss(z: np.ndarray) -> float:
        curve = mean + np.tensordot(z, components, 1)
        at_steps = np.array([[np.interp(t, range(n_points), c) for c in curve.T] for t in places])
        return float(np.sum((steps - at_steps) ** 2) + np.sum(prior * z**2))

    places = np.linspace(0, n_points - 1, n) if n > 1 else [(n_points - 1) / 2]
    z = np.asarray(fit.run(steps), float)
    for k in range(3):
        assert min(loss(z + 1e-2 * np.eye(3)[k]), loss(z - 1e-2 * np.eye(3)[k])) >= loss(z)


def test_a_program_prints_itself() -> None:
    programs = programs_of(SequenceAutoencoder("linear", verbose=False).fit(sequences(20, 2)))
    told = str(programs[0]).splitlines()
    assert told[0].startswith("encode(values (n, 2)): ")
    assert "    scaled (n, 2) = Scale(values)" in told
    assert len(told) <= 10


@pytest.mark.parametrize("name", ["Model", "1st", "a-b", ""])
def test_a_name_that_is_none_in_c_is_refused(name: str, tmp_path: Path) -> None:
    programs = programs_of(SequenceAutoencoder("linear", verbose=False).fit(sequences(20, 1)))
    with pytest.raises(InvalidParameter, match="name must be of a-z"):
        write_c(tmp_path, programs, name)
    assert not list(tmp_path.iterdir())


@needs_onnx
def test_the_command(tmp_path: Path) -> None:
    model = tmp_path / "m.seqae"
    SequenceAutoencoder("linear", verbose=False).fit(sequences(20, 1)).save(model)
    run = partial(CliRunner().invoke, app)
    done = run(["export", str(model), "--c", str(tmp_path / "c"), "--onnx", str(tmp_path / "o"), "--name", "walk"])
    assert done.exit_code == 0
    assert "bytes of constants" in done.stdout
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["walk.c", "walk.h"]
    assert sorted(path.stem for path in (tmp_path / "o").iterdir()) == ["decode", "encode", "length"]
    for arguments, told in (([], "say what to write"), (["--c", str(model)], "cannot write")):
        refused = run(["export", str(model), *arguments])
        assert refused.exit_code == 2
        assert told in refused.stderr


def trained(preset: str, cell: str) -> tuple[SequenceAutoencoder, list[np.ndarray]]:
    """A small autoencoder of a preset, trained a little, and sequences that it takes."""
    data = [x for x in sequences(30, 2) if len(x) >= 20]
    small: dict[str, object] = {"hidden_size": 5, "latent_size": 6}
    if preset in ("reshape", "dense_reshape"):
        data, small = [x[:20] for x in data], {"hidden_size": 5, "latent_size": 40}
    if preset in ("stacked", "hybrid", "linear"):
        small = {}
    estimator = SequenceAutoencoder(preset, cell=cell, max_epochs=2, verbose=False, random_state=0, **small).fit(data)
    if preset == "hybrid":  # nothing was kept after two epochs
        with torch.no_grad():
            estimator.decoder_.correction.head.weight.normal_(0, 0.3)  # pyright: ignore
    return estimator, data[:4]


NUMBERS = [preset for preset in PRESETS if "tokens" not in preset]


def reason_against(preset: str) -> str:
    """Why a preset has no programs, else "". Tokens have no numbers to scale."""
    plan = PRESETS[preset]
    return problem_of(plan) if isinstance(plan, Architecture) else ""


CELLS = [
    pytest.param(preset, cell, marks=[pytest.mark.long] if (k + m) % 2 else [])
    for k, preset in enumerate(NUMBERS)
    for m, cell in enumerate(["lstm", "gru"])
]
"""Every preset, with one cell; with the other one in the long tests."""


@pytest.mark.parametrize(("preset", "cell"), CELLS)
def test_presets(preset: str, cell: str, tmp_path: Path) -> None:
    estimator, data = trained(preset, cell)
    if reason_against(preset):
        with pytest.raises(InvalidParameter, match=f"{reason_against(preset)} are no operations of a program yet"):
            programs_of(estimator)
        return
    check_all(lambda program, **values: in_numpy(program, tmp_path, **values), estimator, data)
    if has_onnx:
        check_all(lambda program, **values: in_onnx(program, tmp_path, **values), estimator, data)
    if shutil.which("gcc"):
        library = compiled(tmp_path, programs_of(estimator))
        check_all(lambda program, **values: in_c(library, program, **values), estimator, data)


def test_the_table_of_presets_is_true() -> None:
    page = (Path(__file__).parent.parent / "docs" / "exports.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|$", page, re.MULTILINE)
    expected = {preset: reason_against(preset) or "yes | yes | yes" for preset in PRESETS}
    assert {preset: told.removeprefix("no: ").removesuffix(" | |") for preset, told in rows} == expected


def test_tokens_are_refused() -> None:
    estimator = SequenceAutoencoder("tokens", latent_size=2, hidden_size=4, max_epochs=1, verbose=False)
    with pytest.raises(InvalidParameter, match="symbols are no operations of a program yet"):
        programs_of(estimator.fit(["anna", "bob", "eve"]))


def test_layers_that_read_nothing_are_refused() -> None:
    plan = Architecture(decoder=InitialState())
    estimator = SequenceAutoencoder(plan, latent_size=3, hidden_size=4, max_epochs=1, verbose=False)
    with pytest.raises(InvalidParameter, match="layers that read nothing are no operations"):
        programs_of(estimator.fit(sequences(20, 1)))


def test_activations_are_kept(tmp_path: Path) -> None:
    plan = replace(PRESETS["repeat"], activation="relu")  # pyright: ignore[reportArgumentType]
    estimator = SequenceAutoencoder(plan, latent_size=3, hidden_size=4, max_epochs=2, verbose=False, random_state=0)
    data = sequences(30, 2)
    estimator.fit(data)
    check_all(lambda program, **values: in_numpy(program, tmp_path, **values), estimator, data[:4])
    if has_onnx:
        check_all(lambda program, **values: in_onnx(program, tmp_path, **values), estimator, data[:4])
    if shutil.which("gcc"):
        library = compiled(tmp_path, programs_of(estimator))
        check_all(lambda program, **values: in_c(library, program, **values), estimator, data[:4])


def test_probabilities_are_refused() -> None:
    data = [(x > x.mean()).astype(np.float32) for x in sequences(20, 1)]
    estimator = SequenceAutoencoder("repeat", latent_size=2, hidden_size=4, max_epochs=1, loss="bce", verbose=False)
    with pytest.raises(InvalidParameter, match="probabilities are no operations"):
        programs_of(estimator.fit(data))


@needs_gcc
def test_c_writes_cut_vectors_at_their_own_length_alone(tmp_path: Path) -> None:
    estimator, _ = trained("reshape", "lstm")
    library = compiled(tmp_path, programs_of(estimator))
    work, vector = ctypes.create_string_buffer(library.model_size()), np.zeros(40, np.float32)
    result = np.zeros((20, 2), np.float32)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (vector, result)]
    assert [library.model_decode(work, pointers[0], n, pointers[1]) for n in (20, 19, 21)] == [0, -1, -1]


@needs_onnx
def test_files_are_written_for_each_program(tmp_path: Path) -> None:
    programs = programs_of(SequenceAutoencoder("linear", verbose=False).fit(sequences(20, 1)))
    assert [path.name for path in write_onnx(tmp_path / "new", programs)] == [
        "encode.onnx",
        "decode.onnx",
        "length.onnx",
    ]


@needs_gcc
def test_the_example_in_c_runs(tmp_path: Path) -> None:
    page = Path(__file__).parent.parent / "docs" / "exports.md"
    (example,) = re.findall(r"^```c\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "main.c").write_text(example)
    estimator = SequenceAutoencoder("linear", verbose=False).fit(sequences(40, 2))
    assert f"vector[{estimator.latent_size_}]" in example
    write_c(tmp_path, programs_of(estimator), "walk")
    files = [str(tmp_path / name) for name in ("main.c", "walk.c")]
    subprocess.run(["gcc", *FLAGS, "-o", tmp_path / "main", *files, "-lm"], check=True)
    subprocess.run([tmp_path / "main"], check=True)
