"""A fitted autoencoder as the content of a model file, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, get_type_hints

import numpy as np
import torch

from ..errors import ModelFileError, SeqaeError
from ..model.autoencoder import Autoencoder
from ..model.building import build_for, n_learnt
from ..model.interface import Part
from ..model.learnt import learnt_in
from ..model.losses import Loss, as_loss
from ..model.plans import DataShape, Plan
from ..parameters import DEFAULTS, Defaults
from ..sequences.checks import MAX_MAGNITUDE
from ..sequences.scaling import Scaling
from ..training.history import History
from .description import PLANS, Layers, Structure
from .model_file import ModelFile
from .vetting import Arrays, as_count, as_mapping, checked, decoded, misfit, shown

KIND = "autoencoder"
_MODEL = "model."
DESCRIPTIONS = {**PLANS, "Loss": Loss}
"""What a parameter may be beside a name or a number; nothing else is made of what stands in a file."""
_KINDS: dict[str, Any] = {
    **get_type_hints(Defaults),
    "architecture": str | Plan,
    "loss": str | Loss,
    "scale": bool,
    "random_state": int | None,
}
"""The estimator's parameters, and what each of them is."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What fit() leaves behind. parameters: of the estimator, with architecture and loss as they were given."""

    parameters: Mapping[str, Any]
    model: Autoencoder
    shape: DataShape
    scaling: Scaling
    history: History
    channel_names: tuple[str, ...]
    vocabulary: tuple[str, ...] | None = None


def pack(fitted: Fitted) -> ModelFile:
    """The file's content. Raises ModelFileError for a parameter that no file can hold."""
    weights = fitted.model.state_dict().items()
    tensors = {_MODEL + name: np.ascontiguousarray(tensor.detach().cpu().numpy()) for name, tensor in weights}
    tensors |= {"scaling.centre": fitted.scaling.centre, "scaling.scale": fitted.scaling.scale}
    config = {
        "parameters": {name: _to_json(value) for name, value in fitted.parameters.items()},
        "history": asdict(fitted.history),
        "channel_names": list(fitted.channel_names),
        "shape": asdict(fitted.shape),
        "vocabulary": fitted.vocabulary,
        "structure": asdict(_structure(fitted.model)),
    }
    return ModelFile(KIND, config, tensors)


def unpack(file: ModelFile) -> Fitted:
    """What pack() was given.

    Every part is vetted before a module is built, and no module has more layers than the file has arrays.

    Raises ModelFileError if the parts do not fit together.
    """
    try:
        return _unpack(file)
    except ModelFileError:
        raise
    except (SeqaeError, KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError) as error:
        raise misfit("the model", f"cannot be built ({shown(str(error), 200)})") from error


def _unpack(file: ModelFile) -> Fitted:
    config, arrays = file.config, Arrays(file.tensors)
    for name in ("parameters", "shape", "history", "channel_names"):
        if name not in config:
            raise misfit("the file", f"lacks {name}")
    parameters = _parameters(as_mapping(config["parameters"], "parameters"))
    shape = decoded(DataShape, config["shape"], "shape")
    names = decoded(tuple[str, ...], config["channel_names"], "channel_names")
    vocabulary = decoded(tuple[str, ...] | None, config.get("vocabulary"), "vocabulary")
    n_channels = as_count(shape.n_channels, "shape.n_channels", least=1, most=max(arrays.n_values, 1))
    if len(names) != n_channels or len(set(names)) != n_channels:
        raise misfit("channel_names", f"must be {n_channels} different names")
    if vocabulary is not None and not len(set(vocabulary)) == len(vocabulary) <= (shape.n_symbols or 0):
        raise misfit("vocabulary", f"must be at most {shape.n_symbols} different texts")
    _check_layers(parameters, len(file.tensors))
    history = decoded(History, config["history"], "history")
    least = min(1, len(history.epochs)) if history.closed_form is None else 0
    as_count(history.best_epoch, "history.best_epoch", least=least, most=len(history.epochs))
    checked(lambda: as_loss(parameters["loss"], of_tokens=shape.n_symbols is not None), "parameters.loss")
    model = _model(parameters, shape, arrays)
    return Fitted(parameters, model, shape, _scaling(arrays, n_channels), history, names, vocabulary)


def _parameters(saved: Mapping[str, object]) -> dict[str, Any]:
    """The parameters of the estimator, each of its own type."""
    saved = {"quality": DEFAULTS.quality, **saved}  # which files did not tell at first
    for name in saved:
        if name not in _KINDS:
            raise misfit("parameters", f"has {shown(name)}, which is no parameter")
    for name in _KINDS:
        if name not in saved:
            raise misfit("parameters", f"lacks {name}")
    return {name: decoded(_KINDS[name], value, f"parameters.{name}", DESCRIPTIONS) for name, value in saved.items()}


def _check_layers(parameters: Mapping[str, Any], n_arrays: int) -> None:
    """Building a layer takes time, however small it is: there are no more layers than arrays."""
    if parameters["n_layers"] is not None:
        as_count(parameters["n_layers"], "parameters.n_layers", least=1, most=n_arrays)
    if not isinstance(plan := parameters["architecture"], str) and plan.n_layers is not None:
        as_count(plan.n_layers, "parameters.architecture.encoder.layers", least=1, most=n_arrays)


def _scaling(arrays: Arrays, n_channels: int) -> Scaling:
    kinds, most = (np.float32, np.float64), MAX_MAGNITUDE
    centre = arrays.take("scaling.centre", (n_channels,), kinds, least=-most, most=most)
    return Scaling(centre, arrays.take("scaling.scale", (n_channels,), centre.dtype, above=0, most=2 * most))


def _model(parameters: Mapping[str, Any], shape: DataShape, arrays: Arrays) -> Autoencoder:
    """The module with the file's weights, each of the shape and type that the module has."""
    with torch.device("meta"):  # sizes in a damaged file must not allocate anything
        model = build_for(parameters, shape)
    saved, learnt = arrays.below(_MODEL), learnt_in(model)
    own_sizes = {name for name in saved.tensors if name.startswith(tuple(learnt))}
    wanted = model.state_dict()
    saved.only(set(wanted) | own_sizes)
    weights = {name: torch.from_numpy(np.array(saved.tensors[name])) for name in own_sizes}
    for name, tensor in wanted.items():
        kind = torch.empty(0, dtype=tensor.dtype).numpy().dtype
        weights[name] = torch.from_numpy(np.array(saved.take(name, tuple(tensor.shape), kind)))
    model.load_state_dict(weights, assign=True)
    for part in learnt.values():
        part.check()
    model.tie()
    return model


def _structure(model: Autoencoder) -> Structure:
    parts = {"encoder": model.encoder, **model.decoders}
    return Structure(n_learnt(model), tuple(_layers(name, part) for name, part in parts.items()))


def _layers(name: str, part: Part) -> Layers:
    layers = part.recurrent_layers
    return Layers(
        part=name,
        sizes=tuple(directions[0].weight_hh.shape[1] for directions in layers),
        cells=tuple(dict.fromkeys(layer.cell.kind for directions in layers for layer in directions)),
        n_both=sum(len(directions) == 2 for directions in layers),
    )


def _to_json(value: Any) -> Any:
    """JSON of a name, a number, or a description: its class beside its fields."""
    if is_dataclass(value):
        return {"is": type(value).__name__} | {
            f.name: _to_json(getattr(value, f.name)) for f in fields(value) if f.init
        }
    if isinstance(value, tuple):
        return [_to_json(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value
