"""Checks of settings. Each error is one line: the requirement, and the value received."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from .errors import InvalidParameter

if TYPE_CHECKING:
    import numpy as np
    from sklearn.base import BaseEstimator

MAX_SEED = 2**32 - 1

Kind = TypeVar("Kind")
Estimator = TypeVar("Estimator", bound="BaseEstimator")


@dataclass(frozen=True, slots=True)
class Defaults:
    """Default parameters of SequenceAutoencoder, in Python and on the command line."""

    architecture: str = "auto"
    latent_size: int | Literal["auto"] = "auto"
    hidden_size: int | None = None
    n_layers: int | None = None
    cell: Literal["lstm", "gru"] = "lstm"
    loss: str = "auto"
    quality: Literal["fast", "good", "best"] = "good"
    max_epochs: int | Literal["auto"] = "auto"
    batch_size: int | Literal["auto"] = "auto"
    learning_rate: float = 5e-3
    validation_fraction: float = 0.1
    patience: int | Literal["auto"] | None = "auto"
    device: str = "cpu"


DEFAULTS = Defaults()


def check_count(name: str, value: object, *, least: int = 1) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InvalidParameter(f"{name} must be a whole number of at least {least}, got {value!r}", parameter=name)
    return int(value)


def check_optional_count(name: str, value: object) -> int | None:
    """None, or a whole number of at least 1."""
    return None if value is None else check_count(name, value)


def check_count_or_auto(name: str, value: object) -> int | Literal["auto"]:
    """A whole number of at least 1, or "auto"."""
    if value == "auto":
        return "auto"
    if isinstance(value, str):
        raise InvalidParameter(f"{name} must be 'auto' or a whole number of at least 1, got {value!r}", parameter=name)
    return check_count(name, value)


def check_positive(name: str, value: object) -> float:
    """A finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value <= 0:
        raise InvalidParameter(f"{name} must be a number above 0, got {value!r}", parameter=name)
    return float(value)


def check_fraction(name: str, value: object) -> float:
    """A number from 0 up to, but not including, 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < 1:
        raise InvalidParameter(f"{name} must be a number from 0 to below 1, got {value!r}", parameter=name)
    return float(value)


def check_share(name: str, value: object, *, below: float = 1.0) -> float:
    """A number above 0 and below another."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < below:
        raise InvalidParameter(f"{name} must be a number above 0 and below {below:g}, got {value!r}", parameter=name)
    return float(value)


def check_optional_share(name: str, value: object, *, below: float = 1.0) -> float | None:
    """None, or a number above 0 and below another."""
    return None if value is None else check_share(name, value, below=below)


def as_random_state(value: object) -> np.random.RandomState:
    """The generator for random_state: a seed, a generator that is continued, or None for NumPy's own."""
    from sklearn.utils import check_random_state

    try:
        return check_random_state(value)
    except ValueError as error:
        raise InvalidParameter(
            f"random_state must be a whole number from 0 to {MAX_SEED}, or a RandomState, got {value!r}",
            parameter="random_state",
        ) from error


def check_seed(value: object) -> int:
    """A random_state that is a seed."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) <= MAX_SEED:
        raise InvalidParameter(
            f"random_state must be a whole number from 0 to {MAX_SEED}, got {value!r}", parameter="random_state"
        )
    return int(value)


def seeded_copy(estimator: Estimator, seed: int | None) -> Estimator:
    """An unfitted copy, with the seed if it has no random_state."""
    from sklearn.base import clone

    copy = cast("Estimator", clone(estimator))
    if seed is not None and copy.get_params(deep=False)["random_state"] is None:
        copy.set_params(random_state=seed)
    return copy


def check_kind(name: str, value: object, kind: type[Kind]) -> Kind:
    """A value of one class, such as an estimator that is given to another."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise InvalidParameter(
            f"{name} must be {article} {kind.__name__}, got {' '.join(repr(value).split())}", parameter=name
        )
    return value


def check_choice(name: str, value: object, choices: tuple[Kind, ...]) -> Kind:
    """One of the choices."""
    if value not in choices:
        raise InvalidParameter(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}", parameter=name)
    return choices[choices.index(value)]  # pyright: ignore[reportArgumentType]
