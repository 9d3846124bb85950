"""Every figure and the table of predictions, made and written to one folder. Each figure is in its own
file."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from unmirage.errors import SettingsError, SourceError
from unmirage.folders import whole
from unmirage.paper import three
from unmirage.paper.family import Arithmetic, arithmetic
from unmirage.paper.fig2 import fig2
from unmirage.paper.fig3 import fig3
from unmirage.paper.fig4 import fig4
from unmirage.paper.fig5 import fig5
from unmirage.paper.fig6 import fig6
from unmirage.paper.fig7 import fig7
from unmirage.paper.fig8 import fig8
from unmirage.paper.fig9 import fig9
from unmirage.paper.fig10 import fig10
from unmirage.paper.fig11 import fig11
from unmirage.paper.figure import Figure
from unmirage.paper.page import index
from unmirage.result import Progress, silent

if TYPE_CHECKING:
    from unmirage.predictions.choice_chain import ChoiceChain
    from unmirage.steps import Sources

ALL = "all"
INDEX = "index.md"
FORMATS = ("png", "svg")

# Name -> what makes it, from the trained families, the seed and a progress callback.
FIGURES: dict[str, Callable[[Families, int, Progress], Figure]] = {
    "fig2": lambda found, seed, progress: fig2(),
    "fig3": lambda found, seed, progress: fig3(found.arithmetic),
    "fig4": lambda found, seed, progress: fig4(found.arithmetic),
    "fig5": lambda found, seed, progress: fig5(found.scores, seed, progress),
    "fig6": lambda found, seed, progress: fig6(found.choices, found.scores),
    "fig7": lambda found, seed, progress: fig7(found.vision["autoencoder"], seed, progress),
    "fig8": lambda found, seed, progress: fig8(found.vision["omniglot"], seed, progress),
    "fig9": lambda found, seed, progress: fig9(seed, progress),
    "fig10": lambda found, seed, progress: fig10(seed, progress),
    "fig11": lambda found, seed, progress: fig11(found.vision["lenet"], seed, progress),
}
# The vision family that a figure draws.
VISION = {"fig7": "autoencoder", "fig8": "omniglot", "fig11": "lenet"}


@dataclass(frozen=True)
class Families:
    """The trained families, and the data of the user's, that figures draw.

    Attributes
    ----------
    arithmetic: the transformers of figures 3 and 4.
    vision: name ("lenet", "autoencoder", "omniglot") -> responses, of the figures that are made.
    choices: choice tasks for figure 6, or None. scores: aggregates in the schema `tables.RESULTS` for
        figures 5 and 6, or None.
    """

    arithmetic: Arithmetic
    vision: Mapping[str, pl.DataFrame]
    choices: ChoiceChain | None = None
    scores: pl.DataFrame | None = None


@dataclass(frozen=True)
class Reproduction:
    """What was made and written.

    Attributes
    ----------
    figures: in the order of the paper.
    predictions: in the columns `tables.PREDICTIONS`; of the model, the trained family and GPT-3 in turn.
    index: the page that shows all.
    """

    figures: tuple[Figure, ...]
    predictions: pl.DataFrame
    index: Path


def reproduce(
    figures: Sequence[str] = (ALL,),
    out: str | Path = "unmirage-paper",
    source: Sources | None = None,
    seed: int = 0,
    progress: Progress = silent,
    *,
    lenet: Sources | None = None,
    autoencoder: Sources | None = None,
    omniglot: Sources | None = None,
    choices: Sources | None = None,
    scores: Sources | None = None,
) -> Reproduction:
    """Draw figures of the paper, set their numbers beside the paper's, and test its three predictions.

    Writes to the folder `out`, all files or none: each chart as PNG and SVG, FIGURE.csv with the columns of
    `figure.NUMBERS`, predictions.csv with those of `tables.PREDICTIONS`, and index.md that shows all. The
    same source, seed and version give the same bytes.

    Parameters
    ----------
    figures: names of `FIGURES`, or "all"; none are all.
    out: a folder, made where it is missing; files of these names are replaced.
    source: the trained family, as for :func:`unmirage.audit`; the embedded one where None. Figures 3 and 4
        draw its tasks `multiplication` and `addition`, and the same with `_t1` for temperature 1.
    seed: of sampled strings and resampling.
    progress: called with (step, done, total or None).
    lenet, autoencoder, omniglot: the vision families of figures 11, 7 and 8, as `source`; the embedded ones
        where None. With a family "pca" among the autoencoders figure 7 draws it as a reference.
    choices: responses of kind choice, for the panels of figure 6 that need items; left out where None.
    scores: aggregates of tasks and metrics, for panel A of figure 5 and those of figure 6 that need them;
        left out where None.

    Raises
    ------
    SettingsError
        A figure that is not there.
    UnmirageError
        A source that cannot be read, or holds aggregates only or not what a figure draws; a folder that
        cannot be written.
    """
    import unmirage

    names = chosen(figures)
    responses = unmirage.read(unmirage.example() if source is None else source)
    named: dict[str, Sources | None] = {"lenet": lenet, "autoencoder": autoencoder, "omniglot": omniglot}
    shown = [VISION[name] for name in names if name in VISION]
    found = Families(
        arithmetic(responses),
        {one: _vision(one, named[one]) for one in shown},
        _choices(choices, seed, progress) if choices is not None and "fig6" in names else None,
        unmirage.read(scores, table="results") if scores is not None else None,
    )
    made = []
    for done, name in enumerate(names):
        progress("making figures", done, len(names))
        made.append(FIGURES[name](found, seed, progress))
    progress("making figures", len(names), len(names))
    tested = three.every(responses, seed, progress)
    with whole(Path(out), "the reproduction") as draft:
        _write(made, tested, draft, progress)
    return Reproduction(tuple(made), tested, Path(out) / INDEX)


def _vision(name: str, source: Sources | None) -> pl.DataFrame:
    """The responses of a vision family; of the embedded autoencoders with their linear reference."""
    import unmirage
    from unmirage.examples import vision

    return unmirage.read(vision(name) if source is None else source)


def _choices(source: Sources, seed: int, progress: Progress) -> ChoiceChain:
    """The choice tasks of a source under many metrics; SourceError where it has none."""
    import unmirage

    responses = unmirage.read(source)
    rows = responses.filter(pl.col("kind") == "choice")
    if rows.is_empty():
        there = ", ".join(map(str, responses["kind"].unique(maintain_order=True)))
        raise SourceError(
            f"there are no responses of kind choice (there are: {there})",
            where="--choices",
            hint="Rows need choice_logprobs and answer.",
        )
    return unmirage.choice_chain(rows, seed=seed, progress=progress)


def chosen(figures: Sequence[str]) -> list[str]:
    """The names of figures, each once, in the order of the paper; SettingsError for one that is not there."""
    for name in figures:
        if name not in (*FIGURES, ALL):
            close = difflib.get_close_matches(name, FIGURES)
            raise SettingsError(
                f"there is no figure {name!r}",
                where="figures",
                hint=f"{f'Do you mean {close[0]}? ' if close else ''}Figures: {', '.join(FIGURES)}, {ALL}.",
            )
    return [name for name in FIGURES if not figures or ALL in figures or name in figures]


def _write(made: Sequence[Figure], tested: pl.DataFrame, folder: Path, progress: Progress) -> None:
    from unmirage.report.charts import render

    charts = [(stem, chart) for figure in made for stem, chart in figure.charts.items()]
    for done, (stem, chart) in enumerate(charts):
        progress("drawing", done, len(charts))
        for fmt in FORMATS:
            (folder / f"{stem}.{fmt}").write_bytes(render(chart, fmt))
    progress("drawing", len(charts), len(charts))
    for figure in made:
        _csv(figure.numbers, folder / f"{figure.name}.csv")
    _csv(tested, folder / "predictions.csv")
    (folder / INDEX).write_text(index(made, tested), encoding="utf-8")


def _csv(frame: pl.DataFrame, path: Path) -> None:
    try:
        frame.write_csv(path, line_terminator="\n")
    except pl.exceptions.ComputeError as problem:
        # The library's word for a full disk.
        raise OSError(str(problem)) from None
