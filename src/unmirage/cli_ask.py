"""The command that asks models. As in `cli`, nothing is computed here."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from unmirage.cli_console import console, progress_line
from unmirage.cli_options import FAMILY, JUDGING, OUTPUT, ReportOptions, _option
from unmirage.errors import SettingsError

app = App()


@Parameter(name="*")
@dataclass
class AskingOptions:
    """What is asked, and how often."""

    task: Annotated[
        tuple[str, ...],
        _option(
            FAMILY,
            "A generated task (--tasks lists them), a JSON-lines file of prompt and target or of prompt, "
            "choices and answer, or a BIG-bench task.",
            many=True,
        ),
    ] = ()
    items: Annotated[int | None, _option(FAMILY, "Items of each task; by default the task's own number.")] = (
        None
    )
    shots: Annotated[int, _option(FAMILY, "Examples before each question.")] = 0
    template: Annotated[
        Path | None, _option(FAMILY, "A file that says how prompts are built: docs/tasks.md.")
    ] = None
    temperature: Annotated[float, _option(FAMILY, "Of outputs; 0 takes the likeliest token each time.")] = 0.0
    epochs: Annotated[int, _option(FAMILY, "Outputs an item.")] = 1
    max_tokens: Annotated[int | None, _option(FAMILY, "Of an output; by default what the task needs.")] = None
    until: Annotated[
        int | None,
        _option(FAMILY, "Sample each item until so many outputs are right: rates however small."),
    ] = None
    attempts: Annotated[int | None, _option(FAMILY, "Sample each item so often, and count.")] = None
    pass_at: Annotated[
        int | None,
        _option(FAMILY, "Judge by the chance that one of K outputs is right; so many attempts at least."),
    ] = None
    cap: Annotated[int, _option(FAMILY, "With --until: attempts at an item, at most.")] = 10_000
    budget: Annotated[
        int | None,
        _option(FAMILY, "With --until: attempts at all items of all models, at most, where they buy most."),
    ] = None
    seed: Annotated[int, _option(FAMILY, "Of items, examples and samples.")] = 0

    def reading(self) -> dict[str, Any]:
        """Those of the tasks, as arguments of the API."""
        return {"items": self.items, "shots": self.shots, "seed": self.seed, "template": self.template}

    def arguments(self) -> dict[str, Any]:
        """As arguments of the API."""
        attempts = self.attempts
        if self.pass_at is not None:
            if self.pass_at < 1:
                raise SettingsError("must be 1 at least", where="--pass-at")
            if self.until is not None:
                raise SettingsError("cannot stand beside --until", where="--pass-at")
            if attempts is not None and attempts < self.pass_at:
                raise SettingsError(f"needs {self.pass_at} attempts at least", where="--pass-at")
            attempts = attempts or self.pass_at
        return {
            **self.reading(),
            "temperature": self.temperature,
            "epochs": self.epochs,
            "max_tokens": self.max_tokens,
            "until": self.until,
            "attempts": attempts,
            "cap": self.cap,
            "budget": self.budget,
        }


@Parameter(name="*")
@dataclass
class RunOptions:
    """What is done beside asking."""

    dry_run: Annotated[
        bool,
        Parameter(
            group=OUTPUT, negative=(), help="Say how much would be asked and what it costs; ask nothing."
        ),
    ] = field(default=False)
    tasks: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="List the tasks that are generated, and stop.")
    ] = field(default=False)
    audit: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Audit the responses; its page is in OUT/audit.")
    ] = field(default=False)
    axis: Annotated[str, _option(JUDGING, "With --audit: what the curves are drawn against.")] = "n_params"


@app.command(usage="Usage: unmirage ask FAMILY.toml --task TASK [OPTIONS]")
def ask(
    family: Annotated[
        Path | None, Parameter(name="FAMILY.toml", help="The models, their sizes, and what runs them.")
    ] = None,
    /,
    *,
    out: Annotated[
        Path, Parameter(group=OUTPUT, help="Folder for responses.parquet and the answers as they come.")
    ] = Path("unmirage-asked"),
    asking: AskingOptions | None = None,
    running: RunOptions | None = None,
    report: ReportOptions | None = None,
) -> None:
    """Run tasks over a family of models, and keep what every metric needs.

    Outputs and their tokens, the log-probability of each token of the target,
    and of every choice. A family file names the models:

        family = "mine"
        [[models]]
        name = "mine-70m"
        model = "checkpoints/70m"     # a folder, a hub id, or a server's name
        n_params = 70_426_624

    Models run here with transformers (pip install 'unmirage[models]'), or on
    any OpenAI-compatible server (backend = "completions", base_url = "...";
    pip install 'unmirage[api]'). Every answer is on disk before the next
    batch is asked: after any interruption the same command goes on.

        unmirage ask family.toml --task two_digit_multiplication --shots 2 --audit
        unmirage ask family.toml --task data.jsonl --dry-run
        unmirage ask family.toml --task addition --until 5 --temperature 1
    """
    from unmirage.ask.run import ask as run

    asking, running, report = asking or AskingOptions(), running or RunOptions(), report or ReportOptions()
    if running.tasks:
        _list()
        return
    if family is None:
        raise SettingsError(
            "name a family file", where="unmirage ask", hint="`unmirage ask --help` shows one."
        )
    if running.dry_run:
        _plan(family, asking)
        return
    arguments = asking.arguments()
    with progress_line(report.quiet) as progress:
        try:
            asked = run(family, asking.task, out=out, progress=progress, **arguments)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"what was answered is in {out}, and the same command goes on") from None
    for note in asked.notes:
        print(f"note: {note}", file=sys.stderr)
    if running.audit:
        _audit(asked.responses, out, asking, running, report)
        return
    print(asked.responses if report.quiet else f"The responses are in {asked.responses}")


def _audit(
    responses: Path, out: Path, asking: AskingOptions, running: RunOptions, report: ReportOptions
) -> None:
    import unmirage
    from unmirage.cli import finish

    headline = None if asking.pass_at is None else f"pass_at_{asking.pass_at}"
    with progress_line(report.quiet) as progress:
        result = unmirage.audit(
            responses, axis=running.axis, seed=asking.seed, headline=headline, progress=progress
        )
    finish(result, out / "audit", report)


def _list() -> None:
    from unmirage.tasks import names

    for name, says in names():
        print(f"{name:32}{says}")


def _plan(family: Path, asking: AskingOptions) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from unmirage.ask.run import plan
    from unmirage.report.words import printable

    loads = plan(family, asking.task, **asking.arguments())
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("model", "task", "items", "requests", "tokens in", "tokens out", "cost"):
        table.add_column(name, justify="left" if name in ("model", "task") else "right", overflow="fold")
    for one in loads:
        table.add_row(
            Text(printable(one.model.name)),
            Text(printable(one.task.name)),
            *(f"{n:,}" for n in (len(one.task.items), one.requests, one.tokens_in, one.tokens_out)),
            "" if one.cost is None else f"{one.cost:,.2f}",
        )
    console().print(table)
    costs = [one.cost for one in loads if one.cost is not None]
    total = f", costs {sum(costs):,.2f}" if costs else ""
    most = "at most " if asking.until is not None else ""
    count = f"{sum(one.requests for one in loads):,}"
    print(f"In all {most}{count} requests{total}. Tokens in are about a quarter of the characters,")
    print("tokens out at most; costs are at the family file's prices per million tokens.")
