"""Names, aliases and expressions."""

from __future__ import annotations

import pytest

from unmirage.errors import MetricError
from unmirage.metrics import by_alias, metric, names
from unmirage.metrics.cards import GROUPS

DESIGNED = {
    *("exact_match", "exact_match_normalised", "token_edit_distance", "token_hamming", "token_accuracy"),
    *("token_f1", "char_edit_distance", "numeric_error", "bleu", "rouge_l", "rouge_lsum"),
    *("cross_entropy", "target_logprob", "target_prob", "token_prob", "bits_per_byte", "greedy_match"),
    *("multiple_choice_grade", "acc_norm", "choice_prob", "choice_logprob", "vocab_logprob", "vocab_prob"),
    *(
        "margin",
        "brier_one_sided",
        "brier_sum",
        "brier_mean",
        "reciprocal_rank",
        "entropy",
        "ece",
        "macro_f1",
    ),
    *("pass_rate", "pooled_rate", "neg_log_pass"),
    "reconstruction_error",
}


def test_names_are_those_of_the_design_group_by_group():
    assert set(names()) == DESIGNED
    assert len(names()) == len(DESIGNED)
    groups = [metric(name).card.group for name in names()]
    assert groups == sorted(groups, key=GROUPS.index)


@pytest.mark.parametrize("name", sorted(DESIGNED))
def test_every_card_is_whole(name):
    card = metric(name).card
    assert card.name == name
    assert card.title
    assert card.definition.endswith(".")
    assert card.source
    assert card.inputs
    assert card.low < card.high
    assert not (card.binary and card.continuous)
    assert card.continuous or not card.linear
    assert all(alias.difference for alias in card.aliases)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (" exact_match ", "exact_match"),
        ("pass_at_10", "pass_at_10"),
        ("threshold(brier_one_sided, 0.1)", "threshold(brier_one_sided,0.1)"),
        ("threshold ( cross_entropy , 1.0 )", "threshold(cross_entropy,1)"),
        ("threshold(target_logprob,-2.50)", "threshold(target_logprob,-2.5)"),
        ("threshold(target_logprob,-0.0)", "threshold(target_logprob,0)"),
        ("threshold(target_prob,1e-5)", "threshold(target_prob,1e-05)"),
        ("threshold(pass_at_2,0.5)", "threshold(pass_at_2,0.5)"),
        ("all_of( exact_match,05 )", "all_of(exact_match,5)"),
        (
            "any_of(threshold( token_edit_distance, 1 ), 3)",
            "any_of(threshold(token_edit_distance,1),3)",
        ),
    ],
)
def test_expressions_have_one_canonical_name(written, canonical):
    assert metric(written).card.name == canonical
    assert metric(canonical).card.name == canonical


@pytest.mark.parametrize(
    "name",
    [
        *("", "exact", "pass_at_0", "pass_at_k", "pass_at_-1", "pass_at_1.5", "threshold", "threshold()"),
        *(
            "threshold(exact_match)",
            "threshold(cross_entropy,1",
            "threshold(cross_entropy,1),3)",
            "all_of(,3)",
        ),
        *("all_of(exact_match,3)x", "none_of(exact_match,3)", "exact_match,3", "EXACT_MATCH"),
    ],
)
def test_unknown_names_are_refused(name):
    with pytest.raises(MetricError, match="unmirage metrics"):
        metric(name)


def test_an_unknown_name_is_answered_with_close_ones():
    with pytest.raises(MetricError) as caught:
        metric("exact_mach")
    assert "'exact_mach'" in caught.value.what
    assert "exact_match" in caught.value.hint
    assert "`unmirage metrics` lists them" in caught.value.hint


def test_another_tool_s_name_is_answered_with_ours():
    with pytest.raises(MetricError) as caught:
        metric("acc")
    assert "In lm-eval, acc is multiple_choice_grade." in caught.value.hint
    assert "In lm-eval, acc is greedy_match." in caught.value.hint


def test_endless_nesting_is_refused():
    deep = "threshold(" * 400 + "cross_entropy" + ",1)" * 400
    with pytest.raises(MetricError, match="too deeply"):
        metric(deep)


@pytest.mark.parametrize(
    ("tool", "name", "group", "ours"),
    [
        ("lm-eval", "acc", "choice", "multiple_choice_grade"),
        ("lm-eval", "acc", "likelihood", "greedy_match"),
        ("lm-eval", "acc", None, None),
        ("lm-eval", "acc_norm", None, "acc_norm"),
        ("lm-eval", "acc_bytes", "choice", "acc_norm"),
        ("lm-eval", "brier_score", "choice", "brier_sum"),
        ("lm-eval", "exact_match", "generation", "exact_match"),
        ("lm-eval", "exact_match", "choice", "greedy_match"),
        ("lm-eval", "perplexity", "likelihood", "target_logprob"),
        ("BIG-bench", "calibration_multiple_choice_brier_score", None, "brier_mean"),
        ("BIG-bench", "multiple_choice_grade", None, "multiple_choice_grade"),
        ("BIG-bench", "exact_str_match", None, "exact_match"),
        ("HELM", "quasi_exact_match", None, "exact_match_normalised"),
        ("HELM", "exact_match", "generation", "exact_match"),
        ("HELM", "exact_match", "choice", "multiple_choice_grade"),
        ("BIG-bench", "acc", None, None),
        ("lm-eval", "no such metric", None, None),
    ],
)
def test_aliases(tool, name, group, ours):
    assert by_alias(tool, name, group) == ours


def test_no_alias_is_claimed_twice_within_a_group():
    seen = {}
    for name in names():
        card = metric(name).card
        for alias in card.aliases:
            key = (alias.tool, alias.name, alias.group or card.group)
            assert seen.setdefault(key, name) == name, key
