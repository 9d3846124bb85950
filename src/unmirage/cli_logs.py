"""The commands for logs as they are: what is in them, and in one table. Nothing is computed here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from unmirage.cli_console import console, progress_line
from unmirage.cli_options import OUTPUT, ReadingOptions
from unmirage.cli_running import ReadingEngineOptions
from unmirage.errors import OutputError, SettingsError, SourceError

app = App()

ENDINGS = (".parquet", ".csv", ".jsonl")


@app.command(usage="Usage: unmirage inspect SOURCE... [OPTIONS]")
def inspect(
    *sources: Annotated[
        Path, Parameter(name="SOURCE", help="Files or folders of logs; folders are searched.")
    ],
    json: Annotated[
        bool, Parameter(name="--json", group=OUTPUT, negative=(), help="Print JSON, for programs.")
    ] = False,
    reading: ReadingOptions | None = None,
    running: ReadingEngineOptions | None = None,
) -> None:
    """Say what is in logs, without scoring anything.

    Tools and versions, models and sizes, tasks, items, repeats, numbers of
    examples in the prompt, recorded aggregates, and which metrics can be
    computed and why the others cannot. Sizes need not be known. Files that
    cannot be read are listed at the end, by name and reason; the exit code is
    2 only where nothing could be read.
    """
    from json import dumps

    from unmirage.inspection import inspect as look
    from unmirage.steps import Reading

    if not sources:
        raise SettingsError("name a file or a folder of logs", where="unmirage inspect")
    options = (reading or ReadingOptions()).arguments()
    with (running or ReadingEngineOptions()).started() as engine, progress_line(quiet=json) as progress:
        found = look(list(sources), Reading(**options), engine=engine, progress=progress)
    if json:
        print(dumps(found.as_json(), indent=2, allow_nan=False))
    else:
        from unmirage.report.inspected import show

        show(found, console())
    if not found.tools:
        raise SourceError("nothing could be read", where=", ".join(str(source) for source in sources))


@app.command(usage="Usage: unmirage convert SOURCE... OUT.parquet [OPTIONS]")
def convert(
    *paths: Annotated[
        Path,
        Parameter(
            name="SOURCE... OUT",
            help="Files or folders of logs, and last the file to write: .parquet, .csv or .jsonl.",
        ),
    ],
    table: Annotated[
        Literal["responses", "results"],
        Parameter(group=OUTPUT, help="The responses, or the aggregates that the logs hold."),
    ] = "responses",
    overwrite: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Replace OUT where it is there.")
    ] = False,
    reading: ReadingOptions | None = None,
    running: ReadingEngineOptions | None = None,
) -> None:
    """Write logs of any known format as one table, which every command reads again.

    Memory does not grow with the logs: each file's rows wait in a folder
    beside OUT, which is gone at the end.
    """
    from unmirage.convert import convert as write
    from unmirage.steps import Reading

    if len(paths) < 2:
        raise SettingsError(
            "name the logs, and last the file to write",
            where="unmirage convert",
            hint="For example: unmirage convert LOGS responses.parquet",
        )
    *sources, out = paths
    if out.suffix not in ENDINGS or out.is_dir():
        raise OutputError(
            f"the last path is the file to write; its ending must be {', '.join(ENDINGS)}", where=str(out)
        )
    if out.exists() and (not overwrite or any(out.resolve() == source.resolve() for source in sources)):
        raise OutputError(
            "is there already",
            where=str(out),
            hint="The last path is the file to write. --overwrite replaces it, unless it is a source too.",
        )
    options = Reading(**(reading or ReadingOptions()).arguments())
    with (running or ReadingEngineOptions()).started() as engine, progress_line(quiet=False) as progress:
        done = write(sources, out, options, table=table, engine=engine, progress=progress)
    for note in done.warnings:
        where = f"{note['where']}: " if note["where"] else ""
        print(f"note: {where}{note['message']}", file=sys.stderr)
    print(f"{done.rows:,} rows are in {out}", file=sys.stderr)
