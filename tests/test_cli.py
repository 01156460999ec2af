"""The command line on good input: ids, times and order survive; help is there; nothing heavy is imported."""

from __future__ import annotations

import inspect
import platform
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from seqae import SequenceAutoencoder, __version__, active_kernel, load, read
from seqae.cli import COMMANDS, app
from seqae.cli.fit import fit
from seqae.cli.options import spread

from .conftest import make_waves

COLUMNS = ["--id", "person", "--time", "second"]
TINY = ["--architecture", "repeat", "--latent-size", "3", "--hidden-size", "4", "--max-epochs", "2"]


def seqae(*arguments: object) -> str:
    """Run a command that must succeed; its standard output."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.stderr
    told = [line for line in result.stderr.splitlines() if not line.startswith("epoch ")]  # progress
    assert arguments[0] == "detect" or told == []  # detect tells there what it chose
    return result.stdout


def seqae_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seqae", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def make_walks() -> pd.DataFrame:
    """12 sequences of 3..9 steps with text ids that are not in order, and uneven times."""
    rng = np.random.default_rng(0)
    frames = []
    for k, wave in enumerate(make_waves(12, seed=1, longest=9)):
        seconds = np.cumsum(rng.uniform(0.5, 1.5, len(wave))).round(3)
        frames.append(pd.DataFrame({"person": f"p{(k * 5) % 12}", "second": seconds, "x": wave[:, 0], "y": wave[:, 1]}))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with walks.csv and walks.seqae, fitted on it."""
    folder = tmp_path_factory.mktemp("cli")
    make_walks().to_csv(folder / "walks.csv", index=False)
    seqae("fit", folder / "walks.csv", *COLUMNS, *TINY, "-o", folder / "walks.seqae")
    return folder


# -- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_every_command_has_help_with_an_example(command: object) -> None:
    text = seqae(command.__name__, "--help")
    assert "Example:" in text
    assert f"seqae {command.__name__}" in text


def test_help_and_no_arguments_list_the_commands() -> None:
    listed = seqae("--help")
    assert all(command.__name__ in listed for command in COMMANDS)
    assert CliRunner().invoke(app, []).exit_code == 2


def test_version() -> None:
    first, second = seqae("--version").splitlines()
    assert first == f"seqae {__version__}, kernel {active_kernel()}"
    assert second.startswith(f"Python {platform.python_version()}, numpy {np.__version__}, torch ")


def test_help_of_every_command_imports_nothing_heavy() -> None:
    heavy = ("torch", "sklearn", "pandas", "pyarrow", "safetensors", "scipy")
    code = f"""
import sys
from typer.testing import CliRunner
from seqae.cli import COMMANDS, app
for command in COMMANDS:
    assert CliRunner().invoke(app, [command.__name__, "--help"]).exit_code == 0
print([name for name in {heavy!r} if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_fit_has_the_estimators_options_and_defaults() -> None:
    options = {name: option.default for name, option in inspect.signature(spread(fit)).parameters.items()}
    for name, parameter in inspect.signature(SequenceAutoencoder).parameters.items():
        if name not in ("callbacks", "verbose", "random_state"):  # a command can be repeated: its seed is 0
            assert options[name] == parameter.default, name


@dataclass(frozen=True)
class Point:
    x: Annotated[int, typer.Argument()]
    y: Annotated[float, typer.Option("--why")] = 2.0
    note: str = "no option"


def test_a_dataclass_among_the_parameters_is_spread_into_its_options() -> None:
    def show(name: str, point: Point, *, times: int = 1) -> None:
        typer.echo(repr((name, point, times)))

    assert list(inspect.signature(spread(show)).parameters) == ["name", "x", "y", "times"]
    small = typer.Typer()
    small.command()(spread(show))
    shown = CliRunner().invoke(small, ["a", "3", "--times", "4"]).stdout
    assert shown == f"{('a', Point(3), 4)}\n"
    assert CliRunner().invoke(small, ["a", "3", "--why", "0.5"]).stdout == f"{('a', Point(3, 0.5), 1)}\n"


@pytest.mark.parametrize("command", ["fit", "embed", "reconstruct", "detect", "forecast", "compare"])
def test_commands_that_read_data_take_the_same_options(command: str) -> None:
    text = seqae(command, "--help")
    places = [text.index(f" {option} ") for option in ("DATA", "--id", "--time", "--channels", "--wide", "--missing")]
    assert places == sorted(places)


# -- fit -------------------------------------------------------------------------------------------------------------


def test_fit_saves_what_python_would(folder: Path, tmp_path: Path) -> None:
    text = seqae("fit", folder / "walks.csv", *COLUMNS, *TINY, "--seed", 7, "-o", tmp_path / "m.seqae")
    for part in ("12 of 3 to 9 steps", "2 (x, y)", "of 2", "validation", "m.seqae"):
        assert part in " ".join(text.split())
    model = SequenceAutoencoder("repeat", latent_size=3, hidden_size=4, max_epochs=2, random_state=7, verbose=False)
    sequences = [group[["x", "y"]].to_numpy() for _, group in make_walks().groupby("person", sort=False)]
    np.testing.assert_array_equal(
        load(tmp_path / "m.seqae").transform(sequences), model.fit(sequences).transform(sequences)
    )


def test_fit_passes_every_option_on(folder: Path, tmp_path: Path) -> None:
    options = {
        "architecture": "repeat",
        "latent_size": 2,
        "hidden_size": 5,
        "n_layers": 2,
        "cell": "gru",
        "loss": "mae",
        "max_epochs": 3,
        "batch_size": 4,
        "learning_rate": 0.001,
        "validation_fraction": 0.0,
        "device": "cpu",
    }
    given = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    model = tmp_path / "m.seqae"
    seqae("fit", folder / "walks.csv", *COLUMNS, *given, "--no-scale", "--patience", 0, "--seed", 3, "-o", model)
    parameters = load(model).get_params()
    assert {name: parameters[name] for name in options} == options
    assert (parameters["scale"], parameters["patience"], parameters["random_state"]) == (False, None, 3)
    assert len(load(model).history_.epochs) == 3


def test_quiet_prints_nothing(folder: Path, tmp_path: Path) -> None:
    assert seqae("fit", folder / "walks.csv", *COLUMNS, *TINY, "-q", "-o", tmp_path / "m.seqae") == ""


def test_checkpoint_resumes(folder: Path, tmp_path: Path) -> None:
    command = ["fit", folder / "walks.csv", *COLUMNS, *TINY, "--checkpoint", tmp_path / "run.ckpt"]
    seqae(*command, "-o", tmp_path / "first.seqae")
    seqae(*command, "-o", tmp_path / "second.seqae")
    first, second = load(tmp_path / "first.seqae"), load(tmp_path / "second.seqae")
    assert second.history_ == first.history_  # to the seconds: no epoch was run again


def test_training_goes_on_from_a_saved_model(folder: Path, tmp_path: Path) -> None:
    first, further = folder / "walks.seqae", tmp_path / "further.seqae"
    seqae("fit", folder / "walks.csv", "--from", first, "--max-epochs", 2, "--freeze", "encoder", "-o", further)
    before, after = load(first), load(further)
    assert after.get_params()["hidden_size"] == before.get_params()["hidden_size"]
    assert np.array_equal(before.scaling_.centre, after.scaling_.centre)
    walks = read(folder / "walks.csv", id="person", time="second")
    assert np.array_equal(before.transform(walks), after.transform(walks))  # the encoder is frozen
    assert not np.array_equal(before.reconstruct(walks)[0], after.reconstruct(walks)[0])
    for options, message in (
        (("--hidden-size", 9), "--hidden-size says what a new model is"),
        (("--architecture", "state"), "--architecture says what a new model is"),
        (("--freeze", "head"), "freeze must be"),
    ):
        done = CliRunner().invoke(
            app, [str(x) for x in ("fit", folder / "walks.csv", "--from", first, *options, "-o", tmp_path / "no.seqae")]
        )
        assert done.exit_code == 2
        assert message in done.stderr
    assert not (tmp_path / "no.seqae").exists()


def test_a_constant_channel_and_a_single_sequence_are_fine(tmp_path: Path) -> None:
    pd.DataFrame({"a": np.arange(9.0), "b": 5.0}).to_csv(tmp_path / "one.csv", index=False)
    seqae("fit", tmp_path / "one.csv", *TINY, "-o", tmp_path / "m.seqae")
    seqae("embed", tmp_path / "m.seqae", tmp_path / "one.csv", "-o", tmp_path / "z.csv")
    assert np.isfinite(pd.read_csv(tmp_path / "z.csv").to_numpy()).all()


def test_wide_and_missing(tmp_path: Path) -> None:
    wide = pd.DataFrame({"name": ["b", "a"], "t0": [1.0, 2.0], "t1": [np.nan, 3.0], "t2": [2.0, np.nan]})
    wide.to_csv(tmp_path / "wide.csv", index=False)
    layout = ["--wide", "--id", "name", "--missing", "mask"]
    seqae("fit", tmp_path / "wide.csv", *layout, *TINY, "-o", tmp_path / "m.seqae")
    seqae("reconstruct", tmp_path / "m.seqae", tmp_path / "wide.csv", *layout, "-o", tmp_path / "again.csv")
    assert list(pd.read_csv(tmp_path / "again.csv")["name"]) == ["b", "b", "b", "a", "a"]


# -- embed, reconstruct, info ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_embed_keeps_ids_and_order(folder: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"z.{suffix}"
    text = seqae("embed", folder / "walks.seqae", folder / "walks.csv", *COLUMNS, "-o", output)
    assert text == f"12 vectors of 3 values: {output}\n"
    table = pd.read_csv(output) if suffix == "csv" else pd.read_parquet(output)
    walks = make_walks()
    assert list(table["person"]) == list(walks["person"].unique())
    sequences = [group[["x", "y"]].to_numpy() for _, group in walks.groupby("person", sort=False)]
    expected = load(folder / "walks.seqae").transform(sequences)
    np.testing.assert_allclose(table[["z0", "z1", "z2"]], expected, rtol=1e-5, atol=1e-6)


def test_rows_of_a_sequence_need_not_be_adjacent(folder: Path, tmp_path: Path) -> None:
    walks = make_walks()
    walks.iloc[np.argsort(walks["second"], kind="stable")].to_csv(tmp_path / "mixed.csv", index=False)
    for data in (folder / "walks.csv", tmp_path / "mixed.csv"):
        seqae("embed", folder / "walks.seqae", data, *COLUMNS, "-o", tmp_path / f"{data.stem}_z.csv")
    tables = [pd.read_csv(tmp_path / name).sort_values("person") for name in ("walks_z.csv", "mixed_z.csv")]
    np.testing.assert_allclose(tables[0][["z0", "z1", "z2"]], tables[1][["z0", "z1", "z2"]], rtol=1e-4, atol=1e-5)


def test_reconstruct_keeps_ids_times_and_channels(folder: Path, tmp_path: Path) -> None:
    output, errors = tmp_path / "again.parquet", tmp_path / "errors.csv"
    seqae("reconstruct", folder / "walks.seqae", folder / "walks.csv", *COLUMNS, "-o", output, "--errors", errors)
    walks, table = make_walks(), pd.read_parquet(output)
    assert list(table.columns) == ["person", "second", "x", "y"]
    pd.testing.assert_frame_equal(table[["person", "second"]], walks[["person", "second"]], check_dtype=False)
    model = load(folder / "walks.seqae")
    sequences = [group[["x", "y"]].to_numpy() for _, group in walks.groupby("person", sort=False)]
    np.testing.assert_allclose(table[["x", "y"]], model.reconstruct(sequences).values, rtol=1e-5, atol=1e-6)
    by_channel = pd.read_csv(errors)
    assert list(by_channel.columns) == ["person", "error", "error_x", "error_y"]
    np.testing.assert_allclose(by_channel["error"], -model.score_samples(sequences), rtol=1e-6)


def test_channels_are_picked_by_name(folder: Path, tmp_path: Path) -> None:
    walks = make_walks().assign(speed=1.0)[["y", "speed", "x", "second", "person"]]
    walks.to_csv(tmp_path / "swapped.csv", index=False)
    for data in (folder / "walks.csv", tmp_path / "swapped.csv"):
        seqae("embed", folder / "walks.seqae", data, *COLUMNS, "-o", tmp_path / f"{data.stem}_z.csv")
    assert (tmp_path / "walks_z.csv").read_bytes() == (tmp_path / "swapped_z.csv").read_bytes()


def test_info_tells_model_training_and_versions(folder: Path) -> None:
    text = " ".join(seqae("info", folder / "walks.seqae").split())
    for part in (
        "repeat",
        "encoder 1 layer of 4 lstm units, forward and backward in time",
        "decoder 1 layer of 4 lstm units",
        "3 values",
        "2 (x, y)",
        "mse: validation",
        "of 2",
        f"seqae {__version__}",
    ):
        assert part in text


# -- as a process ----------------------------------------------------------------------------------------------------


def test_runs_as_a_process_without_a_word_on_stderr(folder: Path, tmp_path: Path) -> None:
    result = seqae_process("embed", folder / "walks.seqae", folder / "walks.csv", *COLUMNS, "-o", tmp_path / "z.csv")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_saves_the_best_so_far(folder: Path, tmp_path: Path, sent: signal.Signals, code: int) -> None:
    model, checkpoint = tmp_path / "m.seqae", tmp_path / "run.ckpt"
    options = [*TINY, "--max-epochs", "100000", "--patience", "0", "--checkpoint", checkpoint, "-o", model]
    command = [sys.executable, "-m", "seqae", "fit", folder / "walks.csv", *COLUMNS, *options]
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(sent)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert stderr.splitlines()[-1].startswith("error: training was interrupted; the best model of its whole epochs is")
    assert "interrupted" in stdout
    assert load(model).history_.stopped_by == "interrupt"


def test_fit_says_when_the_slow_kernel_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQAE_KERNEL", "reference")
    told = seqae("fit", folder / "walks.csv", *COLUMNS, *TINY, "-o", folder / "m.seqae")
    assert "kernel reference (slow" in " ".join(told.split())
