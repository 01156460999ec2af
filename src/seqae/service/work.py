"""What is computed for requests: several at a time where results do not depend on company."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import SeqaeError
from ..reading.inputs import take
from ..reading.source import Layout, Source
from ..sequences.ragged import Ragged
from .answers import Answer
from .bodies import check_size, in_words
from .limits import Limits, Refused
from .models import Model


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One request. name: of the operation; given: what read() takes, laid out as layout says."""

    name: str
    given: object
    layout: Layout
    argument: int | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """compute: takes sequences and the request's argument; its result is split by sequences. is_alone: where the result
    depends on the other sequences of a call.
    """

    compute: Callable[[Source, int | None], object]
    is_alone: bool = False


class Work:
    """Runs jobs on a model."""

    def __init__(self, model: Model, operations: dict[str, Operation], limits: Limits) -> None:
        self._model, self._operations, self._limits = model, operations, limits

    def run(self, jobs: Sequence[Job]) -> list[Answer | Exception]:
        """The answer to each job, or why there is none."""
        answers: dict[int, Answer | Exception] = {}
        groups: dict[object, dict[int, Source]] = {}
        for i, job in enumerate(jobs):
            try:
                source = self._read(job)
            except Refused as refused:
                answers[i] = refused
                continue
            alone = i if self._operations[job.name].is_alone else None
            kind = (job.name, job.argument, source.ragged.values.dtype, source.ragged.observed is None, alone)
            groups.setdefault(kind, {})[i] = source
        for members in groups.values():
            found = self._computed(jobs[next(iter(members))], list(members.values()))
            answers |= dict(zip(members, found, strict=True))
        return [answers[i] for i in range(len(jobs))]

    def _read(self, job: Job) -> Source:
        try:
            source = take(job.given, self._model.schema_, layout=job.layout)
        except SeqaeError as error:
            raise in_words(error) from error
        check_size(len(source), source.ragged.n_steps, self._limits)
        return source

    def _computed(self, job: Job, sources: list[Source]) -> list[Answer | Exception]:
        """Of sources of one kind, together; one by one if that fails, so that only the guilty one does."""
        operation = self._operations[job.name]
        try:
            value = operation.compute(together(sources), job.argument)
        except SeqaeError as error:
            if len(sources) == 1:
                return [in_words(error)]
            return [self._computed(job, [source])[0] for source in sources]
        if operation.is_alone:
            return [Answer(sources[0], value)]
        ends = np.cumsum([len(source) for source in sources])
        return [
            Answer(source, value[int(end) - len(source) : int(end)])  # pyright: ignore[reportIndexIssue]
            for source, end in zip(sources, ends, strict=True)
        ]


def together(sources: Sequence[Source]) -> Source:
    """All sequences as one source, with the ids and names of the first."""
    if len(sources) == 1:
        return sources[0]
    parts = [source.ragged.compact() for source in sources]
    observed = None if parts[0].observed is None else np.concatenate([part.observed for part in parts])
    lengths = np.concatenate([part.lengths for part in parts])
    ragged = Ragged.back_to_back(np.concatenate([part.values for part in parts]), lengths, observed)
    return replace(sources[0], ragged=ragged, ids=np.arange(len(lengths)), times=None)
