import numpy as np
import polars as pl
import pytest
import scipy.special

from unmirage.metrics import ragged
from unmirage.metrics.registry import REGISTRY
from unmirage.metrics.shared import item_scores

CHOICE = [one for one in REGISTRY.values() if one.card.group == "choice" and one.combine is None]


def rows_of(counts, seed=0):
    """Choice rows with so many choices each, some of probability 0 and some that tie."""
    rng = np.random.default_rng(seed)
    logs = [np.round(rng.normal(-3, 2, k), 1) for k in counts]
    for values in logs[::3]:
        values[1:2] = -np.inf
    return pl.DataFrame(
        {
            "choice_logprobs": pl.Series([v.tolist() for v in logs], dtype=pl.List(pl.Float64)),
            "choice_lengths": pl.Series([rng.integers(1, 9, k).tolist() for k in counts]),
            "length_unit": ["characters"] * len(counts),
            "answer": pl.Series([int(rng.integers(k)) for k in counts], dtype=pl.Int32),
        }
    )


@pytest.mark.parametrize("counts", [[4] * 100, [2, 5, 3, 3, 2, 7, 5] * 20, [2], []])
def test_scores_together_are_those_one_by_one(counts):
    frame = rows_of(counts)
    for one, scores in zip(CHOICE, item_scores(CHOICE, frame), strict=True):
        assert scores.tobytes() == one.components(frame)[:, 0].tobytes(), one.card.name


def test_a_row_s_scores_do_not_depend_on_the_rows_beside_it(monkeypatch):
    frame = rows_of([2, 5, 3, 3, 2, 7, 12, 5] * 30)
    whole = np.stack(item_scores(CHOICE, frame))
    alone = np.hstack([np.stack(item_scores(CHOICE, row)) for row in frame.iter_slices(1)])
    monkeypatch.setattr(ragged, "_ROWS", 7)
    parts = np.hstack([np.stack(item_scores(CHOICE, part)) for part in frame.iter_slices(50)])
    assert whole.tobytes() == alone.tobytes() == parts.tobytes()


def test_choice_metrics_against_a_loop(monkeypatch):
    monkeypatch.setattr(ragged, "_ROWS", 7)
    frame = rows_of([4, 2, 6, 4, 4, 3] * 20, seed=1)
    scores = dict(zip([one.card.name for one in CHOICE], item_scores(CHOICE, frame), strict=True))
    for k, row in enumerate(frame.iter_rows(named=True)):
        logs, answer = np.array(row["choice_logprobs"]), row["answer"]
        p, truth = scipy.special.softmax(logs), np.eye(len(logs))[answer]
        top = np.flatnonzero(logs == logs.max())
        by_length = logs / np.array(row["choice_lengths"])
        longest = np.flatnonzero(by_length == by_length.max())
        with np.errstate(divide="ignore"):
            others = scipy.special.logsumexp(np.delete(logs, answer)) - np.log(len(logs) - 1)
        expected = {
            "multiple_choice_grade": (answer in top) / len(top),
            "acc_norm": (answer in longest) / len(longest),
            "choice_prob": p[answer],
            "vocab_logprob": logs[answer],
            "margin": logs[answer] - others,
            "brier_sum": ((p - truth) ** 2).sum(),
            "entropy": -scipy.special.xlogy(p, p).sum(),
            "reciprocal_rank": 1 / np.mean([sum(logs > logs[answer]) + 1, sum(logs >= logs[answer])]),
        }
        for name, value in expected.items():
            assert scores[name][k] == pytest.approx(value, rel=1e-12), name


def test_metrics_that_share_nothing_and_the_order_asked_for():
    frame = pl.DataFrame({"target": ["12", "7"], "output": ["12", "9"]})
    wanted = [REGISTRY["numeric_error"], REGISTRY["exact_match"]]
    assert [scores.tolist() for scores in item_scores(wanted, frame)] == [[0, 2 / 7], [1, 0]]
