"""Estimators and results as small cards in a notebook: HTML without scripts, in the reader's light or dark colours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator as Base
else:
    Base = object

STYLE = (
    "color-scheme:light dark;color:inherit;display:inline-block;max-width:44rem;padding:.6rem .9rem;"
    "border-radius:.4rem;border:1px solid #8886;font:14px/1.45 system-ui,sans-serif;overflow-wrap:anywhere"
)
CELL = "text-align:left;vertical-align:top;background:none;border:0;padding:.1rem .8rem .1rem 0"
MOST_TEXT = 200


class Card(ABC):
    """What shows itself as a card in a notebook."""

    __slots__ = ()

    @abstractmethod
    def facts(self) -> Mapping[str, str]:
        """The rows of the card: names and values, as text."""

    def _repr_html_(self) -> str:
        return card(type(self).__name__, self.facts())


class EstimatorCard(Base):
    """The card and the repr of an estimator: the parameters that were set, and what fit() found."""

    def facts(self) -> dict[str, str]:
        """Parameters that differ from their defaults, then fitted facts; "fitted": "no" where there are none."""
        defaults = type(self)().get_params(deep=False)
        given = {name: repr(value) for name, value in self.get_params(deep=False).items()}
        told = {name: text for name, text in given.items() if text != repr(defaults[name])}
        return told | (self._found() or {"fitted": "no"})

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        own = super().__repr__(N_CHAR_MAX)
        found = ", ".join(f"{name} {text}" for name, text in self._found().items())
        return f"{own} <{found}>" if found else own

    def _html_repr(self) -> str:
        return card(type(self).__name__, self.facts())

    @property
    def _repr_html_(self) -> Callable[[], str]:
        return self._html_repr

    def _found(self) -> dict[str, str]:
        """Fitted attributes that are a number or a text, by name without its underscore, and the history."""
        found = {name[:-1]: value for name, value in vars(self).items() if name.endswith("_") and name[0] != "_"}
        told = {name.replace("_", " "): str(value) for name, value in found.items() if type(value) in (int, float, str)}
        return told | ({"history": repr(found["history"])} if "history" in found else {})


def card(title: str, facts: Mapping[str, str]) -> str:
    """A title over rows of names and values, in HTML; texts are escaped, and those of over 200 characters are cut."""
    rows = "".join(
        f'<tr style="background:none"><th scope="row" style="{CELL};font-weight:600">{escape(name)}</th>'
        f'<td style="{CELL}"><bdi>{escape(_cut(text))}</bdi></td></tr>'
        for name, text in facts.items()
    )
    return f'<div style="{STYLE}"><strong>{escape(title)}</strong><table style="margin:.2rem 0 0">{rows}</table></div>'


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"
