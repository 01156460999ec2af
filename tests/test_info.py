"""seqae info: what it says is what the model is."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqae import AnomalyDetector, SequenceAutoencoder
from seqae.cli.info import description, info
from seqae.errors import ModelFileError
from seqae.interop.keras import load_keras
from seqae.model.presets import PRESETS
from seqae.storage.model_file import ModelFile

from .conftest import make_waves

BOTH = ", forward and backward in time"
LAYERS = {  # of 64 units and a vector of 8 values, on sequences of 4 steps and 2 channels
    "repeat": (f"1 layer of 64 lstm units{BOTH}", "1 layer of 64 lstm units"),
    "stacked": ("2 layers of 16 and 8 lstm units", "2 layers of 8 and 16 lstm units"),
    "outputs": (f"1 layer of 64 lstm units{BOTH}", "1 layer of 64 lstm units"),
    "tokens": (f"1 layer of 64 lstm units{BOTH}", "1 layer of 64 lstm units"),
    "hybrid_tokens": (f"1 layer of 64 lstm units{BOTH}", "1 layer of 64 lstm units"),
    "state": ("1 layer of 64 lstm units", "1 layer of 64 lstm units"),
    "seq2seq": ("4 layers of 64 lstm units", "4 layers of 64 lstm units"),
    "encdec_ad": ("1 layer of 64 lstm units", "1 layer of 64 lstm units"),
    "composite": (f"1 layer of 64 lstm units{BOTH}", "1 layer of 64 lstm units"),
    "reshape": ("1 layer of 64 lstm units", "1 layer of 64 lstm units"),
    "dense_reshape": ("1 layer of 64 lstm units", "1 layer of 8 lstm units"),
    "variational": (f"1 layer of 64 lstm units{BOTH}", "1 layer of 64 lstm units"),
    "denoising": (f"1 layer of 64 lstm units{BOTH}", "1 layer of 64 lstm units"),
    "hybrid": ("no recurrent layers", f"1 layer of 64 lstm units{BOTH}"),
    "linear": ("no recurrent layers", "no recurrent layers"),
    "conv": (f"1 layer of 64 lstm units{BOTH}", "1 layer of 64 lstm units"),
}


def fitted(name: str) -> SequenceAutoencoder:
    loss = "cross_entropy" if "tokens" in name else "mse"
    X = [np.array([0, 1, 2, 1])] * 3 if "tokens" in name else make_waves(3, seed=0, shortest=4, longest=4)
    return SequenceAutoencoder(name, latent_size=8, loss=loss, max_epochs=1, random_state=0, verbose=False).fit(X)


def as_read(ae: SequenceAutoencoder) -> ModelFile:
    """The content of its file, as reading gives it."""
    file = ae.to_model_file()
    return replace(file, config=json.loads(json.dumps(file.config)))


@pytest.mark.parametrize("name", PRESETS)
def test_the_layers_of_every_preset_are_those_of_its_model(name: str) -> None:
    told = description(as_read(fitted(name)))
    assert (told["encoder"], told["decoder"]) == LAYERS[name]
    assert told["architecture"] == name
    assert ("predictor" in told) == (name == "composite")


def test_an_imported_model_tells_its_layers() -> None:
    told = description(as_read(load_keras(Path(__file__).parent / "fixtures" / "keras" / "gru_bidirectional.keras")))
    assert told["encoder"] == "2 layers of 12 and 8 gru units, 1 of them forward and backward"
    assert told["decoder"] == "1 layer of 12 gru units"


def test_names_of_channels_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ae = fitted("repeat")
    ae.channel_names_ = ("\x1b[2J\r°C", "[red]b")
    ae.save(tmp_path / "m.seqae")
    info(tmp_path / "m.seqae")
    told = capsys.readouterr().out
    assert r"\x1b[2J\r°C, [red]b" in told
    assert "\x1b[2J" not in told


def test_torch_is_not_imported(tmp_path: Path) -> None:
    ae = fitted("repeat")
    ae.save(tmp_path / "m.seqae")
    AnomalyDetector(ae, window=4).fit([np.sin(np.arange(80))[:, None].repeat(2, axis=1)]).save(tmp_path / "d.seqae")
    code = """
import sys
from typer.testing import CliRunner
from seqae.cli import app
for path in sys.argv[1:]:
    result = CliRunner().invoke(app, ["info", path])
    assert result.exit_code == 0, result.output
print([name for name in ("torch", "sklearn", "scipy", "pyarrow", "pandas") if name in sys.modules])
"""
    paths = [str(tmp_path / name) for name in ("m.seqae", "d.seqae")]
    result = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("part", ["structure", "history", "parameters", "shape", "channel_names"])
def test_a_file_without_a_part_is_refused(part: str) -> None:
    file = as_read(fitted("repeat"))
    config = {name: value for name, value in file.config.items() if name != part}
    with pytest.raises(ModelFileError, match=part):
        description(replace(file, config=config))
