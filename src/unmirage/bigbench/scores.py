"""What BIG-bench does with the scores of a task: ranges, aggregates over subtasks, the scale of 0 to 100.

The rules are those of `bigbench` 1.0.0: `SCORE_RANGES` of api/json_task.py, `add_aggregate_scores` and
`_renormalize_score_data` of api/results.py. Reading files is not done here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import mean
from typing import Annotated

import msgspec

from unmirage.errors import SettingsError

# Metric -> (low, high) as files hold it.
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("bleu", "sequence_f1", "rouge1", "rouge2", "rougeLsum"), (0.0, 100.0)),
    **dict.fromkeys(("exact_str_match", "case_insensitive_str_match", "multiple_choice_grade"), (0.0, 1.0)),
    **dict.fromkeys(("numeric_match_with_0_1_relative_error", "macro_f1"), (0.0, 1.0)),
    **dict.fromkeys(("calibration_multiple_choice_brier_score", "expected_calibration_error"), (0.0, 1.0)),
    **dict.fromkeys(("log_likelihood", "weighted_log_probabilities"), (-10.0, 0.0)),
    "weighted_probabilities": (-1.0, 1.0),
    "bleurt": (-0.1, 1.1),
}
# Files hold these from 0 to 1; BIG-bench's loader multiplies them by 100.
HUNDREDFOLD = frozenset(
    (
        *("bleurt", "calibration_multiple_choice_brier_score", "expected_calibration_error"),
        *("exact_str_match", "case_insensitive_str_match", "multiple_choice_grade"),
        *("numeric_match_with_0_1_relative_error", "macro_f1"),
    )
)
GRADE = "multiple_choice_grade"
NORMALISED = "normalized_aggregate_score"


class Score(msgspec.Struct, kw_only=True):
    """The scores of one task or subtask at one number of examples in the prompt: BIG-bench's `ScoreData`.

    Attributes
    ----------
    values: metric -> value in BIG-bench's range of it; None where the file holds null.
    preferred: the metric that BIG-bench judges the task by.
    shots: examples in the prompt; -1 where the task has no such number.
    low, high: poor (or chance) and very good values of the preferred metric.
    subtask: the task's name for the task as a whole, else what the file says of the subtask.
    """

    values: dict[str, float | None] = msgspec.field(name="score_dict")
    preferred: str = msgspec.field(name="preferred_score")
    shots: Annotated[int, msgspec.Meta(le=2**31 - 1)] = msgspec.field(name="number_of_shots")
    low: float | None = msgspec.field(name="low_score")
    high: float | None = msgspec.field(name="high_score")
    subtask: str = msgspec.field(name="subtask_description", default="")


def normalised(value: float, low: float, high: float) -> float:
    """A score of the preferred metric on BIG-bench's scale: 100·(value - low) / (high - low).

    0 is poor or chance performance, 100 a very good one; neither is a bound.

    Parameters: value, low and high in one unit; high above low.
    Raises SettingsError where high is not above low.
    """
    if not high > low:
        raise SettingsError(f"the high score {high:g} is not above the low score {low:g}")
    return 100.0 * (value - low) / (high - low)


def as_loaded(score: Score) -> Score:
    """The score as BIG-bench's loader gives it: the metrics of `HUNDREDFOLD` times 100, and low and high too
    where the preferred metric is one of them."""
    times = 100 if score.preferred in HUNDREDFOLD else 1
    return msgspec.structs.replace(
        score,
        values={
            name: value * 100 if value is not None and name in HUNDREDFOLD else value
            for name, value in score.values.items()
        },
        low=None if score.low is None else score.low * times,
        high=None if score.high is None else score.high * times,
    )


def with_aggregates(task: str, scores: Sequence[Score]) -> list[Score]:
    """The scores and, for each number of shots that lacks it, the aggregate of the task as a whole.

    By BIG-bench's rule, `add_aggregate_scores`: every metric is the mean over the subtasks that have it;
    `normalized_aggregate_score` the mean of the preferred scores' `normalised`; the preferred metric is
    multiple_choice_grade where all subtasks prefer it (with the mean low score, and 1 for high), else
    `normalized_aggregate_score`, from 0 to 100. Subtasks that a programmatic task reports several times at
    one number of shots are told apart by "trial_0", "trial_1", ..., which follows the name without a
    separator, as in BIG-bench. What the file holds is not computed again; aggregates come last, in the order
    of shots.

    An aggregate's `normalized_aggregate_score` is None where a preferred score is missing or a high score is
    not above its low score: BIG-bench has no rule for these.
    """
    named = _trials(scores)
    added = []
    for shots in sorted({one.shots for one in named}):
        mine = [one for one in named if one.shots == shots]
        if all(one.subtask != task for one in mine):
            added.append(_aggregate(task, shots, mine))
    return [*named, *added]


def _trials(scores: Sequence[Score]) -> list[Score]:
    keys = [(one.shots, one.subtask) for one in scores]
    times, seen = Counter(keys), Counter[tuple[int, str]]()
    named = []
    for key, one in zip(keys, scores, strict=True):
        several = times[key] > 1
        trial = f"{one.subtask}trial_{seen[key]}"
        named.append(msgspec.structs.replace(one, subtask=trial) if several else one)
        seen[key] += 1
    return named


def _aggregate(task: str, shots: int, scores: Sequence[Score]) -> Score:
    metrics = dict.fromkeys(name for one in scores for name in one.values)
    values = {name: _mean(one.values[name] for one in scores if name in one.values) for name in metrics}
    shares = [_share(one) for one in scores]
    values[NORMALISED] = None if None in shares else mean(s for s in shares if s is not None) * 100
    if {one.preferred for one in scores} == {GRADE}:
        low = _mean(one.low for one in scores)
        return Score(values=values, preferred=GRADE, shots=shots, low=low, high=1.0, subtask=task)
    return Score(values=values, preferred=NORMALISED, shots=shots, low=0.0, high=100.0, subtask=task)


def _mean(values: Iterable[float | None]) -> float | None:
    found = list(values)
    numbers = [value for value in found if value is not None and math.isfinite(value)]
    return mean(numbers) if len(numbers) == len(found) else None


def _share(score: Score) -> float | None:
    value, low, high = score.values.get(score.preferred), score.low, score.high
    if value is None or low is None or high is None or not high > low or not math.isfinite(value):
        return None
    return (value - low) / (high - low)
