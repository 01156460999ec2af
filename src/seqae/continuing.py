"""Training that goes on from a fitted model, on other data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Protocol

from .errors import InvalidParameter
from .model.autoencoder import Autoencoder
from .model.building import Begun
from .model.losses import Loss
from .model.plans import DataShape, Plan
from .parameters import check_choice
from .sequences.scaling import Scaling
from .training.batching import Settings

MODEL = ("architecture", "latent_size", "hidden_size", "n_layers", "cell", "loss", "scale")
"""Parameters of an estimator that say what model it is."""
PARTS = ("encoder", "decoder")


class Continuable(Protocol):
    """A fitted SequenceAutoencoder."""

    model_: Autoencoder
    shape_: DataShape
    scaling_: Scaling
    architecture_: str | Plan
    latent_size_: int

    @property
    def loss_(self) -> Loss:
        """The loss that it was fitted by."""
        ...

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters as they were given."""
        ...


def continued(parameters: Mapping[str, object], init: Continuable) -> Begun:
    """A copy of the model of init.

    parameters: of the estimator that is to be fitted. Raises InvalidParameter if they describe another model.
    """
    loss, given = init.loss_, init.get_params(deep=False)
    own = given | {"architecture": init.architecture_, "latent_size": init.latent_size_}
    for name in MODEL:
        if parameters[name] not in (given[name], own[name]):
            raise InvalidParameter(
                f"init was fitted with {name}={own[name]!r}, but this estimator has {parameters[name]!r}; "
                "sklearn.base.clone(init) makes one that fits",
                parameter="init",
            )
    described = {**parameters, **{name: own[name] for name in MODEL}}
    return Begun(init.shape_, loss, described, deepcopy(init.model_), init.scaling_)


def check_is_trained(settings: Settings | None) -> None:
    """Raises InvalidParameter if nothing would be trained."""
    if settings is None:
        raise InvalidParameter(
            "init leaves nothing to train: a closed form is kept as it is, and recurrent layers beside it are trained "
            "from 1,000 sequences on, or where max_epochs says so; or fit old and new data together",
            parameter="init",
        )


@contextmanager
def frozen(model: Autoencoder, parts: Sequence[str], *, is_continued: bool) -> Iterator[None]:
    """In this context, training does not change these parts of a model: "encoder", "decoder".

    Raises InvalidParameter for other names, where all would be frozen, and where nothing is continued.
    """
    named = [check_choice("freeze", part, PARTS) for part in ([parts] if isinstance(parts, str) else parts)]
    if named and not is_continued:
        raise InvalidParameter("freeze keeps parts of a fitted model as they are; pass it as init", parameter="freeze")
    if set(named) == set(PARTS):
        raise InvalidParameter(f"freeze={tuple(named)} leaves nothing to train", parameter="freeze")
    owned = [parameter for part in named for parameter in getattr(model, part).parameters()]
    for parameter in owned:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in owned:
            parameter.requires_grad_(True)
