"""What a saved model is, read from its file alone: nothing is built of it, and torch is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import ModelFileError, SeqaeError
from ..model.architecture import PARTS
from ..model.chains.plan import ChainLayer, ChainPlan
from ..model.hybrid import Hybrid, Residual
from ..training.history import History
from .vetting import as_mapping, decoded

PLANS = {kind.__name__: kind for kind in (*PARTS, ChainPlan, ChainLayer, Hybrid, Residual)}
"""What describes an architecture in a file, by its name there."""


@dataclass(frozen=True, slots=True)
class Layers:
    """The recurrent layers of an encoder or decoder. part: its name; sizes: units of each; n_both: layers that run
    forward and backward in time.
    """

    part: str
    sizes: tuple[int, ...]
    cells: tuple[str, ...]
    n_both: int


@dataclass(frozen=True, slots=True)
class Structure:
    """What a model is made of."""

    n_parameters: int
    layers: tuple[Layers, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """An autoencoder, as its file tells. architecture: a preset's name, or its plan as text; loss: its kind.

    n_symbols: of tokens, None for values; vocabulary: their texts, None where they are numbers.
    """

    architecture: str
    latent_size: int
    is_scaled: bool
    loss: str
    n_symbols: int | None
    channel_names: tuple[str, ...]
    vocabulary: tuple[str, ...] | None
    structure: Structure
    history: History


def describe(config: Mapping[str, object]) -> Description:
    """The autoencoder of a file's configuration. Raises ModelFileError if that is not one's."""
    try:
        parameters = as_mapping(config["parameters"], "parameters")
        shape = as_mapping(config["shape"], "shape")
        n_symbols = decoded(int | None, shape["n_symbols"], "shape.n_symbols")  # pyright: ignore[reportArgumentType]
        architecture = parameters["architecture"]
        return Description(
            architecture=architecture if isinstance(architecture, str) else repr(from_json(architecture, PLANS)),
            latent_size=decoded(int, parameters["latent_size"], "parameters.latent_size"),
            is_scaled=decoded(bool, parameters["scale"], "parameters.scale"),
            loss=_loss(parameters["loss"], n_symbols),
            n_symbols=n_symbols,
            channel_names=decoded(tuple[str, ...], config["channel_names"], "channel_names"),
            vocabulary=decoded(tuple[str, ...] | None, config["vocabulary"], "vocabulary"),  # pyright: ignore[reportArgumentType]
            structure=decoded(Structure, config["structure"], "structure"),
            history=decoded(History, config["history"], "history"),
        )
    except ModelFileError:
        raise
    except (SeqaeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(f"the model file does not fit together ({reason}); save the model again") from error


def from_json(value: object, kinds: Mapping[str, type]) -> object:
    """A name, a number, or a description of one of the kinds. Raises KeyError for another one."""
    if isinstance(value, dict):
        return kinds[value["is"]](**{key: from_json(part, kinds) for key, part in value.items() if key != "is"})
    return tuple(from_json(part, kinds) for part in value) if isinstance(value, list) else value


def _loss(saved: object, n_symbols: int | None) -> str:
    """The kind of the loss: what "auto" stands for, or a Loss's own."""
    if saved == "auto":
        return "mse" if n_symbols is None else "cross_entropy"
    return str(saved if isinstance(saved, str) else as_mapping(saved, "parameters.loss")["kind"])
