"""The command line: parses, calls the API, prints. Nothing is computed here; options are in `cli_options`.

Exit codes: 0 done, 2 bad input or arguments (one message on stderr), 130 interrupted, 1 a defect of ours.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts
from cyclopts import App, Parameter

from unmirage import __version__, cli_ask, cli_families, cli_induce, cli_logs, cli_meta
from unmirage.cli_console import console, progress_line, said, write
from unmirage.cli_options import (
    OUTPUT,
    CurveOptions,
    JudgingOptions,
    ReadingOptions,
    ReportOptions,
    ScoringOptions,
)
from unmirage.cli_running import EngineOptions
from unmirage.errors import SettingsError, UnmirageError

if TYPE_CHECKING:
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

app.update(cli_families.app)
app.update(cli_induce.app)
app.update(cli_meta.app)
app.update(cli_ask.app)
app.update(cli_logs.app)

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
    images: Annotated[
        Path | None,
        Parameter(
            group=OUTPUT,
            help="An npz file with pictures of items, which the page then shows: item_id, and images of type "
            "uint8. A file images.npz beside a single source is used by itself.",
        ),
    ] = None,
    reading: ReadingOptions | None = None,
    drawing: CurveOptions | None = None,
    judging: JudgingOptions | None = None,
    scoring: ScoringOptions | None = None,
    running: EngineOptions | None = None,
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
    with (running or EngineOptions()).started() as engine, progress_line(report.quiet) as progress:
        result = unmirage.audit(
            list(sources),
            metrics=scoring.metrics(),
            tokens=scoring.rules(),
            images=images,
            engine=engine,
            progress=progress,
            **reading.arguments(),
            **drawing.arguments(),
            **judging.arguments(),
        )
    finish(result, out, report)


@app.command
def demo(
    *,
    out: Folder = Path("unmirage-demo"),
    seed: Annotated[int, Parameter(group=OUTPUT, help="Of every resampling.")] = 0,
    report: ReportOptions | None = None,
) -> None:
    """Audit the embedded family: transformers of fourteen sizes that were trained on arithmetic."""
    import unmirage
    from unmirage.examples import DEMO

    report = report or ReportOptions()
    with progress_line(report.quiet) as progress:
        result = unmirage.audit(unmirage.example(), tasks=DEMO, seed=seed, progress=progress)
    finish(result, out, report)


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
    with said():
        frame = unmirage.read(list(sources), table=table, **(reading or ReadingOptions()).arguments())
    write(frame, out)


@app.command(usage="Usage: unmirage score SOURCE... [OPTIONS]")
def score(
    *sources: Sources,
    out: Out = "-",
    reading: ReadingOptions | None = None,
    scoring: ScoringOptions | None = None,
    running: EngineOptions | None = None,
) -> None:
    """Score every response with every metric that it allows; one row a response and metric."""
    import unmirage

    scoring = scoring or ScoringOptions()
    _needs(sources, "score")
    with said(), (running or EngineOptions()).started() as engine:
        frame = unmirage.score(
            list(sources),
            scoring.metrics(),
            tokens=scoring.rules(),
            engine=engine,
            **(reading or ReadingOptions()).arguments(),
        )
    write(frame, out)


@app.command(usage="Usage: unmirage curves SOURCE... [OPTIONS]")
def curves(
    *sources: Sources,
    out: Out = "-",
    reading: ReadingOptions | None = None,
    drawing: CurveOptions | None = None,
    scoring: ScoringOptions | None = None,
    running: EngineOptions | None = None,
) -> None:
    """The mean of each metric for each model, with intervals, chance level and resolution floor."""
    import unmirage

    scoring = scoring or ScoringOptions()
    _needs(sources, "curves")
    with (
        said(),
        progress_line(quiet=False) as progress,
        (running or EngineOptions()).started() as engine,
    ):
        frame = unmirage.curves(
            list(sources),
            metrics=scoring.metrics(),
            tokens=scoring.rules(),
            engine=engine,
            progress=progress,
            **(reading or ReadingOptions()).arguments(),
            **(drawing or CurveOptions()).arguments(),
        )
    write(frame, out)


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


def finish(result: Audit, out: Path, report: ReportOptions) -> None:
    """Write an audit, print what it says, and where its page is."""
    with progress_line(report.quiet) as progress:
        page = result.save(out, formats=report.charts, progress=progress)
    if report.quiet:
        print(page)
        return
    from unmirage.report.text import summary

    summary(result, console())
    print(f"\nThe report is in {page}")


def _needs(sources: tuple[Path, ...], command: str) -> None:
    if not sources:
        raise SettingsError(
            "name a file or a folder of logs", where=f"unmirage {command}", hint="`unmirage demo` needs none."
        )


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
    # Tables are no cycles, and a command makes few: to look for them all the time would cost 3% of an audit.
    gc.set_threshold(100_000)
    sys.exit(main())
