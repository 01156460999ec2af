"""Errors know the parameter that they are about, in Python and on the command line, and survive pickling."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import typer.main

from seqae import SequenceAutoencoder, compare, errors
from seqae.cli import app
from seqae.cli.group import Group, as_options
from seqae.errors import InvalidParameter, SeqaeError

X = [np.ones((5, 1)), np.zeros((5, 1))] * 5


def fit(**parameters: Any) -> Callable[[], object]:
    return lambda: SequenceAutoencoder(**{"verbose": False, "max_epochs": 1} | parameters).fit(X)


WRONG: dict[str, Callable[[], object]] = {
    "latent_size": fit(latent_size=0),
    "max_epochs": fit(max_epochs="many"),
    "learning_rate": fit(learning_rate=-1.0),
    "validation_fraction": fit(validation_fraction=1),
    "patience": fit(patience=0),
    "cell": fit(cell="rnn"),
    "loss": fit(loss="mean"),
    "architecture": fit(architecture="resnet"),
    "device": fit(device="abacus"),
    "random_state": fit(random_state=-1),
    "verbose": fit(verbose="loud"),
    "n_seeds": lambda: compare(X, n_seeds=0),
    "architectures": lambda: compare(X, architectures=["resnet"]),
}


@pytest.mark.parametrize("parameter", WRONG)
def test_an_error_carries_the_parameter_that_it_names(parameter: str) -> None:
    with pytest.raises(InvalidParameter, match=rf"^{parameter}\b") as error:
        WRONG[parameter]()
    assert error.value.parameter == parameter


def test_every_error_may_carry_one_and_survives_pickling() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SeqaeError)]
    for kind in kinds:
        if kind is errors.MissingExtra:
            continue
        error = pickle.loads(pickle.dumps(kind("what is wrong", parameter="x")))
        assert (type(error), str(error), error.parameter) == (kind, "what is wrong", "x")
        assert kind("what is wrong").parameter is None
    assert "seqae[keras]" in str(pickle.loads(pickle.dumps(errors.MissingExtra("keras"))))


@pytest.fixture(scope="module")
def group() -> Group:
    made = typer.main.get_command(app)
    assert isinstance(made, Group)
    return made


@pytest.mark.parametrize(
    ("command", "parameter", "message", "expected"),
    [
        ("fit", "latent_size", "latent_size must be 1, got latent_size", "--latent-size must be 1, got --latent-size"),
        ("fit", None, "latent_size must be 1", "latent_size must be 1"),
        ("forecast", "n_steps", "n_steps must be at least 1", "--steps must be at least 1"),
        ("fit", "random_state", "random_state must be whole", "--seed must be whole"),
        ("fit", None, "or use missing='mask'.", "or use --missing mask."),
        ("fit", None, "it needs wide=True or scale=False", "it needs --wide or --no-scale"),
        ("fit", None, "pass it as id= or time=, or channels=[...]", "pass it as --id or --time, or --channels A,B,..."),
        ("detect", None, "shorter, or window=None", "shorter, or --window none"),
        ("forecast", None, "use architecture='composite'", "use fit --architecture composite"),
        ("fit", "loss", "the column 'loss' has a my.loss", "the column 'loss' has a my.loss"),
        ("fit", None, "Architecture(n_layers=2) has other=3", "Architecture(--n-layers 2) has other=3"),
    ],
)
def test_arguments_are_spelt_as_options(
    group: Group, command: str, parameter: str | None, message: str, expected: str
) -> None:
    assert as_options(message, parameter, group.options_of(command)) == expected
