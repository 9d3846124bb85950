"""BIG-bench's rules for scores by hand; its own loader's answers are in `readers/test_bigbench.py`."""

import pytest

from unmirage.bigbench.scores import Score, as_loaded, normalised, with_aggregates
from unmirage.errors import SettingsError


def score(subtask, values, *, preferred=None, ends=(0.0, 1.0), shots=0):
    preferred = preferred or next(iter(values))
    return Score(values=values, preferred=preferred, shots=shots, low=ends[0], high=ends[1], subtask=subtask)


def test_normalised():
    assert normalised(0.40, 0.25, 1) == pytest.approx(20.0)
    assert normalised(-3, -10, 0) == pytest.approx(70.0)
    with pytest.raises(SettingsError, match="high score 1 is not above the low score 1"):
        normalised(0.5, 1, 1)


def test_as_loaded_multiplies_the_range_only_with_the_preferred_metric():
    found = as_loaded(
        score("t", {"bleu": 12.5, "multiple_choice_grade": 0.5, "macro_f1": None}, ends=(0, 100))
    )
    assert found.values == {"bleu": 12.5, "multiple_choice_grade": 50.0, "macro_f1": None}
    assert (found.low, found.high) == (0, 100)
    found = as_loaded(score("t", {"multiple_choice_grade": 0.5}, ends=(0.25, 1.0)))
    assert (found.low, found.high) == (25.0, 100.0)


def test_grades_keep_their_metric_and_others_are_normalised():
    graded = [
        score(f"t:{k}", {"multiple_choice_grade": v}, ends=(low, 1.0))
        for k, v, low in (("a", 0.4, 0.2), ("b", 0.6, 0.4))
    ]
    (*_, whole) = with_aggregates("t", graded)
    assert (whole.subtask, whole.preferred, whole.high) == ("t", "multiple_choice_grade", 1.0)
    assert whole.low == pytest.approx(0.3)
    assert whole.values["multiple_choice_grade"] == pytest.approx(0.5)
    assert whole.values["normalized_aggregate_score"] == pytest.approx(100 * (0.25 + 1 / 3) / 2)
    (*_, whole) = with_aggregates("t", [*graded, score("t:c", {"bleu": 50.0}, ends=(0, 100))])
    assert (whole.preferred, whole.low, whole.high) == ("normalized_aggregate_score", 0, 100)
    assert whole.values["bleu"] == 50.0


def test_a_whole_that_is_there_is_kept_as_it_is():
    rows = [score("t", {"multiple_choice_grade": 0.9}), score("t:a", {"exact_str_match": 0.1})]
    assert with_aggregates("t", rows) == rows


def test_repeats_are_numbered_and_added_to_each_number_of_shots():
    rows = [score("x", {"acc": v}, shots=s) for v, s in ((0.1, 0), (0.3, 0), (0.5, 1))]
    found = with_aggregates("t", rows)
    assert [one.subtask for one in found] == ["xtrial_0", "xtrial_1", "x", "t", "t"]
    assert [one.values["acc"] for one in found[3:]] == pytest.approx([0.2, 0.5])


@pytest.mark.parametrize(("value", "high"), [(None, 1.0), (0.5, 0.0), (float("nan"), 1.0)])
def test_without_a_preferred_score_or_a_range_nothing_is_normalised(value, high):
    (_, whole) = with_aggregates("t", [score("t:a", {"acc": value}, ends=(0.0, high))])
    assert whole.values["normalized_aggregate_score"] is None
