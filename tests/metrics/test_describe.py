"""Cards in words."""

from __future__ import annotations

import pytest

from unmirage.errors import MetricError
from unmirage.metrics import describe, listing, metric, names, table


@pytest.mark.parametrize("name", [*names(), "pass_at_10", "all_of(threshold(token_edit_distance,1),3)"])
def test_a_description_holds_the_whole_card(name):
    card = metric(name).card
    text = " ".join(describe(name).split())
    for part in (
        card.name,
        card.title,
        card.definition,
        card.source,
        card.chance_note,
        ", ".join(card.inputs),
    ):
        assert " ".join(part.split()) in text
    for alias in card.aliases:
        assert f"{alias.tool}: {alias.name}. Difference: {alias.difference}." in text
    assert max(len(line) for line in describe(name).splitlines()) <= 100


def test_a_short_card_in_full():
    assert describe("token_prob").splitlines()[0] == "token_prob (Probability a token)"
    lines = {
        line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in describe("ece").splitlines()[1:]
    }
    assert lines["range"] == "0 to 1"
    assert lines["better"] == "lower"
    assert lines["nature"] == "not continuous, aggregate"
    assert "range       -infinity to 0, in nats" in describe("choice_logprob")
    assert 'pip install "unmirage[text]"' in describe(metric("bleu"))


def test_the_table_lists_all_names_then_the_forms():
    rows = table()
    assert [row["name"] for row in rows] == [
        *names(),
        *("pass_at_K", "threshold(METRIC,C)", "all_of(METRIC,K)", "any_of(METRIC,R)"),
    ]
    assert len({tuple(row) for row in rows}) == 1
    by_name = {row["name"]: row for row in rows}
    assert by_name["brier_sum"]["range"] == "0 to 2"
    assert by_name["brier_sum"]["better"] == "lower"
    assert by_name["rouge_l"]["extra"] == "text"
    assert by_name["token_edit_distance"]["nature"] == "continuous, linear in the error a token"
    assert by_name["all_of(METRIC,K)"]["nature"] == "not continuous, aggregate"


def test_an_unknown_name_raises():
    with pytest.raises(MetricError):
        describe("nonsense")


def test_the_listing_names_every_metric_within_a_terminal():
    lines = listing().splitlines()
    first = {line.split()[0] for line in lines if line.startswith("  ")}
    assert set(names()) <= first
    assert max(map(len, lines[:-2])) <= 80
    assert any(line.split()[:3] == ["token_edit_distance", "lower", "linear"] for line in lines)
