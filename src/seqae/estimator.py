"""SequenceAutoencoder: sequences of any length to vectors and back, as a scikit-learn estimator."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from . import inference
from .cards import EstimatorCard
from .continuing import check_is_trained, continued, frozen
from .errors import InvalidParameter, ModelFileError, NotFitted
from .model.autoencoder import Autoencoder
from .model.building import begin
from .model.interface import Decoder, Encoder
from .model.losses import Loss, as_loss
from .model.plans import Plan
from .model.presets import takes_symbols
from .parameters import (
    DEFAULTS,
    as_random_state,
    check_choice,
    check_count,
    check_count_or_auto,
    check_fraction,
    check_optional_count,
    check_positive,
)
from .reading import Layout, Schema, take
from .reading.latent import take_latent, take_lengths
from .reading.schema import schema_of
from .reading.vocabulary import as_symbols
from .sequences.ragged import Ragged
from .sequences.scaling import fit_scaling, identity_scaling
from .storage.autoencoder import KIND, Fitted, pack, unpack
from .storage.model_file import ModelFile, write_model_file
from .training.batching import BatchLoader, Budget, device_of, held_out_of, planned
from .training.checkpoint import Checkpoint
from .training.history import Callback, History, ProgressBar
from .training.loop import learn, measured, told_apart


class SequenceAutoencoder(EstimatorCard, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Turns sequences of any length into vectors of one size, and back.

    X is a list of (n_i, n_channels) arrays, one (n_sequences, n_steps, n_channels) array, a Ragged,
    what seqae.read() returned, a data frame, or the path of a file. Data that cannot be used raises InvalidSequence or
    UnreadableFile, naming sequence, step and channel.

    Parameters:
    architecture: a name in seqae.model.presets.PRESETS, or an Architecture for finer choices; "auto" is "hybrid", or
        where that cannot be, "hybrid_tokens" for tokens and "repeat" for loss="bce" and vectors of 1 or 2 values.
    latent_size: values of a vector; "auto" is 128 of a hybrid (64 to 127 of fewer than 96 sequences), 32 of others.
    hidden_size, n_layers: units of a layer, and layers on each side; None is the architecture's own, else 64 and 1.
    cell: "lstm" or "gru".
    loss: "mse", "mae", "huber", "bce" (values in 0..1), "cross_entropy" (tokens), or a Loss to choose
        its reduction too; "auto" is cross_entropy for tokens and mse otherwise.
    scale: whether each channel is centred and scaled first.
    quality: how much to train where max_epochs is "auto". "fast": a hybrid's closed form alone, or a quarter of "good";
        "good": seconds; "best": five to ten times as much. What each part gave: history_.
    max_epochs, batch_size, learning_rate: of training; batch_size counts sequences. "auto" goes by the data, so that
        small ones get as many updates as large ones: seqae.training.batching.planned has the rules.
    validation_fraction: share of sequences held out to find the best epoch; 0 holds out none.
    patience: epochs without a better validation loss before training stops, none of them while something anneals;
        "auto" is a fifth of all, 20 at least; None never stops early.
    device: torch's name of one: "cpu", where the kernel runs and bits repeat, "cuda", "cuda:1".
    random_state: an int makes runs reproducible, with the same bits.
    callbacks: see Callback; a Checkpoint makes the run resumable.
    verbose: "auto" and True show a progress bar on a terminal and, elsewhere, a line every few seconds, both on stderr;
        False is quiet.

    Learnt by fit: model_ with encoder_ and decoder_ (modules that share weights, and take scaled sequences), scaling_,
    history_, architecture_ and latent_size_ (what "auto" stood for), n_channels_, channel_names_, vocabulary_ (the text
    of each token, None if tokens are numbers), held_out_ (the numbers of the sequences that were held out; not saved),
    shape_ (facts about the data that determine the model's sizes).
    """

    model_: Autoencoder
    history_: History

    def __init__(
        self,
        architecture: str | Plan = DEFAULTS.architecture,
        *,
        latent_size: int | Literal["auto"] = DEFAULTS.latent_size,
        hidden_size: int | None = DEFAULTS.hidden_size,
        n_layers: int | None = DEFAULTS.n_layers,
        cell: Literal["lstm", "gru"] = DEFAULTS.cell,
        loss: str | Loss = DEFAULTS.loss,
        scale: bool = True,
        quality: Literal["fast", "good", "best"] = DEFAULTS.quality,
        max_epochs: int | Literal["auto"] = DEFAULTS.max_epochs,
        batch_size: int | Literal["auto"] = DEFAULTS.batch_size,
        learning_rate: float = DEFAULTS.learning_rate,
        validation_fraction: float = DEFAULTS.validation_fraction,
        patience: int | Literal["auto"] | None = DEFAULTS.patience,
        device: str = DEFAULTS.device,
        random_state: int | np.random.RandomState | None = None,
        callbacks: Sequence[Callback | Checkpoint] = (),
        verbose: bool | Literal["auto"] = "auto",
    ) -> None:
        self.architecture = architecture
        self.latent_size = latent_size
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.cell = cell
        self.loss = loss
        self.scale = scale
        self.quality: Literal["fast", "good", "best"] = quality
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose

    # -- learning --------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: object,
        y: object = None,
        *,
        validation: object = None,
        interrupt: Literal["raise", "keep"] = "raise",
        init: SequenceAutoencoder | None = None,
        refit_scaling: bool = False,
        freeze: Sequence[str] = (),
    ) -> Self:
        """Learn from the sequences of X; y is ignored. Raises TrainingDiverged if the loss stops being finite.

        validation: sequences to find the best epoch; None holds out validation_fraction of X instead.
        interrupt: what Ctrl-C does. The best model of whole epochs so far is kept, and history_.stopped_by is
            "interrupt"; then "raise" raises KeyboardInterrupt, so that loops over fits end too, and "keep" returns.
        init: a fitted estimator of the same model, from whose weights training goes on; X must have its channels or
            symbols. Its closed form is kept and, unless refit_scaling, its scaling. freeze: "encoder" or "decoder".
        """
        budget, fraction = self._budget(), check_fraction("validation_fraction", self.validation_fraction)
        check_choice("interrupt", interrupt, ("raise", "keep"))
        callbacks, checkpoints = self._callbacks()
        is_scaled, device = check_choice("scale", self.scale, (True, False)), device_of(self.device)
        self._check_sizes()
        given, is_new, of_symbols = self.get_params(deep=False), init is None, takes_symbols(self.architecture)
        source = take(X, takes_symbols=of_symbols) if init is None else take(X, init.schema_)
        begun = begin(given, source.ragged, budget.seed) if init is None else continued(given, init)
        shape, loss, parameters, model, scaling = begun
        loss.check_target(source.ragged)
        model.check_lengths(source.ragged.lengths)
        settings = planned(budget, model, source.ragged.lengths)
        if not is_new:
            check_is_trained(settings)
        is_judged = validation is None and (settings is not None or budget.quality != "fast")
        kept, which = held_out_of(source.ragged, fraction if is_judged else 0.0, budget.seed)
        training, held_out = (source.ragged[kept], source.ragged[which]) if len(which) else (source.ragged, None)
        if validation is not None:
            held_out = take(validation, schema_of(source, shape.n_symbols)).ragged
            model.check_lengths(held_out.lengths)
        scale = fit_scaling if is_scaled and loss.takes_scaled else lambda data: identity_scaling(data.n_channels)
        if scaling is None or refit_scaling:
            scaling = scale(training)
        model.to(device)
        judge = None if held_out is None else BatchLoader(held_out, scaling, device)
        loader = BatchLoader(training, scaling, device)
        with frozen(model, freeze, is_continued=not is_new) if freeze else nullcontext():
            history = learn(model, loss, loader, judge, settings, is_new, callbacks=callbacks, checkpoints=checkpoints)
        if is_new and not history.best_epoch and is_judged and held_out is not None:  # nothing is left to hold out for
            scaling = scale(source.ragged)
            model.fit_closed_form(BatchLoader(source.ragged, scaling, device))
        history = replace(history, measured=measured(model, loss, BatchLoader(source.ragged, scaling, device)))
        self._learn(Fitted(parameters, model, shape, scaling, history, source.channel_names, source.vocabulary))
        self.held_out_ = which
        if history.stopped_by == "interrupt" and interrupt == "raise":
            raise KeyboardInterrupt("training was interrupted; the estimator holds the best model so far")
        return self

    def _learn(self, fitted: Fitted) -> None:
        self.architecture_, self.latent_size_ = fitted.parameters["architecture"], fitted.parameters["latent_size"]
        self.model_, self.scaling_, self.history_ = fitted.model, fitted.scaling, fitted.history
        self.shape_, self.channel_names_ = fitted.shape, fitted.channel_names
        self.n_channels_, self.vocabulary_ = fitted.shape.n_channels, fitted.vocabulary

    def _budget(self) -> Budget:
        return Budget(
            quality=check_choice("quality", self.quality, ("fast", "good", "best")),
            max_epochs=check_count_or_auto("max_epochs", self.max_epochs),
            batch_size=check_count_or_auto("batch_size", self.batch_size),
            learning_rate=check_positive("learning_rate", self.learning_rate),
            patience=None if self.patience is None else check_count_or_auto("patience", self.patience),
            seed=int(as_random_state(self.random_state).randint(2**31)),
        )

    def _check_sizes(self) -> None:
        check_choice("cell", self.cell, ("lstm", "gru"))
        check_optional_count("hidden_size", self.hidden_size)
        check_optional_count("n_layers", self.n_layers)

    def _callbacks(self) -> tuple[tuple[Callback, ...], tuple[Checkpoint, ...]]:
        check_choice("verbose", self.verbose, (True, False, "auto"))
        callbacks, checkpoints = told_apart(self.callbacks)
        return ((*callbacks, ProgressBar()) if self.verbose else callbacks), checkpoints

    # -- using -----------------------------------------------------------------------------------------------------

    def transform(self, X: object) -> np.ndarray:
        """The latent vector of each sequence. Returns (n_sequences, latent_size) float32, in order."""
        return inference.encode(self.encoder_, self._loader(X), self.latent_size_)

    def transform_steps(self, X: object) -> Ragged:
        """The state after each step of each sequence: a Ragged with the lengths of X and the units of the top layer.

        Of an encoder in both directions, those of the backward one, which has read the steps that follow, come second.
        Raises InvalidParameter for models that have no such states, such as closed forms.
        """
        return inference.encode_steps(self.encoder_, self._loader(X))

    def inverse_transform(self, Z: object, lengths: object = None) -> Ragged:
        """A sequence for each vector, in the units of the data.

        Z: (n_sequences, latent_size). lengths: (n_sequences,) whole numbers of at least 1, or one for all; None takes
        the lengths that the length head finds.
        """
        decoder = self.decoder_
        latent = take_latent(Z, self.latent_size_)
        counts = self.lengths_of(latent) if lengths is None else take_lengths(lengths, len(latent))
        return self._unscaled(inference.decode(decoder, self.loss_, latent, counts))

    def lengths_of(self, Z: object) -> np.ndarray:
        """The length of each vector's sequence, found by the length head. Returns (n_sequences,) int64."""
        return inference.tell_lengths(self._fitted(), take_latent(Z, self.latent_size_))

    def interpolate(self, a: object, b: object, n: int) -> Ragged:
        """Decode n evenly spaced points on the line between the vectors of two sequences, both ends included.

        a, b: sequences, (n_steps, n_channels). The length head finds their lengths.
        """
        first, last = (
            self.transform(inference.one_sequence(name, sequence)) for name, sequence in (("a", a), ("b", b))
        )
        weights = np.linspace(0, 1, check_count("n", n, least=2), dtype=np.float32)[:, None]
        return self.inverse_transform((1 - weights) * first + weights * last)

    def sample(self, n: int, random_state: int | np.random.RandomState | None = None) -> Ragged:
        """Decode n standard normal vectors, with the lengths that the length head finds.

        Raises InvalidParameter unless the model is variational: other vectors have no known distribution.
        """
        if not self._fitted().is_variational:
            raise InvalidParameter(
                "sample() needs a variational model; use architecture='variational'", parameter="architecture"
            )
        rng = as_random_state(random_state)
        return self.inverse_transform(rng.standard_normal((check_count("n", n), self.latent_size_)))

    def accuracy(self, X: object) -> float:
        """The share of steps whose token, or one-hot channel, is reconstructed.

        Raises InvalidSequence if a step has not exactly one 1 among zeros.
        """
        sequences = take(X, self.schema_).ragged
        symbols, told = as_symbols(sequences), self.reconstruct(sequences).values
        return float(np.mean(symbols == (told if told.ndim == 1 else told.argmax(axis=1))))

    def reconstruct(self, X: object) -> Ragged:
        """Encode and decode each sequence: a Ragged with the lengths of X, in the units of the data."""
        return self._unscaled(inference.reconstruct(self._fitted(), self.loss_, self._loader(X)))

    def impute(self, X: object) -> Ragged:
        """X with what is missing filled from the reconstruction, in the units of the data; all else stays as it is.

        Missing steps and channels of a sequence are reconstructed from what was observed of it. A sequence of which
        nothing was observed gets each channel's mean in fit(), or 0 with scale=False. Float64 stays float64.
        """
        sequences = take(X, replace(self.schema_, keeps_float64=True), layout=Layout(missing="mask")).ragged
        if sequences.observed is None:
            return sequences
        return inference.filled(sequences, self.reconstruct(sequences), usual=self.scaling_.centre)

    def reconstruction_error(
        self, X: object, per: Literal["sequence", "step", "channel", "value"] = "sequence"
    ) -> np.ndarray | Ragged:
        """The mean loss of observed values, in scaled units, per sequence, step, channel or value.

        Returns (n_sequences,) for "sequence", (n_sequences, n_channels) for "channel"; for "step" a Ragged with one
        channel, for "value" one with the channels of X. NaN where nothing was observed.
        """
        loader = self._loader(X)
        losses = inference.losses_of(self._fitted(), self.loss_, loader)
        return inference.reduced(losses, loader.lengths, self.n_channels_, per)

    def predict_steps(self, X: object, n_steps: int) -> Ragged:
        """The n_steps steps that follow each sequence, in the units of the data; needs a task that predicts."""
        loader = self._loader(X)
        n_steps = check_count("n_steps", n_steps)
        return self._unscaled(inference.predict(self._fitted(), self.loss_, loader, n_steps))

    def prediction_error(
        self, X: object, per: Literal["sequence", "step", "channel", "value"] = "sequence"
    ) -> np.ndarray | Ragged:
        """As reconstruction_error, for the steps that training holds back, predicted from the other steps.

        These are the first `before` steps and the last `after` steps of each sequence (see Predict), in that order.
        """
        model, loader = self._fitted(), self._loader(X)
        model.require_held_back()
        model.check_lengths(loader.lengths)
        lengths = np.full(len(loader), model.n_held_back, np.int64)
        losses = inference.prediction_losses_of(model, self.loss_, loader)
        return inference.reduced(losses, lengths, self.n_channels_, per)

    def score_samples(self, X: object) -> np.ndarray:
        """The negative mean loss of each sequence: higher is more normal. Returns (n_sequences,) float64."""
        return -np.asarray(self.reconstruction_error(X))

    def score(self, X: object, y: object = None) -> float:
        """The mean of score_samples, for grid search: higher is better; y is ignored."""
        return float(np.mean(self.score_samples(X)))

    @property
    def encoder_(self) -> Encoder:
        """The module from scaled sequences to vectors."""
        return self._fitted().encoder

    @property
    def decoder_(self) -> Decoder:
        """The module from vectors to scaled sequences."""
        return self._fitted().reconstructor

    @property
    def loss_(self) -> Loss:
        """The loss that fit() minimised, with "auto" resolved."""
        self._fitted()
        return as_loss(self.loss, of_tokens=self.shape_.n_symbols is not None)

    @property
    def schema_(self) -> Schema:
        """The channels, names and vocabulary that new data must have."""
        self._fitted()
        keeps_float64 = self.scaling_.is_exact
        return Schema(self.channel_names_, self.shape_.n_symbols, self.vocabulary_, keeps_float64=keeps_float64)

    def _fitted(self) -> Autoencoder:
        if not self.__sklearn_is_fitted__():
            raise NotFitted("this SequenceAutoencoder is not fitted; call fit() first, or load() a saved one")
        return self.model_

    def __sklearn_is_fitted__(self) -> bool:
        return "model_" in vars(self)

    def _loader(self, X: object) -> BatchLoader:
        model = self._fitted()
        sequences = take(X, self.schema_).ragged
        return BatchLoader(sequences, self.scaling_, model.device)

    def _unscaled(self, scaled: Ragged) -> Ragged:
        values = scaled.values if scaled.is_tokens else self.scaling_.undo(scaled.values)
        return Ragged.view(values, scaled.starts, scaled.lengths)

    @property
    def _n_features_out(self) -> int:
        return self.latent_size_

    # -- keeping ---------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one safetensors file, for seqae.load()."""
        write_model_file(path, self.to_model_file())

    def to_model_file(self) -> ModelFile:
        """The fitted estimator as the content of a file, without callbacks and verbose."""
        return pack(self.to_fitted())

    def to_fitted(self) -> Fitted:
        """All that was learnt, as the value that from_fitted() takes; parameters hold what "auto" stood for."""
        parameters = {k: v for k, v in self.get_params(deep=False).items() if k not in ("callbacks", "verbose")}
        model, names, seed = self._fitted(), self.channel_names_, self.random_state
        parameters |= {"architecture": self.architecture_, "latent_size": self.latent_size_}
        parameters["random_state"] = seed if isinstance(seed, int | np.integer) else None
        return Fitted(parameters, model, self.shape_, self.scaling_, self.history_, names, self.vocabulary_)

    @classmethod
    def from_model_file(cls, file: ModelFile) -> Self:
        """The inverse of to_model_file(). Raises ModelFileError for another kind of content."""
        if file.kind != KIND:
            raise ModelFileError(f"the file holds a {file.kind}, not an autoencoder")
        return cls.from_fitted(unpack(file))

    @classmethod
    def from_fitted(cls, fitted: Fitted) -> Self:
        """The estimator with these fitted parts."""
        self = cls(**fitted.parameters)
        self._learn(fitted)
        return self
