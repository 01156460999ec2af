"""Encoder and decoders as one module, and what training asks of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidParameter, InvalidSequence
from ..features.chunks import Sequences
from ..recurrence import weighted_sum
from ..sequences.ragged import Ragged
from .interface import Batch, Decoder, Encoder, LengthHead, TrainingData, as_ragged, length_statistics
from .layers import Draw, Layer, RecurrentLayer, modules_of
from .losses import Loss
from .plans import Plan
from .rows import part


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What training minimises, and what it does to the input.

    kl_weight, kl_annealing: see Gaussian. length_weight: see LatentPlan. noise: see Values. dropped_steps: see
    TrainingPlan. after, before, horizon_annealing: see Predict. is_scheduled: see TeacherForcing. fewest_sequences: see
    Residual.
    """

    kl_weight: float = 0.0
    kl_annealing: float = 0.0
    length_weight: float = 0.0
    noise: float = 0.0
    dropped_steps: float = 0.0
    after: int = 0
    before: int = 0
    horizon_annealing: float = 0.0
    is_scheduled: bool = False
    fewest_sequences: int = 0

    @property
    def annealing(self) -> float:
        """The part of the training in which the objective still changes, 0..1."""
        of_divergence = self.kl_annealing if self.kl_weight else 0.0
        of_horizon = self.horizon_annealing if self.after > 1 else 0.0
        return max(of_divergence, of_horizon, float(self.is_scheduled))


@dataclass(frozen=True, slots=True)
class Term:
    """One part of the loss. name: "reconstruction", "prediction", "divergence" or "lengths"; value: a scalar."""

    name: str
    weight: float
    value: Tensor


class Autoencoder(nn.Module):
    """Sequences to latent vectors and back; perhaps also to the steps before and after.

    architecture: what it was built from, for others to read. decoder: of the input, None if the model only predicts;
    predictor, preceder: of the steps that training holds back at the end and the start of each sequence.
    ties: pairs of layers, of which the second has the recurrent weights of the first.
    """

    def __init__(
        self,
        architecture: Plan,
        encoder: Encoder,
        decoder: Decoder | None,
        *,
        objective: Objective,
        predictor: Decoder | None = None,
        preceder: Decoder | None = None,
        length_head: LengthHead | None = None,
        ties: Sequence[tuple[RecurrentLayer, RecurrentLayer]] = (),
    ) -> None:
        super().__init__()
        self.architecture, self.objective = architecture, objective
        self.encoder, self.decoder = encoder, decoder
        self.predictor, self.preceder = predictor, preceder
        self.length_head = length_head
        self._ties = tuple(ties)
        self.tie()
        has_own = (module for module in self.modules() if next(module.parameters(recurse=False), None) is not None)
        self._anchor = (next(has_own),)  # in a tuple: it is another module's child

    def forward(self, sequences: Batch) -> Ragged:
        """Their reconstruction, back to back. Raises InvalidSequence for tensors that are no sequences."""
        batch = as_ragged(sequences, self)
        code = self.encoder.encode(batch)
        return self.reconstructor.decode(code.latent, batch.lengths, code.memory)

    def tie(self) -> None:
        """Make the recurrent weights of tied layers one parameter; needed again where loading has replaced them."""
        for source, target in self._ties:
            target.weight_hh, target.bias_hh = source.weight_hh, source.bias_hh

    @property
    def device(self) -> torch.device:
        """Where the parameters are; a search for the first of them would cost a twentieth of encoding a sequence."""
        return next(self._anchor[0].parameters(recurse=False)).device

    @property
    def is_variational(self) -> bool:
        """Whether the latent vector is drawn from a distribution in training."""
        return self.objective.kl_weight > 0

    @property
    def has_closed_form(self) -> bool:
        """Whether it is a model before any training."""
        return self.encoder.is_closed_form

    @property
    def fewest_sequences(self) -> int:
        """Of fewer nothing is trained beside a closed form: see Residual."""
        return self.objective.fewest_sequences

    @property
    def is_trained(self) -> bool:
        """Whether there is anything to train."""
        return any(parameter.requires_grad for parameter in self.parameters())

    @property
    def n_held_back(self) -> int:
        """Steps of each sequence that training predicts from the others."""
        return self.objective.after + self.objective.before

    @property
    def decoders(self) -> dict[str, Decoder]:
        """Those that there are, by name: decoder, predictor, preceder."""
        named = {"decoder": self.decoder, "predictor": self.predictor, "preceder": self.preceder}
        return {name: decoder for name, decoder in named.items() if decoder is not None}

    @property
    def reconstructor(self) -> Decoder:
        """The decoder of the input. Raises InvalidParameter if the model only predicts."""
        if self.decoder is None:
            raise InvalidParameter(
                "this architecture was made with task=Predict(): it continues sequences (seqae.forecast) and does not "
                "reconstruct them"
            )
        return self.decoder

    def require_predictor(self) -> Decoder:
        """The decoder of the steps after. Raises InvalidParameter if there is none."""
        if self.predictor is None:
            raise InvalidParameter(
                "this architecture does not continue sequences; use architecture='composite', or any with "
                "task=Composite(after=...)",
                parameter="predicted_steps",
            )
        return self.predictor

    def require_length_head(self) -> LengthHead:
        """What tells lengths. Raises InvalidParameter if there is none."""
        if self.length_head is None:
            raise InvalidParameter(
                "this model does not tell how long a sequence was (its length_weight is 0); pass lengths="
            )
        return self.length_head

    def require_held_back(self) -> None:
        """Raise InvalidParameter if training holds no steps back to predict them."""
        if self.n_held_back == 0:
            raise InvalidParameter(
                "this architecture predicts no steps; use architecture='composite', or any with task=Composite(...)",
                parameter="predicted_steps",
            )

    # -- training ------------------------------------------------------------------------------------------------------

    def initialise(self, seed: int) -> None:
        """Fresh parameters that the seed alone decides."""
        generator = torch.Generator().manual_seed(seed)
        for _, layer in modules_of(self, Layer):
            layer.initialise(generator)
        code = self.encoder.length_code
        if code is not None:
            code.initialise(generator)
        if self.length_head is not None:
            self.length_head.initialise(None if code is None else code.weight)

    def fit_closed_form(self, sequences: Sequences) -> None:
        """What the parts learn before training. sequences: of training, scaled.

        A vector tells the length of what was encoded: whole sequences for reconstruction, and those without the steps
        that are held back for prediction.
        """
        encoded = [sequences.lengths] if self.decoder is not None else []
        encoded += [sequences.lengths - self.n_held_back] if self.n_held_back else []
        data = TrainingData(np.concatenate(encoded), sequences)
        for each in (self.encoder, *self.decoders.values()):
            each.fit_closed_form(data)
        if self.length_head is not None:
            self.length_head.statistics.copy_(length_statistics(data.encoded_lengths))
            if self.encoder.length_direction is not None:
                self.length_head.initialise(self.encoder.length_direction)

    def training_loss(self, batch: Ragged, loss: Loss, draw: Draw) -> Tensor:
        """What an update descends: the weighted sum of training_terms(). Returns a scalar."""
        terms = [(term.weight, term.value) for term in self.training_terms(batch, loss, draw)]
        return weighted_sum(terms) if len(terms) > 1 else terms[0][1]  # a single one is a decoder's, of weight 1

    def training_terms(self, batch: Ragged, loss: Loss, draw: Draw) -> list[Term]:
        """Reconstruction and prediction, divergence, lengths.

        The input is reconstructed from the vector of the whole sequence, the steps that are held back are predicted
        from the vector of the others.
        """
        terms: list[Term] = []
        for source, tasks in self._tasks(batch):
            code = self.encoder.encode(self._corrupted(source, draw), draw)
            latent = code.drawn(draw)
            for name, decoder, whole in tasks:
                target = self._within_horizon(whole, draw) if decoder is self.predictor else whole
                terms.append(Term(name, 1, decoder.loss(latent, target, code.memory, loss, draw)))
            divergence = code.divergence()
            if divergence is not None:
                terms.append(Term("divergence", self._kl_weight(draw), divergence))
            head = self.length_head if self.objective.length_weight else None
            of_lengths = None if head is None else head.loss(latent, source.lengths)
            if of_lengths is not None:
                terms.append(Term("lengths", self.objective.length_weight, of_lengths))
        return terms

    def evaluation_loss(self, batch: Ragged, loss: Loss) -> Tensor:
        """What is monitored: the weighted sum of evaluation_terms(). Returns a scalar."""
        return total_of(self.evaluation_terms(batch, loss))

    def evaluation_terms(self, batch: Ragged, loss: Loss) -> list[Term]:
        """Reconstruction and prediction as after training, and the divergence."""
        terms: list[Term] = []
        for source, tasks in self._tasks(batch):
            code = self.encoder.encode(source)
            divergence = code.divergence()
            if divergence is not None:
                terms.append(Term("divergence", self.objective.kl_weight, divergence))
            for name, decoder, target in tasks:
                terms.append(Term(name, 1, decoder.loss(code.latent, target, code.memory, loss, None)))
        return terms

    def source(self, batch: Ragged) -> Ragged:
        """Each sequence without the steps that are held back."""
        return part(batch, self.objective.before, self.objective.after)

    def held_back(self, batch: Ragged) -> Iterator[tuple[Decoder, Ragged]]:
        """The decoders of the steps that are held back, those before first, with these steps."""
        n_after, n_before = self.objective.after, self.objective.before
        if self.preceder is not None:
            yield self.preceder, _cut(batch, np.zeros_like(batch.lengths), n_before)
        if self.predictor is not None:
            yield self.predictor, _cut(batch, batch.lengths - n_after, n_after)

    def check_lengths(self, lengths: np.ndarray) -> None:
        """Raise InvalidSequence if a sequence has no step left beside those held back. lengths: (n_sequences,)."""
        if self.n_held_back and (lengths <= self.n_held_back).any():
            i = int(np.argmax(lengths <= self.n_held_back))
            raise InvalidSequence(
                f"sequence {i} has {lengths[i]} steps, but this architecture predicts {self.n_held_back} of them from "
                f"the others; give it at least {self.n_held_back + 1}"
            )

    def _tasks(self, batch: Ragged) -> Iterator[tuple[Ragged, list[tuple[str, Decoder, Ragged]]]]:
        """What the encoder reads, and each decoder with what it is to write from the vector, and the term's name."""
        if self.decoder is not None:
            yield batch, [("reconstruction", self.decoder, batch)]
        if self.n_held_back:
            yield self.source(batch), [("prediction", *each) for each in self.held_back(batch)]

    def _kl_weight(self, draw: Draw) -> float:
        """The weight of the divergence this far into the training."""
        of = self.objective
        annealed = min(1.0, draw.progress / of.kl_annealing) if of.kl_annealing else 1.0
        return of.kl_weight * annealed

    def _within_horizon(self, target: Ragged, draw: Draw) -> Ragged:
        """The steps to predict that this far into the training count."""
        annealing, n_steps = self.objective.horizon_annealing, self.objective.after
        reached = min(1.0, draw.progress / annealing) if annealing else 1.0
        return part(target, 0, n_steps - max(1, round(reached * n_steps)))

    def _corrupted(self, source: Ragged, draw: Draw) -> Ragged:
        """Noise and dropped steps on what the encoder reads; see Objective."""
        of, values = self.objective, source.values
        if of.noise > 0:
            values = values + of.noise * draw.normal(values)
        if of.dropped_steps > 0 and source.is_tokens:
            is_kept = draw.kept(tuple(values.shape), of.dropped_steps, values).bool()
            values = torch.where(is_kept, values, self.encoder.n_symbols or 0)
        elif of.dropped_steps > 0:
            values = values * draw.kept((len(values), 1), of.dropped_steps, values)
        return Ragged.view(values, source.starts, source.lengths, source.observed)


def total_of(terms: Sequence[Term]) -> Tensor:
    """The weighted sum, a scalar."""
    total = torch.zeros((), device=terms[0].value.device)
    for term in terms:
        total = total + term.weight * term.value
    return total


def _cut(batch: Ragged, firsts: np.ndarray, count: int) -> Ragged:
    """`count` steps of each sequence from its own first one on, back to back."""
    lengths = np.full(len(batch), count, np.int64)
    return Ragged.view(batch.values, batch.starts + firsts, lengths, batch.observed).compact()
