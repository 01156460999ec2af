"""What may be wrong with a model, in plain words: rules on a few numbers that are measured after training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NOTHING, LITTLE = 0.02, 0.05
MOST_UNUSED = 0.1
SAME_LOSS = 1.02
TOO_FAR = 10.0
EXPLODED = 1e3
DOMINANT = 0.5
FEWEST = 10
OVERFITTED = 1.1
AS_GOOD = 0.005
LEAKING = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """Numbers of a sample of the sequences that fit() took, held-out ones too. n_sequences: in it.

    whole: the part of the mean step's squared error that is taken away; explained: of each channel, empty for tokens.
    n_unused: values of a vector that do not vary between sequences; n_values: all of them; greatest: among vectors.
    other_vector: the error with the vector of another sequence, over the error with one's own.
    dominance: the greatest share of a sequence in the error. length_share: of the vectors' variance, what their length
        tells, linearly; 0 where all lengths were one.
    is_constant: whether each channel is. least_deviation, greatest_deviation, greatest_mean: of the channels that vary,
        as the model reads them.
    linear: the part that PCA with as many values takes away; None of a closed form, of other lengths and for
        too few sequences to tell.
    is_relu: whether cells have relu.
    """

    n_sequences: int
    whole: float
    explained: tuple[float, ...]
    is_constant: tuple[bool, ...]
    n_unused: int
    n_values: int
    greatest: float
    other_vector: float
    dominance: float
    length_share: float
    least_deviation: float
    greatest_deviation: float
    greatest_mean: float
    linear: float | None
    is_relu: bool


def of_model(of: Measured) -> list[str]:
    """Sentences that are true of a model."""
    told, whole = [], of.whole
    if of.explained and whole < NOTHING:
        told.append(
            f"The reconstruction is no better than the mean step (it takes {whole:.1%} of its error away): the model "
            "has collapsed. Train longer, or take a larger latent_size."
        )
    elif of.explained:
        pairs = enumerate(zip(of.explained, of.is_constant, strict=True))
        lost = [str(k) for k, (part, is_constant) in pairs if part < LITTLE and not is_constant]
        if lost and len(of.explained) > 1:
            listed = ", ".join(lost[:8]) + (" and others" if len(lost) > 8 else "")
            told.append(f"Not reconstructed: channels {listed} (the first is 0). If they are noise, leave them out.")
    if of.n_unused > MOST_UNUSED * of.n_values and of.n_sequences >= FEWEST:
        told.append(
            f"{of.n_unused} of the {of.n_values} values of a vector do not vary: a smaller latent_size would do."
        )
    if of.n_sequences >= FEWEST and of.other_vector < SAME_LOSS and of.n_unused < of.n_values:
        told.append("The decoder ignores the vector: with that of another sequence its error is the same.")
    least, greatest = of.least_deviation, of.greatest_deviation
    if greatest > TOO_FAR * least or of.greatest_mean > TOO_FAR:
        told.append(
            f"The channels are not scaled: their deviations go from {least:.3g} to {greatest:.3g}, their means to "
            f"{of.greatest_mean:.3g}. Use scale=True."
        )
    if of.is_relu and (of.greatest > EXPLODED or (of.explained and whole < -TOO_FAR)):
        told.append("Cells with relu have exploded: their outputs have no bound. Use activation='tanh'.")
    if of.n_sequences >= FEWEST and of.dominance > DOMINANT:
        told.append(
            f"One sequence has {of.dominance:.0%} of the error of {of.n_sequences} sequences: look at it in "
            "the report, and leave it out if it is broken."
        )
    if of.linear is not None and of.explained and of.linear > whole - AS_GOOD:
        told.append(
            f"A linear method does as well: PCA with as many values takes {of.linear:.1%} of the mean step's error "
            f"away, the model {whole:.1%}."
        )
    if of.length_share > LEAKING:
        told.append(
            f"Vectors tell mostly how long a sequence is ({of.length_share:.0%} of their variance): sequences of one "
            "length look alike, whatever is in them."
        )
    return told


def of_training(
    training: Sequence[float],
    validation: Sequence[float] | None,
    best_epoch: int,
    *,
    is_falling: bool,
    adds: float | None,
) -> list[str]:
    """Sentences that are true of a run. training, validation: the loss of each epoch; is_falling: see History.

    adds: what training adds to a closed form, in parts of the mean step's loss; None without a closed form.
    """
    told, n_epochs = [], len(training)
    if is_falling:
        told.append(
            f"The loss was still falling: train longer, with quality='best' or for example max_epochs={2 * n_epochs}."
        )
    if validation is not None and best_epoch and n_epochs >= FEWEST:
        rise = validation[-1] / min(validation) if min(validation) > 0 else 1.0
        if rise > OVERFITTED and training[-1] < training[best_epoch - 1]:
            told.append(
                f"The model overfits: since epoch {best_epoch}, which was kept, the validation loss has risen by "
                f"{rise - 1:.0%} while the training loss fell. More data, or a smaller model, would help."
            )
    if adds is not None and n_epochs and adds < AS_GOOD:
        told.append(
            f"Recurrent layers add {100 * max(adds, 0):.1f} points to the closed form: preset 'linear' does as well."
        )
    return told
