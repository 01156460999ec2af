"""What stands in a file is vetted before anything is built from it: types, names, values, shapes and sizes.

A file's JSON becomes frozen values of ours through `decoded`, which goes by the types that their classes declare;
arrays are taken out through `Arrays`, by shape and dtype. Whatever does not fit is one short ModelFileError.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import DTypeLike

from ..errors import ModelFileError, SeqaeError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
Tags = Mapping[str, type]
NO_TAGS: Tags = types.MappingProxyType({})
_TAG = "is"
MOST = 2**53
"""No whole number in a file is larger."""
_DTYPES = tuple(np.dtype(name) for name in ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"))


def decoded(kind: type[T] | types.UnionType, value: object, place: str, tags: Tags = NO_TAGS) -> T:
    """A JSON value as `kind`: a dataclass, a tuple, a mapping, a Literal, a union, or a plain type.

    place: what the message calls it. Every field without a default must be there, and no other.
    tags: classes by name; an object {"is": name, ...} is one of them, where that class is expected.

    Raises ModelFileError naming the field that does not fit.
    """
    return cast(T, _decoded(kind, value, place, tags))


def decoded_arguments(function: Callable[..., object], value: object, place: str) -> dict[str, object]:
    """JSON values as arguments of a function, by the types of its parameters; any of them may be left out.

    Raises ModelFileError naming the argument that does not fit, or that the function does not take.
    """
    hints = {name: kind for name, kind in get_type_hints(function).items() if name != "return"}
    given = as_mapping(value, place)
    for name in given:
        if name not in hints:
            raise misfit(place, f"has {shown(name)}, which is no parameter")
    return {name: _decoded(hints[name], part, f"{place}.{name}", NO_TAGS) for name, part in given.items()}


def as_mapping(value: object, place: str) -> Mapping[str, object]:
    """The value, if it is a JSON object. Raises ModelFileError if not."""
    if not isinstance(value, Mapping):
        raise misfit(place, f"must be an object, got {shown(value)}")
    return value


def as_count(value: object, place: str, *, least: int = 0, most: int = MOST) -> int:
    """A whole number between two bounds. Raises ModelFileError if it is none."""
    if type(value) is not int or not least <= value <= most:
        raise misfit(place, f"must be a whole number from {least} to {most}, got {shown(value)}")
    return value


def misfit(place: str, problem: str) -> ModelFileError:
    """The error for a part of a file that cannot be used."""
    return ModelFileError(f"the file does not fit together: {place} {problem}; save it again")


def checked(build: Callable[[], T], place: str) -> T:
    """What a call returns; our own errors about its arguments become a ModelFileError. place: what is built."""
    try:
        return build()
    except ModelFileError:
        raise
    except SeqaeError as error:
        raise misfit(place, f"cannot be: {shown(str(error), 200)}") from error


def shown(value: object, most: int = 60) -> str:
    """A value in a message, never longer than `most` characters."""
    text = value if isinstance(value, str) else f"{type(value).__name__} {value!r:.{most}}"
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3] + "..."


@dataclass(frozen=True, slots=True)
class Arrays:
    """The arrays of a file, or of a part of it: what is taken out has the shape and dtype that it must have."""

    tensors: Mapping[str, np.ndarray]
    prefix: str = ""

    def below(self, prefix: str) -> Arrays:
        """The arrays whose names start with prefix, without it."""
        kept = {name[len(prefix) :]: array for name, array in self.tensors.items() if name.startswith(prefix)}
        return Arrays(kept, self.prefix + prefix)

    def take(
        self,
        name: str,
        shape: tuple[int | None, ...],
        dtype: DTypeLike | tuple[DTypeLike, ...] = np.float32,
        *,
        least: float | None = None,
        above: float | None = None,
        most: float | None = None,
    ) -> np.ndarray:
        """One array. shape: None stands for any size; dtype: one or more; least, above, most: of its values.

        Raises ModelFileError if it is not there, or is another.
        """
        place = self.prefix + name
        if name not in self.tensors:
            raise misfit(place, "is missing")
        array = self.tensors[name]
        dtypes = tuple(np.dtype(kind) for kind in (dtype if isinstance(dtype, tuple) else (dtype,)))
        is_shape = array.ndim == len(shape) and all(
            want in (None, size) for want, size in zip(shape, array.shape, strict=True)
        )
        if not is_shape or array.dtype not in dtypes:
            wanted = " or ".join(map(str, dtypes))
            sizes = ", ".join("any" if size is None else str(size) for size in shape)
            raise misfit(place, f"must be {wanted} of shape ({sizes}), got {array.dtype} of shape {array.shape}")
        _check_range(array, place, least, above, most)
        return array

    @property
    def n_values(self) -> int:
        """Values of all arrays together: nothing that they belong to is larger."""
        return sum(array.size for array in self.tensors.values())

    def only(self, names: set[str]) -> None:
        """Raise ModelFileError if there are other arrays than these."""
        extra = set(self.tensors) - names
        if extra:
            raise misfit(f"{self.prefix}{min(extra)}", "belongs to nothing in the file")


def under(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same arrays, their names after prefix: what Arrays.below() takes out again."""
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def vet_arrays(tensors: Mapping[str, np.ndarray]) -> None:
    """Raise ModelFileError for an array of another type than numbers, or with a value that is not finite."""
    for name, array in tensors.items():
        if array.dtype not in _DTYPES:
            raise misfit(shown(name), f"has values of type {array.dtype}")
        if array.dtype.kind == "f" and not _is_finite(array):
            raise misfit(shown(name), "holds a value that is not finite")


def _is_finite(array: np.ndarray) -> bool:
    """NaN and infinity show in the least and the greatest value, without an array of their own."""
    return array.size == 0 or bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def _check_range(array: np.ndarray, place: str, least: float | None, above: float | None, most: float | None) -> None:
    if not array.size:
        return
    low, high = array.min(), array.max()
    if (least is not None and low < least) or (above is not None and low <= above):
        raise misfit(place, f"holds {low}, which is too small")
    if most is not None and high > most:
        raise misfit(place, f"holds {high}, which is too large")


# -- JSON by declared types ------------------------------------------------------------------------------------------


def _decoded(kind: object, value: object, place: str, tags: Tags) -> object:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(kind), value, place, tags)
    if origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in get_args(kind)):
            raise misfit(place, f"must be {' or '.join(map(repr, get_args(kind)))}, got {shown(value)}")
        return value
    if origin is tuple:
        return _tuple(get_args(kind), value, place, tags)
    if origin is Sequence:
        return _tuple((*get_args(kind), ...), value, place, tags)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: _decoded(get_args(kind)[1], part, place, tags) for name, part in as_mapping(value, place).items()}
    if isinstance(kind, type) and isinstance(value, Mapping) and _TAG in value:
        kind, value = _tagged(kind, value, place, tags)
    if isinstance(kind, type) and is_dataclass(kind):
        return _record(kind, value, place, tags)
    return _plain(kind, value, place)


def _plain(kind: object, value: object, place: str) -> object:
    if kind is int:
        return as_count(value, place, least=-MOST)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not (abs(value) <= MOST if isinstance(value, int) else math.isfinite(value)):
            raise misfit(place, f"must be finite, got {shown(value)}")
        return float(value)
    if kind in (str, bool, type(None)) and type(value) is kind:
        return value
    raise misfit(place, f"must be {_word(kind)}, got {shown(value)}")


def _one_of(kinds: tuple[object, ...], value: object, place: str, tags: Tags) -> object:
    """The first kind that fits; the message of the most telling one if none does."""
    problems = []
    for kind in kinds:
        try:
            return _decoded(kind, value, place, tags)
        except ModelFileError as error:
            problems.append(error)
    if isinstance(value, Mapping):
        found = tags.get(str(value.get(_TAG)))
        for kind, problem in zip(kinds, problems, strict=True):
            if isinstance(kind, type) and (issubclass(found, kind) if found else is_dataclass(kind)):
                raise problem
    raise misfit(place, f"must be {' or '.join(dict.fromkeys(map(_word, kinds)))}, got {shown(value)}")


def _tuple(kinds: tuple[object, ...], value: object, place: str, tags: Tags) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise misfit(place, f"must be a list, got {shown(value)}")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_decoded(kinds[0], part, place, tags) for part in value)
    if len(value) != len(kinds):
        raise misfit(place, f"must hold {len(kinds)} values, got {len(value)}")
    return tuple(_decoded(kind, part, place, tags) for kind, part in zip(kinds, value, strict=True))


def _record(kind: type[DataclassInstance], value: object, place: str, tags: Tags) -> object:
    given, hints = as_mapping(value, place), _hints(kind)
    declared = {field.name: field for field in fields(kind) if field.init}
    for name in given:
        if name not in declared:
            raise misfit(place, f"has {shown(name)}, which is no part of it")
    for name, field in declared.items():
        if name not in given and field.default is MISSING and field.default_factory is MISSING:
            raise misfit(place, f"lacks {name}")
    parts = {name: _decoded(hints[name], part, f"{place}.{name}", tags) for name, part in given.items()}
    return checked(lambda: kind(**parts), place)


def _tagged(kind: type, value: Mapping[str, object], place: str, tags: Tags) -> tuple[type, Mapping[str, object]]:
    """The class that an object names, and its fields."""
    found = tags.get(str(value[_TAG]))
    if found is None or not issubclass(found, kind):
        raise misfit(place, f"must be {_word(kind)}, got one that is {shown(value[_TAG])}")
    return found, {name: part for name, part in value.items() if name != _TAG}


@cache
def _hints(kind: type) -> dict[str, object]:
    return get_type_hints(kind)


def _word(kind: object) -> str:
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
    return words.get(kind, getattr(kind, "__name__", str(kind)))
