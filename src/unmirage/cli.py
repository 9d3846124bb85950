"""The command line: parses, calls the API, prints. Nothing is computed here.

Exit codes: 0 done, 2 bad input or arguments (one message on stderr), 130 interrupted, 1 a defect of ours.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import cyclopts
from cyclopts import App, Group, Parameter

from unmirage import __version__
from unmirage.errors import SettingsError, UnmirageError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from unmirage.result import Audit

HELP = """Is that jump in a model family's ability real, or did the metric make it?

Point it at the logs of a model family (a folder of lm-evaluation-harness output, or a table) and get a
verdict for each task, with error bars, and what data would settle the rest:

    unmirage audit LOGS --out REPORT

`unmirage demo` does that on a small family that comes with the package.
"""

app = App(
    name="unmirage", help=HELP, help_format="markdown", version=__version__, suppress_keyboard_interrupt=False
)

READING = Group("Reading", sort_key=1)
JUDGING = Group("Judging", sort_key=2)
OUTPUT = Group("Output", sort_key=3)

Sources = Annotated[tuple[Path, ...], Parameter(help="Files or folders of logs; folders are searched.")]
Format = Annotated[
    str | None, Parameter(group=READING, help="lm-eval or table; by default each file is looked at.")
]
Family = Annotated[str | None, Parameter(group=READING, help="One family name for all models.")]
Families = Annotated[
    tuple[Path, ...],
    Parameter(
        group=READING,
        negative=(),
        consume_multiple=False,
        help="A TOML file with sizes of models that are not known. Can be repeated.",
    ),
]
Maps = Annotated[
    tuple[str, ...],
    Parameter(
        name="--map",
        group=READING,
        negative=(),
        consume_multiple=False,
        help=(
            "For tables: SOURCE=NAME, where SOURCE is a column or a SQL expression over columns "
            "(-nll=target_logprob), or a TOML file of them. Can be repeated."
        ),
    ),
]
Tokens = Annotated[
    tuple[str, ...],
    Parameter(
        group=READING,
        negative=(),
        consume_multiple=False,
        help=(
            "How texts are cut into tokens: characters or words, for all tasks or as TASK=characters. By "
            "default characters where all targets of a task are numbers, else words."
        ),
    ),
]
Axis = Annotated[
    str,
    Parameter(group=JUDGING, help="n_params, n_tokens, flops, loss, or another numeric column of the logs."),
]
Metrics = Annotated[
    tuple[str, ...],
    Parameter(
        name="--metric",
        group=JUDGING,
        negative=(),
        consume_multiple=False,
        help="Score these metrics only. Can be repeated; `unmirage metrics` lists them.",
    ),
]
Chance = Annotated[
    tuple[str, ...],
    Parameter(
        group=JUDGING,
        negative=(),
        consume_multiple=False,
        help=(
            "Chance level of a task's headline where the log cannot tell it: TASK=0.25, or 0.25 for all. "
            "Can be repeated."
        ),
    ),
]
Checkpoint = Annotated[
    str,
    Parameter(
        group=JUDGING,
        help="On n_params and flops, which checkpoint of a run stands for it: last, first, or COLUMN=VALUE.",
    ),
]
Seed = Annotated[
    int, Parameter(group=JUDGING, help="Of every resampling; the same seed gives the same bytes.")
]


@app.command
def audit(
    *sources: Path,
    out: Annotated[
        Path, Parameter(group=OUTPUT, help="Folder for report.html, audit.json and the tables.")
    ] = Path("unmirage-report"),
    axis: Axis = "n_params",
    headline: Annotated[
        str | None,
        Parameter(
            group=JUDGING,
            help=(
                "The metric that people report; by default exact match, multiple-choice accuracy or the "
                "pass rate, as the responses allow."
            ),
        ),
    ] = None,
    companion: Annotated[
        str | None,
        Parameter(
            group=JUDGING,
            help=(
                "The continuous metric to hold beside it; by default from log-probabilities, where the "
                "logs have them."
            ),
        ),
    ] = None,
    metric: Metrics = (),
    chance: Chance = (),
    checkpoint: Checkpoint = "last",
    samples: Annotated[
        int | None,
        Parameter(
            group=JUDGING,
            help=(
                "Keep this many of the counted attempts an item, drawn at random: what a smaller "
                "evaluation would have shown."
            ),
        ),
    ] = None,
    alpha: Annotated[float, Parameter(group=JUDGING, help="Level of the tests against chance.")] = 0.05,
    confidence: Annotated[float, Parameter(group=JUDGING, help="Of every interval.")] = 0.95,
    interval: Annotated[
        Literal["clopper-pearson", "wilson"], Parameter(group=JUDGING, help="For 0/1 scores.")
    ] = "clopper-pearson",
    replicates: Annotated[int, Parameter(group=JUDGING, help="Resamples of the items.")] = 2000,
    adjust: Annotated[
        Literal["bh", "holm"], Parameter(group=JUDGING, help="How p-values are adjusted over the audit.")
    ] = "bh",
    seed: Seed = 0,
    format: Format = None,
    family: Family = None,
    families: Families = (),
    map: Maps = (),
    tokens: Tokens = (),
    charts: Annotated[
        tuple[Literal["png", "svg", "pdf"], ...],
        Parameter(
            group=OUTPUT,
            negative=(),
            consume_multiple=False,
            help="Also write each task's chart as a file of this format. Can be repeated.",
        ),
    ] = (),
    quiet: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Print the path of the report only.")
    ] = False,
) -> None:
    """Judge every task of the logs; write a page, a JSON file and the tables to a folder."""
    import unmirage

    _needs(sources, "audit")
    with _progress(quiet) as progress:
        result = unmirage.audit(
            list(sources),
            axis=axis,
            headline=headline,
            companion=companion,
            metrics=metric or None,
            seed=seed,
            alpha=alpha,
            confidence=confidence,
            interval=interval,
            replicates=replicates,
            adjust=adjust,
            checkpoint=checkpoint,
            samples=samples,
            tokens=_tokens(tokens),
            chance=_chance(chance),
            format=format,
            family=family,
            families=families,
            map=map,
            progress=progress,
        )
    _finish(result, out, charts, quiet)


@app.command
def demo(
    *,
    out: Annotated[Path, Parameter(group=OUTPUT, help="Folder for the report.")] = Path("unmirage-demo"),
    seed: Seed = 0,
    charts: Annotated[
        tuple[Literal["png", "svg", "pdf"], ...],
        Parameter(
            group=OUTPUT,
            negative=(),
            consume_multiple=False,
            help="Also write each task's chart as a file of this format. Can be repeated.",
        ),
    ] = (),
    quiet: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Print the path of the report only.")
    ] = False,
) -> None:
    """Audit the embedded family: eight small transformers that learned addition, from their real logs."""
    import unmirage

    with _progress(quiet) as progress:
        result = unmirage.audit(unmirage.example(), seed=seed, progress=progress)
    _finish(result, out, charts, quiet)


Out = Annotated[
    str,
    Parameter(group=OUTPUT, help="A .parquet, .csv or .jsonl file, or - for CSV on standard output."),
]


@app.command
def read(
    *sources: Path,
    out: Out = "-",
    table: Annotated[
        Literal["responses", "results"],
        Parameter(group=OUTPUT, help="The responses, or the aggregates that the logs hold."),
    ] = "responses",
    format: Format = None,
    family: Family = None,
    families: Families = (),
    map: Maps = (),
) -> None:
    """Read logs of any known format into one table of responses."""
    import unmirage

    _needs(sources, "read")
    with _said():
        frame = unmirage.read(
            list(sources), table=table, format=format, family=family, families=families, map=map
        )
    _write(frame, out)


@app.command
def score(
    *sources: Path,
    out: Out = "-",
    metric: Metrics = (),
    format: Format = None,
    family: Family = None,
    families: Families = (),
    map: Maps = (),
    tokens: Tokens = (),
) -> None:
    """Score every response with every metric that it allows; one row a response and metric."""
    import unmirage

    _needs(sources, "score")
    with _said():
        frame = unmirage.score(
            list(sources),
            metric or None,
            tokens=_tokens(tokens),
            format=format,
            family=family,
            families=families,
            map=map,
        )
    _write(frame, out)


@app.command
def curves(
    *sources: Path,
    out: Out = "-",
    axis: Axis = "n_params",
    metric: Metrics = (),
    chance: Chance = (),
    checkpoint: Checkpoint = "last",
    seed: Seed = 0,
    format: Format = None,
    family: Family = None,
    families: Families = (),
    map: Maps = (),
    tokens: Tokens = (),
) -> None:
    """The mean of each metric for each model, with intervals, chance level and resolution floor."""
    import unmirage

    _needs(sources, "curves")
    with _said():
        frame = unmirage.curves(
            list(sources),
            axis=axis,
            metrics=metric or None,
            chance=_chance(chance),
            checkpoint=checkpoint,
            seed=seed,
            tokens=_tokens(tokens),
            format=format,
            family=family,
            families=families,
            map=map,
        )
    _write(frame, out)


@app.command
def metrics(
    name: Annotated[
        str | None, Parameter(help="A metric, or an expression such as threshold(brier_one_sided,0.1).")
    ] = None,
    /,
) -> None:
    """List the metrics, or explain one: definition, range, chance level, source, other tools' names."""
    from unmirage.metrics import describe, listing
    from unmirage.metrics import metric as find

    print(listing() if name is None else describe(find(name)))


def _finish(result: Audit, out: Path, charts: tuple[str, ...], quiet: bool) -> None:
    page = result.save(out, formats=charts)
    if not quiet:
        from unmirage.report.text import summary

        summary(result, _console())
        print()
    print(page if quiet else f"The report is in {page}")


def _needs(sources: tuple[Path, ...], command: str) -> None:
    if not sources:
        raise SettingsError(
            "name a file or a folder of logs", where=f"unmirage {command}", hint="`unmirage demo` needs none."
        )


def _tokens(entries: tuple[str, ...]) -> str | dict[str, str] | None:
    named = dict(entry.rsplit("=", 1) for entry in entries if "=" in entry)
    plain = [entry for entry in entries if "=" not in entry]
    if named and plain:
        raise SettingsError("give one rule for all tasks, or TASK=RULE entries, not both", where="--tokens")
    return named or (plain[-1] if plain else None)


def _chance(entries: tuple[str, ...]) -> dict[str, float]:
    levels = {}
    for entry in entries:
        task, _, text = entry.rpartition("=")
        try:
            levels[task or "*"] = float(text)
        except ValueError:
            raise SettingsError(
                f"cannot read {entry!r}", where="--chance", hint="Write TASK=0.25, or 0.25 for all."
            ) from None
    return levels


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


class _said:
    """Prints what a step has to say on stderr, a line each, instead of Python's warning format."""

    def __enter__(self) -> None:
        import warnings

        self._catch = warnings.catch_warnings(record=True)
        self._caught: list[Any] = self._catch.__enter__() or []
        warnings.simplefilter("always")

    def __exit__(self, *problem: object) -> None:
        self._catch.__exit__(None, None, None)
        for message in self._caught:
            print(f"note: {message.message}", file=sys.stderr)


class _progress:
    """A progress line on stderr while work goes on; nothing where stderr is no terminal."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def __enter__(self) -> Any:
        from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = _console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=self._quiet or not console.is_terminal,
        )
        self._bar.start()
        steps: dict[str, Any] = {}

        def progress(step: str, done: int, total: int | None) -> None:
            if step not in steps:
                steps[step] = self._bar.add_task(step, total=total)
            self._bar.update(steps[step], completed=done, total=total)

        return progress

    def __exit__(self, *problem: object) -> None:
        self._bar.stop()


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
    except KeyboardInterrupt:
        print("unmirage: interrupted; nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return 0


def run() -> None:
    """The console script."""
    sys.exit(main())
