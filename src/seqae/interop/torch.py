"""Weights of torch.nn.LSTM and torch.nn.GRU in the encoder or decoder of an autoencoder, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ..errors import InvalidParameter
from ..model import Decoder, Encoder, RecurrentDecoder, RecurrentEncoder, SymbolDecoder
from ..model.layer import RecurrentLayer
from ..model.stack import directions_of

_PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def load_state_dict(module: Encoder | Decoder, state_dict: Mapping[str, Tensor]) -> None:
    """Copy the state_dict of an nn.LSTM or nn.GRU into the recurrent layers of encoder_ or decoder_, as it is.

    Layers, directions and units must be the same; nothing is copied unless all fits. An nn.LSTM without biases leaves
    ours at zero. Raises InvalidParameter naming the weights that are missing, left over or of another shape.
    """
    layers = dict(_named_layers(module))
    has_bias = any(name.startswith("bias") for name in state_dict)
    names = _PARAMETERS if has_bias else _PARAMETERS[:2]
    wanted = {f"{name}_{suffix}": getattr(layer, name) for suffix, layer in layers.items() for name in names}
    if set(wanted) != set(state_dict):
        differing = ", ".join(sorted(set(wanted) ^ set(state_dict))[:4])
        raise InvalidParameter(f"the state_dict does not fit the module's layers and directions: see {differing}")
    for name, own in wanted.items():
        if own.shape != state_dict[name].shape:
            raise InvalidParameter(f"{name} must have shape {tuple(own.shape)}, got {tuple(state_dict[name].shape)}")
    with torch.no_grad():
        for name, own in wanted.items():
            own.copy_(state_dict[name])
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


def _named_layers(module: Encoder | Decoder) -> Iterator[tuple[str, RecurrentLayer]]:
    """Each layer with what torch adds to its parameters' names: l0, l0_reverse, l1, ..."""
    if isinstance(module, RecurrentEncoder):
        for k, directions in enumerate(directions_of(module.layers)):
            for layer in directions:
                yield f"l{k}" + ("_reverse" if layer.reverse else ""), layer
    elif isinstance(module, RecurrentDecoder | SymbolDecoder):
        for k, layer in enumerate(module.layers):
            yield f"l{k}", layer  # pyright: ignore[reportReturnType]
    else:
        raise InvalidParameter("weights of torch.nn layers go into an encoder_ or decoder_ of recurrent layers")
