"""The queries in BIG-bench's full logs: what the model was asked, and what it gave. Rows are laid out in
`bigbench_items`.

Checked on a full log of bigbench 1.0.0 (`QueryLoggingModel`, and `update_json_task_queries` of api/util.py,
which adds the task, the number of shots and each sample's targets). Log-probabilities are natural and summed
over the tokens of a target.
"""

from __future__ import annotations

import msgspec

from unmirage.bigbench.scores import Score
from unmirage.readers.bigbench_rows import Model, Task

GENERATION, LIKELIHOOD = "generate_text", "cond_log_prob"


class Sample(msgspec.Struct):
    """One example of a query.

    Attributes
    ----------
    input: the prompt, examples of other items in it.
    output: the text after the task's post-processing; generations only.
    targets: of a generation {target: {metric: value or null}}; else the texts that were scored.
    absolute, scores: log-probability of each target; `scores` are renormalised over the targets unless the
        query asked for absolute ones.
    values: {choice: target score} of an item with choices; None of a plain log-likelihood.
    correct: the grade of an item with choices, as BIG-bench recorded it.
    """

    input: str
    targets: dict[str, dict[str, float | None]] | list[str] | None = None
    output: str | None = None
    scores: list[float] | None = None
    absolute: list[float] | None = msgspec.field(name="absolute_scores", default=None)
    values: dict[str, float] | None = msgspec.field(name="target_values", default=None)
    correct: float | None = None


class Query(msgspec.Struct):
    """One call of the model over the examples of a task at a number of shots."""

    function: str
    samples: list[Sample]
    task: str | None = None
    shots: int | None = None
    absolute: bool | None = msgspec.field(name="absolute_normalization", default=None)

    @property
    def named(self) -> bool:
        """Whether it says whose examples it holds, which queries of programmatic tasks do not."""
        return self.task is not None and self.shots is not None

    @property
    def kind(self) -> str | None:
        """ "generation", "choice" or "likelihood" by what its samples hold; None for none of these.

        A task that is scored by choices and by log-likelihood holds two queries with choices, of which one
        is mislabelled: it has the log-likelihood of the target alone. It is known by targets that are fewer
        than the choices, and counts as a likelihood.
        """
        if not self.samples:
            return None
        if self.function == GENERATION:
            whole = all(
                s.output is not None and isinstance(s.targets, dict) and s.targets for s in self.samples
            )
            return "generation" if whole else None
        if self.function != LIKELIHOOD or any(logprobs(self, s) is None for s in self.samples):
            return None
        return "choice" if all(has_choices(s) for s in self.samples) else "likelihood"


class FullLog(msgspec.Struct):
    """A full log: a results file with its queries."""

    scores: list[Score]
    task: Task
    model: Model
    queries: list[Query] = []


def has_choices(sample: Sample) -> bool:
    """Whether the texts that were scored are the item's choices, two at least."""
    return (
        isinstance(sample.targets, list)
        and bool(sample.values)
        and len(sample.targets) > 1
        and set(sample.targets) == set(sample.values or ())
    )


def mislabelled(query: Query) -> bool:
    """Whether a log-likelihood is written down as if it were of choices."""
    return query.kind == "likelihood" and any(sample.values for sample in query.samples)


def logprobs(query: Query, sample: Sample) -> list[float] | None:
    """Log-probability of each text in `targets`; None where there is none, or only a renormalised one."""
    found = sample.absolute if sample.absolute is not None else sample.scores if query.absolute else None
    if found is None or not isinstance(sample.targets, list) or not sample.targets:
        return None
    return found if len(found) == len(sample.targets) else None
