"""What the commands print and write beside their results: progress, notes, tables."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console


def write(frame: pl.DataFrame, out: str) -> None:
    """A table to a file, or as CSV to standard output."""
    from unmirage.export import write_table

    if out == "-":
        write_table(frame, sys.stdout.buffer, "csv")
        return
    path = Path(out)
    write_table(frame, path, path.suffix.removeprefix("."))
    print(f"{frame.height:,} rows are in {path}", file=sys.stderr)


def console(stderr: bool = False) -> Console:
    """Where rich prints."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


@contextmanager
def said() -> Iterator[None]:
    """Print what a step has to say on stderr, a line each, instead of Python's warning format."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for message in caught:
        print(f"note: {message.message}", file=sys.stderr)


@contextmanager
def progress_line(quiet: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """A progress line on stderr while work goes on, with rate and time left where the total is known;
    nothing where stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda step, done, total: None
        return
    from rich.filesize import decimal
    from rich.progress import (
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    def in_bytes(task: Task) -> bool:
        return task.description == "reading" and task.total is not None

    class Done(MofNCompleteColumn):
        """ "3/8"; of what is read, bytes: "1.2 GB/10.0 GB"."""

        def render(self, task: Task) -> Text:
            if not in_bytes(task):
                return super().render(task)
            done, total = decimal(int(task.completed)), decimal(int(task.total or 0))
            return Text(f"{done}/{total}", style="progress.download")

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            rate = task.finished_speed or task.speed
            if rate is None or task.total is None:
                return Text("")
            return Text(f"{decimal(int(rate))}/s" if in_bytes(task) else f"{rate:,.3g}/s")

    screen = console(stderr=True)
    columns = (
        *(SpinnerColumn(), TextColumn("{task.description}"), Done(), Rate()),
        *(TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()),
    )
    steps: dict[str, Any] = {}
    with Progress(*columns, console=screen, transient=True) as bar:

        def progress(step: str, done: int, total: int | None) -> None:
            if step not in steps:
                steps[step] = bar.add_task(step, total=total)
            bar.update(steps[step], completed=done, total=total)

        yield progress
