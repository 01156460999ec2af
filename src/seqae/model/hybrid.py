"""Description of a vector in closed form, and of the recurrent layers that write what its curve leaves over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..parameters import check_count, check_fraction, check_optional_count
from .architecture import Architecture
from .plans import DataShape, Described, Plan, check_part

DECODING, DESCRIBING = 32, 96
"""Usual values of both kinds, from 11 data sets: see benchmarks/README.md."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Residual(Described):
    """Recurrent layers that read vector, time and curve at every step, and write what the curve leaves over.

    They write nothing before training, and are kept only where held-out sequences gain by more than a standard error.
    is_bidirectional: whether they also run from the sequence's end. n_waves: sines and cosines of relative time read.
    n_read: values that a linear map makes of the vector, to be read at every step. dropout: fraction of all that is
        read that training sets to zero. On 1,500 sequences, the whole vector without dropout gained half as much.
    fewest_sequences: of fewer, nothing is trained unless max_epochs is given: of the measured sets, those of 36 to 537
        sequences gained nothing, and the one of 1,500 did.
    """

    is_bidirectional: bool = True
    n_waves: int = 4
    n_read: int = 32
    dropout: float = 0.2
    fewest_sequences: int = 1000

    def __post_init__(self) -> None:
        check_count("Residual.n_waves", self.n_waves, least=0)
        check_count("Residual.n_read", self.n_read)
        check_fraction("Residual.dropout", self.dropout)
        check_count("Residual.fewest_sequences", self.fewest_sequences, least=0)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Hybrid(Plan):
    """The vector is a closed form (seqae.features.closed_form): a basis of curves, a description and the length.

    n_decoding: values of the basis; None lets the data decide (seqae.features.closed_form.shared_out). All other values
        describe, and decode as well where that pays. residual: None is the closed form alone.
    """

    is_closed_form: ClassVar[bool] = True
    n_decoding: int | None = None
    residual: Residual | None = None

    def __post_init__(self) -> None:
        check_optional_count("Hybrid.n_decoding", self.n_decoding)
        if self.residual is not None:
            check_part("Hybrid.residual", self.residual, Residual)

    @property
    def takes_symbols(self) -> bool:
        """See Plan.takes_symbols."""
        return False

    def usual_size(self, shape: DataShape, n_sequences: int) -> int:
        """32 that decode at least, and as many that describe as there are sequences, but 32 at least and 96 at most.

        So 128 from 96 sequences on; fewer sequences differ in fewer directions than that.
        """
        return DECODING + min(max(n_sequences, DECODING), DESCRIBING)

    def predicting(self, n_steps: int) -> Architecture:
        """A recurrent autoencoder that also predicts n_steps steps: closed forms predict none."""
        return Architecture().predicting(n_steps)

    @property
    def own_sizes(self) -> tuple[str, ...]:
        """See Plan.own_sizes."""
        return () if self.residual is not None else ("hidden_size", "n_layers")
