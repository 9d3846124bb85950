"""The command line: parses, calls the API, prints. Nothing is computed here; options are in `cli_options`.

Exit codes: 0 done, 2 bad input or arguments (one message on stderr), 130 interrupted, 1 a defect of ours.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import cyclopts
from cyclopts import App, Parameter

from unmirage import __version__
from unmirage.cli_options import (
    FAMILY,
    OUTPUT,
    READING,
    CalibrationOptions,
    CurveOptions,
    JudgingOptions,
    ReadingOptions,
    ReportOptions,
    ScoringOptions,
    SimulationOptions,
)
from unmirage.errors import SettingsError, UnmirageError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from unmirage.result import Audit

HELP = """Is that jump in a model family's ability real, or did the metric make it?

Point it at the logs of a model family (a folder of lm-evaluation-harness
output, or a table) and get a verdict for each task, with error bars, and what
data would settle the rest:

    unmirage audit LOGS --out REPORT

`unmirage demo` does that on a small family that comes with the package.
"""

app = App(
    name="unmirage",
    help=HELP,
    help_format="plaintext",
    version=__version__,
    suppress_keyboard_interrupt=False,
)

Sources = Annotated[Path, Parameter(name="SOURCE", help="Files or folders of logs; folders are searched.")]
Out = Annotated[
    str,
    Parameter(group=OUTPUT, help="A .parquet, .csv or .jsonl file, or - for CSV on standard output."),
]
Folder = Annotated[Path, Parameter(group=OUTPUT, help="Folder for report.html, audit.json and the tables.")]


@app.command(usage="Usage: unmirage audit SOURCE... [OPTIONS]")
def audit(
    *sources: Sources,
    out: Folder = Path("unmirage-report"),
    reading: ReadingOptions | None = None,
    drawing: CurveOptions | None = None,
    judging: JudgingOptions | None = None,
    scoring: ScoringOptions | None = None,
    report: ReportOptions | None = None,
) -> None:
    """Judge every task of the logs; write a page, a JSON file and the tables to a folder."""
    import unmirage

    reading, scoring, drawing = (
        reading or ReadingOptions(),
        scoring or ScoringOptions(),
        drawing or CurveOptions(),
    )
    judging, report = judging or JudgingOptions(), report or ReportOptions()
    _needs(sources, "audit")
    with _progress(report.quiet) as progress:
        result = unmirage.audit(
            list(sources),
            metrics=scoring.metrics(),
            tokens=scoring.rules(),
            progress=progress,
            **reading.arguments(),
            **drawing.arguments(),
            **judging.arguments(),
        )
    _finish(result, out, report)


@app.command
def demo(
    *,
    out: Folder = Path("unmirage-demo"),
    seed: Annotated[int, Parameter(group=OUTPUT, help="Of every resampling.")] = 0,
    report: ReportOptions | None = None,
) -> None:
    """Audit the embedded family: eight small transformers that learned addition, from their real logs."""
    import unmirage

    report = report or ReportOptions()
    with _progress(report.quiet) as progress:
        result = unmirage.audit(unmirage.example(), seed=seed, progress=progress)
    _finish(result, out, report)


@app.command(usage="Usage: unmirage read SOURCE... [OPTIONS]")
def read(
    *sources: Sources,
    out: Out = "-",
    table: Annotated[
        Literal["responses", "results"],
        Parameter(group=OUTPUT, help="The responses, or the aggregates that the logs hold."),
    ] = "responses",
    reading: ReadingOptions | None = None,
) -> None:
    """Read logs of any known format into one table of responses."""
    import unmirage

    _needs(sources, "read")
    with _said():
        frame = unmirage.read(list(sources), table=table, **(reading or ReadingOptions()).arguments())
    _write(frame, out)


@app.command(usage="Usage: unmirage score SOURCE... [OPTIONS]")
def score(
    *sources: Sources,
    out: Out = "-",
    reading: ReadingOptions | None = None,
    scoring: ScoringOptions | None = None,
) -> None:
    """Score every response with every metric that it allows; one row a response and metric."""
    import unmirage

    scoring = scoring or ScoringOptions()
    _needs(sources, "score")
    with _said():
        frame = unmirage.score(
            list(sources),
            scoring.metrics(),
            tokens=scoring.rules(),
            **(reading or ReadingOptions()).arguments(),
        )
    _write(frame, out)


@app.command(usage="Usage: unmirage curves SOURCE... [OPTIONS]")
def curves(
    *sources: Sources,
    out: Out = "-",
    reading: ReadingOptions | None = None,
    drawing: CurveOptions | None = None,
    scoring: ScoringOptions | None = None,
) -> None:
    """The mean of each metric for each model, with intervals, chance level and resolution floor."""
    import unmirage

    scoring = scoring or ScoringOptions()
    _needs(sources, "curves")
    with _said():
        frame = unmirage.curves(
            list(sources),
            metrics=scoring.metrics(),
            tokens=scoring.rules(),
            **(reading or ReadingOptions()).arguments(),
            **(drawing or CurveOptions()).arguments(),
        )
    _write(frame, out)


@app.command
def metrics(
    name: Annotated[
        str | None,
        Parameter(help="A metric, or an expression such as threshold(brier_one_sided,0.1)."),
    ] = None,
    /,
) -> None:
    """List the metrics, or explain one: definition, range, chance level, source, other tools' names."""
    from unmirage.metrics import describe, listing
    from unmirage.metrics import metric as find

    print(listing() if name is None else describe(find(name)))


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
    _write(unmirage.simulate(truth, **(family or SimulationOptions()).arguments()), out)


@app.command(usage="Usage: unmirage calibrate --out TABLE.csv [OPTIONS]")
def calibrate(
    *,
    out: Annotated[Path | None, Parameter(group=OUTPUT, help="The CSV file, a line a design.")] = None,
    options: CalibrationOptions | None = None,
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
    with _said(), _progress(options.quiet) as progress:
        try:
            table = calibrate(**options.arguments(), out=out, progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"finished designs are in {out}, and the same command goes on") from None
    if options.quiet:
        print(out)
        return
    show(sheets(table), _console())
    print(f"The table is in {out}")


@app.command(usage="Usage: unmirage reproduce [FIGURE...] --out DIR [OPTIONS]")
def reproduce(
    *figures: Annotated[
        str,
        Parameter(name="FIGURE", help="fig2, fig3, fig4, fig9, fig10, or all, which is the default."),
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
    seed: Annotated[int, Parameter(group=OUTPUT, help="Of sampled strings and resampling.")] = 0,
    quiet: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Print the path of the page only.")
    ] = False,
) -> None:
    """Draw the figures of the paper (arXiv 2304.15004), and test its three predictions on three families.

    fig2   the mathematical model: one smooth loss, sharp and smooth scores
    fig3   accuracy and edit distance by length of the answer
    fig4   the same accuracy on log-log axes, and what a test set resolves
    fig9   ROUGE-L-Sum, as published and as claimed
    fig10  BLEU, as published and as claimed

    Each figure is written as PNG and SVG, with a CSV of its numbers beside
    the paper's; index.md shows all, with what each says. The predictions
    (metric swap, resolution, length) are tested on the paper's model, on the
    trained family and on the paper's GPT-3 numbers, and are in
    predictions.csv: confirmed, not confirmed or not testable, and why.
    """
    from unmirage.paper import reproduce

    with _said(), _progress(quiet) as progress:
        made = reproduce(figures, out, source, seed, progress)
    if quiet:
        print(made.index)
        return
    from unmirage.paper.show import show

    show(made, _console())
    print(f"The figures are in {made.index}")


def _finish(result: Audit, out: Path, report: ReportOptions) -> None:
    with _progress(report.quiet) as progress:
        page = result.save(out, formats=report.charts, progress=progress)
    if report.quiet:
        print(page)
        return
    from unmirage.report.text import summary

    summary(result, _console())
    print(f"\nThe report is in {page}")


def _needs(sources: tuple[Path, ...], command: str) -> None:
    if not sources:
        raise SettingsError(
            "name a file or a folder of logs", where=f"unmirage {command}", hint="`unmirage demo` needs none."
        )


def _write(frame: pl.DataFrame, out: str) -> None:
    from unmirage.export import write_table

    if out == "-":
        write_table(frame, sys.stdout.buffer, "csv")
        return
    path = Path(out)
    write_table(frame, path, path.suffix.removeprefix("."))
    print(f"{frame.height:,} rows are in {path}", file=sys.stderr)


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


@contextmanager
def _said() -> Iterator[None]:
    """Print what a step has to say on stderr, a line each, instead of Python's warning format."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for message in caught:
        print(f"note: {message.message}", file=sys.stderr)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """A progress line on stderr while work goes on; nothing where stderr is no terminal."""
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = _console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = quiet or not console.is_terminal
    steps: dict[str, Any] = {}
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:

        def progress(step: str, done: int, total: int | None) -> None:
            if step not in steps:
                steps[step] = bar.add_task(step, total=total)
            bar.update(steps[step], completed=done, total=total)

        yield progress


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except UnmirageError as problem:
        print(f"unmirage: {problem}", file=sys.stderr)
        return 2
    except cyclopts.CycloptsError as problem:
        print(f"unmirage: {problem}\nSee unmirage --help.", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"unmirage: interrupted; {str(stop) or 'nothing was written'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return 0


def run() -> None:
    """The console script."""
    sys.exit(main())
