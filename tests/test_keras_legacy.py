"""Files of Keras 2.13 to 2.15, against what Keras 2.15 itself computed with them."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqae.errors import ModelFileError
from seqae.interop.keras import load_keras
from seqae.interop.keras_legacy import modern_arrays

h5py = pytest.importorskip("h5py")
FIXTURES = Path(__file__).parent / "fixtures" / "keras" / "keras2"
NAMES = ["functional", "nested", "sequentials", "states"]


def check(name: str, path: Path) -> None:
    """The file's vectors and reconstructions are the recorded ones."""
    ae = load_keras(path)
    with np.load(FIXTURES / f"{name}.npz") as wanted:
        np.testing.assert_allclose(ae.transform(wanted["x"]), wanted["z"], atol=1e-5)
        np.testing.assert_allclose(ae.reconstruct(wanted["x"]).to_padded()[0], wanted["y"], atol=1e-5)


def rewritten(
    name: str,
    path: Path,
    *,
    place: Callable[[str], str] = str,
    change: Callable[[dict[str, dict[str, Any]]], None] | None = None,
) -> Path:
    """The recorded file with other places of its weights, or with layers, by name, that `change` has changed."""
    with zipfile.ZipFile(FIXTURES / f"{name}.keras") as archive:
        parts = {member: archive.read(member) for member in archive.namelist()}
    config = json.loads(parts["config.json"])
    if change is not None:
        change({item["config"]["name"]: item for item in config["config"]["layers"]})
    arrays: dict[str, np.ndarray] = {}

    def keep(found: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[found] = item[()]

    with h5py.File(io.BytesIO(parts["model.weights.h5"]), "r") as file:
        file.visititems(keep)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for found, array in arrays.items():
            file[place(found)] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path


def counted_twice(place: str) -> str:
    """As Keras 2.13 counted: each layer with weights stands twice among the dependencies of its model."""
    parts = place.split("/")
    for k, part in enumerate(parts):
        if part == "layers":
            kind, _, number = parts[k + 1].rpartition("_")
            parts[k] = "_layer_checkpoint_dependencies"
            parts[k + 1] = f"{kind}_{2 * int(number)}" if number.isdigit() else parts[k + 1]
    return "/".join(parts)


def of_windows(place: str) -> str:
    before, behind = counted_twice(place).split("/vars/")
    return before.replace("/", "\\") + "/vars/" + behind


@pytest.mark.parametrize("name", NAMES)
def test_vectors_and_reconstructions_are_those_of_keras_2(name: str) -> None:
    check(name, FIXTURES / f"{name}.keras")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [counted_twice, of_windows, lambda found: found.replace("/", "\\")])
def test_weights_may_lie_where_earlier_versions_and_windows_put_them(
    name: str, place: Callable[[str], str], tmp_path: Path
) -> None:
    check(name, rewritten(name, tmp_path / "m.keras", place=place))


def test_layers_keep_their_order_beyond_ten() -> None:
    numbers = {"": 0.0, "_2": 1.0, "_10": 2.0}
    given = {f"_layer_checkpoint_dependencies/lstm{n}/cell/vars/0": np.array(v, np.float32) for n, v in numbers.items()}
    wanted = {"layers/lstm/cell/vars/0": 0.0, "layers/lstm_1/cell/vars/0": 1.0, "layers/lstm_2/cell/vars/0": 2.0}
    assert modern_arrays(given) == wanted


def test_two_arrays_for_one_place_are_refused() -> None:
    places = ("layers/lstm/vars/0", "_layer_checkpoint_dependencies/lstm/vars/0")
    with pytest.raises(ModelFileError, match="weights layers/lstm/vars/0 are in the file twice"):
        modern_arrays(dict.fromkeys(places, np.zeros(1, np.float32)))


H5_NAMES = ["functional", "nested", "sequentials", "frozen"]


def recorded_h5(name: str, path: Path) -> Path:
    """A recorded .h5 file, which is kept compressed."""
    path.write_bytes(gzip.decompress((FIXTURES / f"{name}.h5.gz").read_bytes()))
    return path


@pytest.mark.parametrize("name", H5_NAMES)
def test_h5_files_give_the_vectors_of_keras_2(name: str, tmp_path: Path) -> None:
    check(name, recorded_h5(name, tmp_path / "m.h5"))


def h5_changed(path: Path, old: str, new: str) -> Path:
    """A recorded .h5 file with another configuration."""
    with h5py.File(recorded_h5("functional", path), "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace(old, new)
    return path


def test_code_in_an_h5_file_is_refused_by_name(tmp_path: Path) -> None:
    path = h5_changed(tmp_path / "m.h5", '"class_name": "RepeatVector"', '"class_name": "Lambda"')
    with pytest.raises(ModelFileError, match="layer 'repeat_vector' is a Lambda, which cannot be imported"):
        load_keras(path)


def test_weights_that_a_layer_lacks_are_refused_by_its_name(tmp_path: Path) -> None:
    path = recorded_h5("functional", tmp_path / "m.h5")
    with h5py.File(path, "r+") as file:
        del file["model_weights/lstm_1/lstm_1/lstm_cell/bias:0"]
    with pytest.raises(ModelFileError, match=r"layer 'lstm_1' \(LSTM\) has 2 weights in the file"):
        load_keras(path)


def test_h5_files_of_weights_alone_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    alone, damaged = tmp_path / "w.h5", tmp_path / "d.h5"
    with h5py.File(alone, "w") as file:
        file["lstm/kernel:0"] = np.zeros(3, np.float32)
    damaged.write_bytes(recorded_h5("functional", damaged).read_bytes()[:3000])
    with pytest.raises(ModelFileError, match="holds weights without their model"):
        load_keras(alone)
    with pytest.raises(ModelFileError, match=r"d\.h5 is damaged"):
        load_keras(damaged)


def steps_first(layers: dict[str, dict[str, Any]]) -> None:
    layers["lstm_1"]["config"]["time_major"] = True


def constant_input(layers: dict[str, dict[str, Any]]) -> None:
    layers["lstm_1"]["inbound_nodes"] = [[["_CONSTANT_VALUE", -1, 2.0, {}]]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (steps_first, "layer 'lstm_1' has time_major=True"),
        (constant_input, "layer 'lstm_1' reads .*_CONSTANT_VALUE.*, which is no output of a layer"),
    ],
)
def test_what_cannot_be_imported_is_refused_by_name(
    change: Callable[[dict[str, dict[str, Any]]], None], message: str, tmp_path: Path
) -> None:
    path = rewritten("functional", tmp_path / "m.keras", change=change)
    with pytest.raises(ModelFileError, match=message):
        load_keras(path)
