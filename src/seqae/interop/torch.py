"""Weights of torch.nn.LSTM and torch.nn.GRU in the encoder or decoder of an autoencoder, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from ..errors import InvalidParameter
from ..model.interface import Decoder, Encoder
from ..model.layers import RecurrentLayer

_PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_NAME = re.compile(
    r"(?P<prefix>(?:.*\.)?)(?P<kind>(?:weight|bias)_(?:ih|hh|hr))_l(?P<layer>\d+)(?P<side>(?:_reverse)?)"
)


def load_state_dict(
    module: Encoder | Decoder, state_dict: Mapping[str, Tensor], prefix: str | Sequence[str] | None = None
) -> None:
    """Copy the state_dict of an nn.LSTM or nn.GRU into the recurrent layers of encoder_ or decoder_, as it is.

    Layers, directions and units must be the same; nothing is copied unless all fits. An nn.LSTM without biases leaves
    ours at zero. batch_first says nothing about weights.

    prefix: of its names in the state_dict of a whole model, "encoder.lstm"; several where each layer is an nn.LSTM of
    its own, first to last; None is the only one that there is. Other names in the state_dict are not looked at.

    Raises InvalidParameter naming the weights that are missing, left over or of another shape.
    """
    layers = dict(_named_layers(module))
    given = _recurrent_weights(state_dict, prefix)
    has_bias = any(name.startswith("bias") for name in given)
    names = _PARAMETERS if has_bias else _PARAMETERS[:2]
    wanted = {f"{name}_{suffix}": getattr(layer, name) for suffix, layer in layers.items() for name in names}
    if set(wanted) != set(given):
        differing = ", ".join(sorted(set(wanted) ^ set(given))[:4])
        raise InvalidParameter(f"the state_dict does not fit the module's layers and directions: see {differing}")
    for name, own in wanted.items():
        if own.shape != given[name].shape:
            raise InvalidParameter(f"{name} must have shape {tuple(own.shape)}, got {tuple(given[name].shape)}")
    with torch.no_grad():
        for name, own in wanted.items():
            own.copy_(given[name])
        for layer in layers.values() if not has_bias else ():
            layer.bias_ih.zero_()
            layer.bias_hh.zero_()


def state_dict_of(module: Encoder | Decoder) -> dict[str, Tensor]:
    """The recurrent layers' weights as nn.LSTM or nn.GRU names them, copied."""
    return {
        f"{name}_{suffix}": getattr(layer, name).detach().clone()
        for suffix, layer in _named_layers(module)
        for name in _PARAMETERS
    }


def _recurrent_weights(state_dict: Mapping[str, Tensor], prefix: str | Sequence[str] | None) -> dict[str, Tensor]:
    """The weights under the prefixes, layers counted from the first to the last."""
    found: dict[str, dict[tuple[int, str, str], Tensor]] = {}
    for name, weights in state_dict.items():
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        if match["kind"].endswith("hr"):
            raise InvalidParameter(f"{name} is of an nn.LSTM with proj_size, which cannot be loaded; use proj_size=0")
        found.setdefault(match["prefix"], {})[int(match["layer"]), match["kind"], match["side"]] = weights
    merged: dict[str, Tensor] = {}
    n_layers = 0
    for part in _prefixes(found, prefix):
        for (layer, kind, side), weights in found[part].items():
            merged[f"{kind}_l{n_layers + layer}{side}"] = weights
        n_layers += 1 + max(layer for layer, _, _ in found[part])
    return merged


def _prefixes(found: Mapping[str, object], prefix: str | Sequence[str] | None) -> list[str]:
    """The prefixes to take, as they begin the names."""
    here = ", ".join(repr(name.removesuffix(".")) for name in found) or "none"
    if prefix is None:
        if len(found) != 1:
            raise InvalidParameter(
                "the state_dict must hold the weights of one nn.LSTM or nn.GRU (weight_ih_l0, ...), or prefix= name "
                f"which; here are {here}"
            )
        return list(found)
    wanted = [name and name.removesuffix(".") + "." for name in ([prefix] if isinstance(prefix, str) else prefix)]
    for name in wanted:
        if name not in found:
            raise InvalidParameter(f"the state_dict has no nn.LSTM or nn.GRU under {name!r}; here are {here}")
    return wanted


def _named_layers(module: Encoder | Decoder) -> Iterator[tuple[str, RecurrentLayer]]:
    """Each layer with what torch adds to its parameters' names: l0, l0_reverse, l1, ..."""
    if not module.recurrent_layers:
        raise InvalidParameter("weights of torch.nn layers go into an encoder_ or decoder_ of recurrent layers")
    for k, directions in enumerate(module.recurrent_layers):
        for layer in directions:
            yield f"l{k}" + ("_reverse" if layer.reverse else ""), layer
