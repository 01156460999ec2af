"""Encoder and decoders as one module, and what training asks of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidParameter, InvalidSequence
from ..recurrence import weighted_sum
from ..sequences.ragged import Ragged
from .architecture import Architecture
from .draw import Draw
from .interface import Decoder, Encoder
from .latent import LengthCode, LengthHead, divergence, drawn, length_statistics
from .layer import LinearMap, RecurrentLayer
from .losses import Loss
from .rows import part
from .symbols import Embedding


class Autoencoder(nn.Module):
    """Sequences to latent vectors and back; perhaps also to the steps before and after.

    decoder: of the input, None if the model only predicts; predictor, preceder: of the steps that training holds back
    at the end and the start of each sequence.
    """

    def __init__(
        self,
        architecture: Architecture,
        encoder: Encoder,
        decoder: Decoder | None,
        *,
        predictor: Decoder | None = None,
        preceder: Decoder | None = None,
        length_head: LengthHead | None = None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder, self.decoder = encoder, decoder
        self.predictor, self.preceder = predictor, preceder
        self.length_head = length_head
        has_own = (module for module in self.modules() if next(module.parameters(recurse=False), None) is not None)
        self._anchor = (next(has_own),)  # in a tuple: it is another module's child

    def forward(self, sequences: Ragged) -> Ragged:
        """sequences: scaled, values (n_rows, n_channels), or tokens. Returns their reconstruction, back to back."""
        code = self.encoder.encode(sequences)
        return self.reconstructor(code.latent, sequences.lengths, code.memory)

    @property
    def device(self) -> torch.device:
        """Where the parameters are; a search for the first of them would cost a twentieth of encoding a sequence."""
        return next(self._anchor[0].parameters(recurse=False)).device

    @property
    def reconstructor(self) -> Decoder:
        """The decoder of the input. Raises InvalidParameter if the model only predicts."""
        if self.decoder is None:
            raise InvalidParameter(
                "this architecture was made with has_reconstruction=False: it continues sequences "
                "(seqae.forecast) and does not reconstruct them"
            )
        return self.decoder

    def require_predictor(self) -> Decoder:
        """The decoder of the steps after. Raises InvalidParameter if there is none."""
        if self.predictor is None:
            raise InvalidParameter(
                "this architecture does not continue sequences; use architecture='composite', or any with "
                "predicted_steps of at least 1",
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
        if self.architecture.n_held_back == 0:
            raise InvalidParameter(
                "this architecture predicts no steps; use architecture='composite', or any with predicted_steps or "
                "preceding_steps of at least 1",
                parameter="predicted_steps",
            )

    def fit_lengths(self, lengths: np.ndarray) -> None:
        """What length code and head need to know of the training sequences. lengths: (n_sequences,), in steps.

        A vector tells the length of what was encoded: whole sequences for reconstruction, and those without the steps
        that are held back for prediction.
        """
        encoded = [lengths] if self.decoder is not None else []
        encoded += [lengths - self.architecture.n_held_back] if self.architecture.n_held_back else []
        statistics = length_statistics(np.concatenate(encoded))
        for module in (self.length_head, *self._length_codes()):
            if module is not None:
                module.statistics.copy_(statistics)

    def _length_codes(self) -> list[LengthCode]:
        return [module for module in self.encoder.modules() if isinstance(module, LengthCode)]

    # -- training --------------------------------------------------------------------------------------------------

    def training_loss(self, batch: Ragged, loss: Loss, draw: Draw) -> Tensor:
        """What an update descends: reconstruction and prediction, divergence, lengths. Returns a scalar.

        The input is reconstructed from the vector of the whole sequence, the steps that are held back are predicted
        from the vector of the others.
        """
        plan = self.architecture
        annealed = min(1.0, draw.progress / plan.kl_annealing) if plan.kl_annealing else 1.0
        terms: list[tuple[float, Tensor]] = []
        for source, tasks in self._tasks(batch):
            code = self.encoder.encode(self._corrupted(source, draw), draw)
            latent = drawn(code, draw)
            for decoder, whole in tasks:
                target = self._within_horizon(whole, draw) if decoder is self.predictor else whole
                terms.append((1, decoder.loss(latent, target, code.memory, loss, draw)))
            if code.log_variance is not None:
                terms.append((plan.kl_weight * annealed, divergence(code)))
            of_lengths = None if self.length_head is None else self.length_head.loss(latent, source.lengths)
            if of_lengths is not None:
                terms.append((plan.length_weight, of_lengths))
        return weighted_sum(terms) if len(terms) > 1 else terms[0][1]  # a single one is a decoder's, of weight 1

    def evaluation_loss(self, batch: Ragged, loss: Loss) -> Tensor:
        """What is monitored: reconstruction and prediction as after training, and the divergence. Returns a scalar."""
        total = torch.zeros((), device=batch.values.device)
        for source, tasks in self._tasks(batch):
            code = self.encoder.encode(source)
            total = total + self.architecture.kl_weight * divergence(code)
            for decoder, target in tasks:
                total = total + decoder.loss(code.latent, target, code.memory, loss, None)
        return total

    def source(self, batch: Ragged) -> Ragged:
        """Each sequence without the steps that are held back."""
        return part(batch, self.architecture.preceding_steps, self.architecture.predicted_steps)

    def held_back(self, batch: Ragged) -> Iterator[tuple[Decoder, Ragged]]:
        """The decoders of the steps that are held back, those before first, with these steps."""
        n_after, n_before = self.architecture.predicted_steps, self.architecture.preceding_steps
        if self.preceder is not None:
            yield self.preceder, _cut(batch, np.zeros_like(batch.lengths), n_before)
        if self.predictor is not None:
            yield self.predictor, _cut(batch, batch.lengths - n_after, n_after)

    def check_lengths(self, lengths: np.ndarray) -> None:
        """Raise InvalidSequence if a sequence has no step left beside those held back. lengths: (n_sequences,)."""
        n_held_back = self.architecture.n_held_back
        if n_held_back and (lengths <= n_held_back).any():
            i = int(np.argmax(lengths <= n_held_back))
            raise InvalidSequence(
                f"sequence {i} has {lengths[i]} steps, but this architecture predicts {n_held_back} of them from the "
                f"others; give it at least {n_held_back + 1}"
            )

    def _tasks(self, batch: Ragged) -> Iterator[tuple[Ragged, list[tuple[Decoder, Ragged]]]]:
        """What the encoder reads, and each decoder with what it is to write from the vector."""
        if self.decoder is not None:
            yield batch, [(self.decoder, batch)]
        if self.architecture.n_held_back:
            yield self.source(batch), list(self.held_back(batch))

    def _within_horizon(self, target: Ragged, draw: Draw) -> Ragged:
        """The steps to predict that this far into the training count."""
        annealing, n_steps = self.architecture.horizon_annealing, self.architecture.predicted_steps
        reached = min(1.0, draw.progress / annealing) if annealing else 1.0
        return part(target, 0, n_steps - max(1, round(reached * n_steps)))

    def _corrupted(self, source: Ragged, draw: Draw) -> Ragged:
        """Noise and dropped steps on what the encoder reads; see Architecture."""
        plan = self.architecture
        values = source.values
        if plan.noise > 0:
            values = values + plan.noise * draw.normal(values)
        if plan.dropped_steps > 0 and source.is_tokens:
            is_kept = draw.kept(tuple(values.shape), plan.dropped_steps, values).bool()
            values = torch.where(is_kept, values, self._unknown_symbol())
        elif plan.dropped_steps > 0:
            values = values * draw.kept((len(values), 1), plan.dropped_steps, values)
        return Ragged.view(values, source.starts, source.lengths, source.observed)

    def _unknown_symbol(self) -> int:
        return next(module.n_symbols for module in self.encoder.modules() if isinstance(module, Embedding))

    # -- parameters ------------------------------------------------------------------------------------------------

    def initialise(self, seed: int) -> None:
        """Fresh parameters that the seed alone decides."""
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, RecurrentLayer | LinearMap | Embedding):
                module.initialise(generator)
        codes = self._length_codes()
        for code in codes:
            code.initialise(generator)
        if self.length_head is not None:
            self.length_head.initialise(codes[0] if codes else None)


def _cut(batch: Ragged, firsts: np.ndarray, count: int) -> Ragged:
    """`count` steps of each sequence from its own first one on, back to back."""
    lengths = np.full(len(batch), count, np.int64)
    return Ragged.view(batch.values, batch.starts + firsts, lengths, batch.observed).compact()
