"""The command for many tasks, metrics and families at once. As in `cli`, nothing is computed here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from unmirage.cli_console import console, progress_line, said
from unmirage.cli_options import JUDGING, OUTPUT, AxisOptions, ReadingOptions, ReportOptions, ScoringOptions
from unmirage.errors import SettingsError

if TYPE_CHECKING:
    from unmirage.meta.found import Meta

app = App()


@app.command(usage="Usage: unmirage meta SOURCE... [OPTIONS]")
def meta(
    *sources: Annotated[
        Path,
        Parameter(name="SOURCE", help="Logs, results files or tables; folders are searched."),
    ],
    alpha: Annotated[
        float, Parameter(group=JUDGING, help="Level at which a score is beyond those of smooth curves.")
    ] = 0.05,
    adjust: Annotated[
        Literal["bh", "holm"],
        Parameter(group=JUDGING, help="How p-values are adjusted for the number of curves."),
    ] = "bh",
    claimed: Annotated[
        Path | None,
        Parameter(
            group=JUDGING,
            help="A file that names tasks that were claimed emergent, one a line or in a CSV column task; "
            "by default a list of BIG-bench and MMLU tasks that comes with the package.",
        ),
    ] = None,
    subtasks: Annotated[
        bool,
        Parameter(group=JUDGING, negative=(), help="Keep the parts of tasks that are there as a whole, too."),
    ] = False,
    out: Annotated[
        Path, Parameter(group=OUTPUT, help="Folder for report.html, meta.json and the tables.")
    ] = Path("unmirage-meta"),
    reading: ReadingOptions | None = None,
    axis: AxisOptions | None = None,
    scoring: ScoringOptions | None = None,
    report: ReportOptions | None = None,
) -> None:
    """See where sharp rises are, over many tasks, metrics and families.

    Each curve's emergence score, breakthroughness and linearity are held
    beside those of smooth curves on the same scales with the same errors; the
    shares beyond them are counted by metric, task and family, corrected for
    the number of curves. Aggregates do: BIG-bench score files, results files
    of lm-evaluation-harness, HELM stats, tables.

        unmirage meta BIG-bench/bigbench/benchmark_tasks --out META
        unmirage meta results/ --axis n_tokens
    """
    import unmirage

    reading, axis = reading or ReadingOptions(), axis or AxisOptions()
    scoring, report = scoring or ScoringOptions(), report or ReportOptions()
    if not sources:
        raise SettingsError("name files or folders of logs or results", where="unmirage meta")
    with said(), progress_line(report.quiet) as progress:
        found = unmirage.meta(
            list(sources),
            alpha=alpha,
            adjust=adjust,
            claimed=claimed,
            subtasks=subtasks,
            metrics=scoring.metrics(),
            tokens=scoring.rules(),
            progress=progress,
            **reading.arguments(),
            **axis.arguments(),
        )
        page = found.save(out, formats=report.charts, progress=progress)
    if report.quiet:
        print(page)
        return
    _show(found)
    print(f"\nThe report is in {page}")


def _show(found: Meta) -> None:
    from rich.text import Text

    from unmirage.report.text import warning_lines
    from unmirage.report.words import printable

    screen = console()
    for sentence in found.says:
        screen.print(Text(f"- {printable(sentence)}"))
    for line in warning_lines(found.warnings):
        screen.print(line, soft_wrap=False)
