"""Results in parts, each computed by itself, and parts joined to one result."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidParameter, UnreadableFile
from ..sequences.checks import to_numpy
from .tables import Marks, check_target, copy_tables, marks_of

if TYPE_CHECKING:
    from ..reading import Source

FORM = re.compile(r"(\d{1,9})/(\d{1,9})")
KEYS = ("seqae.work", "seqae.part", "seqae.n_parts", "seqae.n_sequences")


@dataclass(frozen=True, slots=True)
class Part:
    """Part `number` of `count`, counted from 1: consecutive sequences, in the order of the data."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """From I/N. Raises InvalidParameter for another form."""
        form = FORM.fullmatch(text)
        if form is None or not 1 <= int(form[1]) <= int(form[2]):
            raise InvalidParameter(f"part must be I/N, such as 2/8, with I from 1 to N; got {text!r}", parameter="part")
        return cls(int(form[1]), int(form[2]))

    def path(self, output: Path) -> Path:
        """Where this part of a result is kept: always the same. Raises InvalidParameter unless it is .parquet."""
        if output.suffix.lower() != ".parquet":
            raise InvalidParameter(f"cannot write {output} in parts: parts are .parquet, join writes .csv too")
        digits = len(str(self.count))
        return output.with_name(f"{output.stem}.part-{self.number:0{digits}}-of-{self.count}{output.suffix}")

    def of(self, source: Source) -> Source:
        """Its sequences. Raises InvalidParameter if there are fewer sequences than parts."""
        n = len(source)
        if n < self.count:
            raise InvalidParameter(f"part: {n} sequences are fewer than {self.count} parts; ask for {n} at most")
        return source[(self.number - 1) * n // self.count : self.number * n // self.count]

    def marks(self, work: str, source: Source) -> Marks:
        """What its file says of it. work: a digest of all that the result depends on; source: all of the data."""
        return dict(zip(KEYS, (work, str(self.number), str(self.count), str(len(source))), strict=True))


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be written. output: the file; source: of which sequences; marks: what the file of a part says."""

    output: Path
    source: Source
    marks: Marks | None = None

    @property
    def is_finished(self) -> bool:
        """Whether this part was written before: a file appears whole or not at all."""
        try:
            return self.marks is not None and self.output.exists() and marks_of(self.output) == self.marks
        except UnreadableFile:
            return False


def work_of(part: str | None, output: Path, source: Source, model: Path, *options: object) -> Work:
    """The whole, or the part I/N of it. model, options: what the result depends on beside the data.

    Raises InvalidParameter as Part does.
    """
    if part is None:
        return Work(output, source)
    own = Part.parse(part)
    told = digest(source, model.read_bytes(), repr(options).encode())
    return Work(own.path(output), own.of(source), own.marks(told, source))


def digest(source: Source, *more: bytes) -> str:
    """Of sequences, their ids and times, and more."""
    compact = source.ragged.compact()
    told = sha256()
    parts = [to_numpy(compact.values), compact.lengths, compact.observed, source.ids, source.times]
    for part in (part for part in parts if part is not None):
        plain = np.asarray(part)
        told.update(repr((plain.shape, plain.dtype.str)).encode())
        told.update(repr(plain.tolist()).encode() if plain.dtype == object else np.ascontiguousarray(plain).tobytes())
    for part in more:
        told.update(len(part).to_bytes(8, "little") + part)
    return told.hexdigest()


def join_parts(paths: Sequence[Path], output: Path) -> int:
    """Write the rows of all parts, in order, to one table; some at a time. Returns their number.

    Raises InvalidParameter if a part is missing, or there twice, or if they are of different work; UnreadableFile for a
    file that is no part.
    """
    check_target(output)
    found: dict[int, Path] = {}
    first: Marks | None = None
    for path in paths:
        marks = {key: value for key, value in marks_of(path).items() if key in KEYS}
        if len(marks) < len(KEYS):
            raise UnreadableFile(f"{path} is no part of a result; name files that --part wrote")
        number = int(marks.pop("seqae.part"))
        if first is not None and marks != first:
            raise InvalidParameter(f"{path} belongs to another result than {paths[0]}: other data, model or options")
        if number in found:
            raise InvalidParameter(f"{path} and {found[number]} are both part {number}")
        found[number], first = path, marks
    n_parts = int(first["seqae.n_parts"]) if first else 0
    missing = [number for number in range(1, n_parts + 1) if number not in found]
    if missing or not first:
        named = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        raise InvalidParameter(f"of {n_parts} parts, {len(missing)} are missing: {named}; compute them with --part")
    return copy_tables([found[number] for number in range(1, n_parts + 1)], output)
