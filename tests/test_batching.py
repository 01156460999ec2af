from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqae import Ragged
from seqae.sequences.scaling import Scaling
from seqae.training import batching
from seqae.training.batching import BatchLoader, ordered_batches, shuffled_batches

from .conftest import make_ragged


@given(
    lengths=st.lists(st.integers(1, 1000), min_size=1, max_size=300),
    batch_size=st.integers(1, 70),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 9),
)
def test_shuffled_batches_hold_every_sequence_once(lengths: list[int], batch_size: int, seed: int, epoch: int) -> None:
    batches = shuffled_batches(np.array(lengths), batch_size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert max(map(len, batches)) <= batch_size


def test_seed_and_epoch_alone_decide_the_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 99, 500)

    def order(seed: int, epoch: int) -> list[int]:
        return list(np.concatenate(shuffled_batches(lengths, 32, seed=seed, epoch=epoch)))

    np.random.seed(1)  # noqa: NPY002 (global state must not matter)
    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_batches_are_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(10, 190, 2048)
    batches = shuffled_batches(lengths, 64, seed=0, epoch=0)
    steps_with_padding = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert steps_with_padding < 1.05 * lengths.sum()
    shortest_first = [lengths[batch].mean() for batch in batches]
    assert shortest_first != sorted(shortest_first)


@given(lengths=st.lists(st.integers(1, 3 * batching.INFERENCE_STEPS), max_size=30))
def test_ordered_batches_are_bounded_and_complete(lengths: list[int]) -> None:
    batches = ordered_batches(np.array(lengths, np.int64))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= batching.FEWEST_SEQUENCES or sum(lengths[i] for i in batch) <= batching.INFERENCE_STEPS
        assert len(batch) <= batching.INFERENCE_SEQUENCES


def test_loader_scales_and_takes_read_only_values() -> None:
    sequences = make_ragged([4, 2, 5], 2, dtype=np.float32)
    sequences.values.flags.writeable = False
    scaling = Scaling(np.array([1, 2], np.float32), np.array([2, 4], np.float32))
    batch = BatchLoader(sequences, scaling).load(np.array([2, 0]))
    np.testing.assert_array_equal(batch.lengths, [5, 4])
    for own, i in zip(batch, (2, 0), strict=True):
        np.testing.assert_array_equal(own, (sequences[i] - scaling.centre) / scaling.scale)


def test_loader_shares_the_memory_of_the_data() -> None:
    sequences = make_ragged([4, 2], 1, dtype=np.float32)
    tensors = batching.to_tensors(sequences)
    assert isinstance(tensors, Ragged)
    assert np.shares_memory(tensors.values.numpy(), sequences.values)
