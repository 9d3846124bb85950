"""Counted attempts: which requests they are, what is kept of them, and that they go on."""

import polars as pl
import pytest

from unmirage.ask import counting
from unmirage.ask.mock import Mock
from unmirage.ask.run import ask
from unmirage.errors import SettingsError

FAMILY = """
family = "pretended"
[defaults]
backend = "mock"
[[models]]
name = "small"
n_params = 1e6
skill = 0.2
[[models]]
name = "large"
n_params = 1e8
skill = 0.9
"""


@pytest.fixture
def family(tmp_path):
    path = tmp_path / "family.toml"
    path.write_text(FAMILY)
    return path


def replay(family, task, items, attempts, **options):
    """Model -> item -> whether each of so many attempts is right, asked one by one."""
    from unmirage.ask.family import read_family
    from unmirage.ask.requests import Generate
    from unmirage.tasks import find

    found = find(task, items=items)
    return {
        model.name: {
            item.item_id: [
                found.said(
                    Mock(model)
                    .generate([Generate(item.context, found.stop, found.max_tokens, 1.0, k)])[0]
                    .text
                )
                == item.target
                for k in range(attempts)
            ]
            for item in found.items
        }
        for model in read_family(family)
    }


def test_counts_are_those_of_attempts_one_by_one(family, tmp_path):
    asked = ask(family, ["two_digit_addition"], items=6, until=3, cap=80, temperature=1.0, out=tmp_path / "o")
    frame = pl.read_parquet(asked.responses)
    truth = replay(family, "two_digit_addition", 6, 80)
    assert frame.height == 12
    for row in frame.iter_rows(named=True):
        passed = [k for k, right in enumerate(truth[row["model"]][row["item_id"]]) if right]
        if len(passed) >= 3:
            assert (row["n_samples"], row["n_correct"]) == (passed[2] + 1, 3)
        else:
            assert (row["n_samples"], row["n_correct"]) == (80, len(passed))
    assert frame["kind"].unique().to_list() == ["count"]
    assert frame["until"].unique().to_list() == [3.0]


def test_a_fixed_number_of_attempts(family, tmp_path):
    asked = ask(family, ["two_digit_addition"], items=6, attempts=25, temperature=1.0, out=tmp_path / "o")
    frame = pl.read_parquet(asked.responses)
    truth = replay(family, "two_digit_addition", 6, 25)
    assert frame["n_samples"].unique().to_list() == [25]
    assert "until" not in frame.columns
    for row in frame.iter_rows(named=True):
        assert row["n_correct"] == sum(truth[row["model"]][row["item_id"]])


@pytest.mark.parametrize("options", [{"until": 3, "cap": 60}, {"attempts": 20}, {"until": 3, "budget": 300}])
def test_what_was_counted_goes_on(family, tmp_path, monkeypatch, options):
    def run(out):
        return ask(family, ["two_digit_addition"], items=6, temperature=1.0, out=out, **options)

    monkeypatch.setattr(counting, "BLOCK", 16)
    whole = run(tmp_path / "whole").responses.read_bytes()
    calls = []
    original = Mock.generate

    def failing(self, asked):
        calls.append(len(asked))
        if len(calls) % 3 == 0:
            raise KeyboardInterrupt
        return original(self, asked)

    monkeypatch.setattr(Mock, "generate", failing)
    for _ in range(200):
        try:
            cut = run(tmp_path / "cut").responses.read_bytes()
            break
        except KeyboardInterrupt:
            continue
    assert len(calls) > 3
    assert cut == whole


def test_a_budget_is_kept_and_what_is_not_done_is_said(family, tmp_path):
    asked = ask(
        family, ["two_digit_addition"], items=6, until=4, budget=60, temperature=1.0, out=tmp_path / "o"
    )
    frame = pl.read_parquet(asked.responses)
    assert frame["n_samples"].sum() <= 60
    assert any("fewer than 4 right outputs" in note for note in asked.notes)


def test_a_task_with_choices_cannot_be_sampled(family, tmp_path):
    with pytest.raises(SettingsError, match="has choices"):
        ask(family, ["parity_4"], items=3, until=3, temperature=1.0, out=tmp_path / "o")
