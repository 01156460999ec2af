"""What all figures share: colours that colour-blind readers tell apart, and axes without clutter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import InvalidParameter, MissingExtra
from ..storage.files import check_target, refused, written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442",
)  # fmt: skip
"""Okabe & Ito (2008), Color universal design."""
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, "#000000")
GREY = "#767676"
LONGEST_NAME = 28
SUFFIXES = (".png", ".svg", ".pdf")


def figure(width: float = 8.0, height: float = 4.5) -> Figure:
    """An empty figure, in inches. Raises MissingExtra without matplotlib."""
    try:
        from matplotlib.figure import Figure as New
    except ImportError as error:
        raise MissingExtra("plots") from error
    return New(figsize=(width, height), dpi=120, layout="constrained")


def grid(drawn: Figure | SubFigure, n_rows: int = 1, n_columns: int = 1) -> list[list[Axes]]:
    """Axes in rows and columns, n_rows lists of n_columns."""
    return drawn.subplots(n_rows, n_columns, squeeze=False).tolist()  # pyright: ignore[reportAttributeAccessIssue]


def whole(axes: Axes) -> None:
    """Ticks of x at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def plain(axes: Axes, *, title: str = "", x: str = "", y: str = "") -> Axes:
    """Titles, names of the axes, a light grid, no box."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(_safe(x))
    axes.set_ylabel(_safe(y))
    axes.set_title(_safe(title), loc="left", fontsize=10)
    return axes


def short(name: object, most: int = LONGEST_NAME) -> str:
    """A name as text that fits; its middle is left out if it is long, and mathematical text is not set."""
    text = "".join(c if c.isprintable() else " " for c in str(name))
    text = text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"
    return _safe(text)


def _safe(text: str) -> str:
    return text.replace("$", r"\$")


def legend(axes: Axes, place: Literal["best", "upper left", "below"] = "best") -> None:
    """A legend without a box, at one of matplotlib's places, or below the axes."""
    if place == "below":
        axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.22), ncols=2)
    else:
        axes.legend(frameon=False, fontsize=8, loc=place)


def check_figure_target(path: Path) -> None:
    """Raise InvalidParameter unless a figure can be written to path, MissingExtra without matplotlib."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidParameter(f"cannot write {path}: a figure's extension must be {', '.join(SUFFIXES)}")
    check_target(path)
    figure()


def save(drawn: Figure, path: Path) -> None:
    """Write a figure whole, or not at all, with the same bytes for the same figure. Raises InvalidParameter."""
    import matplotlib as mpl

    suffix = path.suffix.lower().removeprefix(".")
    undated = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[suffix]
    with refused(path), mpl.rc_context({"svg.hashsalt": "seqae"}), written_whole(path) as file:
        drawn.savefig(file, format=suffix, metadata=undated)
