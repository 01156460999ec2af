"""The decoder of a model as names, sizes and weights, for page/decoder.js to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..model.architecture import Architecture
from ..model.autoencoder import Autoencoder
from ..model.hybrid import Hybrid
from ..model.losses import Loss
from ..model.plans import DataShape, Plan
from ..sequences.scaling import Scaling

Told = dict[str, object]


@dataclass(frozen=True, slots=True, eq=False)
class Decoding:
    """told: what decoder.js takes as `told`; arrays: its weights, float32, by name.

    problem: why the page cannot decode, else "".
    """

    told: Told = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    problem: str = ""

    @property
    def n_bytes(self) -> int:
        """Of all weights."""
        return sum(array.nbytes for array in self.arrays.values())


class Fitted(Protocol):
    """What a page needs of a fitted SequenceAutoencoder."""

    model_: Autoencoder
    scaling_: Scaling
    shape_: DataShape
    n_channels_: int
    cell: str

    @property
    def loss_(self) -> Loss:
        """How errors are measured."""
        ...


def decoding_of(estimator: Fitted) -> Decoding:
    """What a page needs to decode vectors as inverse_transform() does, or why it cannot."""
    model = estimator.model_
    family = _FAMILIES.get(type(model.architecture))
    if family is None:
        return Decoding(problem="this model was imported layer by layer, which pages do not run")
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in model.reconstructor.state_dict().items()}
    told = family(model.architecture, arrays)
    if isinstance(told, str):
        return Decoding(problem=told)
    told |= {
        "cell": estimator.cell,
        "n_channels": estimator.n_channels_,
        "n_steps": estimator.shape_.n_steps if told.get("latent_as") == "steps" else None,
        "is_probability": estimator.loss_.kind == "bce",
        "centre": [float(value) for value in estimator.scaling_.centre],
        "scale": [float(value) for value in estimator.scaling_.scale],
    }
    if model.length_head is not None:
        mean, unit, longest = model.length_head.statistics.tolist()
        told["lengths"] = {"mean": mean, "unit": unit, "longest": longest}
        head = model.length_head.map
        arrays |= {"length_head.weight": _numpy(head.weight), "length_head.bias": _numpy(head.bias)}
    return Decoding(told, {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()})


def _numpy(tensor: object) -> np.ndarray:
    return tensor.detach().cpu().numpy()  # pyright: ignore[reportAttributeAccessIssue]


def _closed_form(plan: Hybrid, arrays: Mapping[str, np.ndarray]) -> Told:
    residual = plan.residual
    return {
        "family": "closed_form",
        "n_layers": _n_layers(arrays, "correction.layers."),
        "n_waves": 0 if residual is None else residual.n_waves,
        "is_bidirectional": residual is not None and residual.is_bidirectional,
    }


def _recurrent(plan: Architecture, arrays: Mapping[str, np.ndarray]) -> Told | str:
    steps = plan.encoder.steps
    if steps.matrix_shape is not None:
        return "steps that are matrices are written by convolutions, which pages do not run"
    return {
        "family": "symbols" if plan.takes_symbols else "recurrent",
        "activation": plan.activation,
        "latent_as": plan.decoder.latent_as,
        "fills": plan.decoder.fills,
        "readout": plan.decoder.readout,
        "is_reversed": plan.decoder.is_reversed,
        "strides": list(steps.strides[::-1]),
        "n_layers": _n_layers(arrays, "layers."),
    }


def _n_layers(arrays: Mapping[str, np.ndarray], prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in arrays if name.startswith(prefix)})


_FAMILIES: Mapping[type[Plan], Callable[..., Told | str]] = {Hybrid: _closed_form, Architecture: _recurrent}
