"""The commands that make families, or measure and redraw with them: no logs of the user's are needed.

`cli` takes them over; as there, nothing is computed here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from unmirage import cli_training
from unmirage.cli_console import console, progress_line, said, write
from unmirage.cli_options import (
    FAMILY,
    OUTPUT,
    READING,
    CalibrationOptions,
    SimulationOptions,
)
from unmirage.cli_running import LongEngineOptions
from unmirage.errors import SettingsError

app = App()
app.command(cli_training.app)


@app.command(usage="Usage: unmirage simulate --truth NAME OUT [OPTIONS]")
def simulate(
    out: Annotated[
        str | None,
        Parameter(name="OUT", help="A .parquet, .csv or .jsonl file, or - for CSV on standard output."),
    ] = None,
    /,
    *,
    truth: Annotated[str | None, Parameter(group=FAMILY, help="What is true of the family.")] = None,
    show: Annotated[
        bool,
        Parameter(
            name="--list",
            group=FAMILY,
            negative=(),
            show_default=False,
            help="Print the truths, a sentence each, and stop.",
        ),
    ] = False,
    family: SimulationOptions | None = None,
) -> None:
    """Make the responses of a family whose truth is known, in a table that `audit` reads."""
    from unmirage.theory.truths import listing

    if show:
        print(listing())
        return
    import unmirage

    if truth is None or out is None:
        raise SettingsError(
            "name a truth and a file: --truth step OUT.parquet",
            where="unmirage simulate",
            hint="`unmirage simulate --list` prints the truths.",
        )
    write(unmirage.simulate(truth, **(family or SimulationOptions()).arguments()), out)


@app.command(usage="Usage: unmirage calibrate --out TABLE.csv [OPTIONS]")
def calibrate(
    *,
    out: Annotated[Path | None, Parameter(group=OUTPUT, help="The CSV file, a line a design.")] = None,
    options: CalibrationOptions | None = None,
    running: LongEngineOptions | None = None,
) -> None:
    """Measure how often verdicts are wrong, on simulated families whose truth is known.

    Each design (a truth, so many scales and items, so much scatter of models)
    is simulated and audited again and again, and its verdicts are counted. A
    robust-break on a smooth truth is a false alarm; on a step it is power.
    Intervals are 95% Clopper-Pearson over the runs. A design that is finished
    is in the file at once; the same command goes on where it was interrupted.
    """
    from unmirage.calibrate import calibrate
    from unmirage.report.error_tables import sheets, show

    options = options or CalibrationOptions()
    if out is None:
        raise SettingsError("name a file: --out TABLE.csv", where="unmirage calibrate")
    with (
        said(),
        (running or LongEngineOptions()).started() as engine,
        progress_line(options.quiet) as progress,
    ):
        try:
            table = calibrate(**options.arguments(), engine=engine, out=out, progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"finished designs are in {out}, and the same command goes on") from None
    if options.quiet:
        print(out)
        return
    show(sheets(table), console())
    print(f"The table is in {out}")


@app.command(usage="Usage: unmirage reproduce [FIGURE...] --out DIR [OPTIONS]")
def reproduce(
    *figures: Annotated[
        str,
        Parameter(name="FIGURE", help="fig2 to fig11, or all, which is the default."),
    ],
    out: Annotated[Path, Parameter(group=OUTPUT, help="Folder for the pictures and tables.")] = Path(
        "unmirage-paper"
    ),
    source: Annotated[
        Path | None,
        Parameter(
            group=READING,
            help="The trained family of figures 3 and 4: logs or a table with the tasks multiplication and "
            "addition, and multiplication_t1 and addition_t1 for temperature 1. By default the embedded one.",
        ),
    ] = None,
    autoencoder: Annotated[
        list[Path] | None,
        Parameter(
            group=READING,
            negative=(),
            help="The autoencoders of figure 7: responses that record reconstruction_error (and, named too, "
            "those of a family pca as a reference). By default the embedded ones.",
        ),
    ] = None,
    omniglot: Annotated[
        list[Path] | None,
        Parameter(
            group=READING,
            negative=(),
            help="The transformers of figure 8: responses with the tasks independent_3 and bursty_3. By "
            "default the embedded ones.",
        ),
    ] = None,
    lenet: Annotated[
        list[Path] | None,
        Parameter(
            group=READING,
            negative=(),
            help="The networks of figure 11: responses of kind choice. By default the embedded ones.",
        ),
    ] = None,
    choices: Annotated[
        list[Path] | None,
        Parameter(
            group=READING,
            negative=(),
            help="Choice tasks for figure 6: responses with the log-probability of each choice. Without them "
            "the panels that need items are left out.",
        ),
    ] = None,
    scores: Annotated[
        list[Path] | None,
        Parameter(
            group=READING,
            negative=(),
            help="Scores of tasks by several metrics, a table or logs of aggregates, also a clone of the "
            "BIG-bench repository: figure 5 draws all, figure 6 the task ipa_transliterate by exact_match "
            "and bleu.",
        ),
    ] = None,
    seed: Annotated[int, Parameter(group=OUTPUT, help="Of sampled strings and resampling.")] = 0,
    quiet: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Print the path of the page only.")
    ] = False,
) -> None:
    """Draw the figures of the paper (arXiv 2304.15004), and test its three predictions on three families.

    fig2   the mathematical model: one smooth loss, sharp and smooth scores
    fig3   accuracy and edit distance by length of the answer
    fig4   the same accuracy on log-log axes, and what a test set resolves
    fig5   emergence scores by metric, and the metrics of claimed tasks
    fig6   choice tasks by grade, Brier score and skill, and the chain to accuracy
    fig7   autoencoders of images: test error, and images that are good enough
    fig8   transformers on sequences of images: one right, and three right
    fig9   ROUGE-L-Sum, as published and as claimed
    fig10  BLEU, as published and as claimed
    fig11  LeNets: accuracy, and groups of images that are all right

    Each figure is written as PNG and SVG, with a CSV of its numbers beside
    the paper's; index.md shows all, with what each says. The predictions
    (metric swap, resolution, length) are tested on the paper's model, on the
    trained family and on the paper's GPT-3 numbers, and are in
    predictions.csv: confirmed, not confirmed or not testable, and why.
    """
    from unmirage.paper import reproduce

    with said(), progress_line(quiet) as progress:
        made = reproduce(
            figures,
            out,
            source,
            seed,
            progress,
            lenet=lenet,
            autoencoder=autoencoder,
            omniglot=omniglot,
            choices=choices,
            scores=scores,
        )
    if quiet:
        print(made.index)
        return
    from unmirage.paper.show import show

    show(made, console())
    print(f"The figures are in {made.index}")
