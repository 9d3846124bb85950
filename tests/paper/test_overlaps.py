"""BLEU and ROUGE-L of arrays against sacrebleu and rouge-score."""

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU

from unmirage.paper.overlaps import bleu, common_positions, ngram_matches


def words(tokens):
    return " ".join(f"w{token}" for token in tokens)


@pytest.fixture(params=[2, 4, 30], ids=lambda v: f"{v} tokens")
def strings(request):
    """Outputs (40, 9) and three references each (40, 3, 9); the fewer tokens the more repeats."""
    rng = np.random.default_rng(request.param)
    references = rng.integers(0, request.param, (40, 3, 9))
    kept = rng.random((40, 9)) < 0.6
    return np.where(kept, references[:, 0], rng.integers(0, request.param, (40, 9))), references


def test_sentence_bleu_is_that_of_sacrebleu(strings):
    outputs, references = strings
    found = bleu(ngram_matches(outputs, references), 9)
    scorer = BLEU(smooth_method="none", effective_order=False)
    for value, output, several in zip(found, outputs, references, strict=True):
        theirs = scorer.corpus_score([words(output)], [[words(one)] for one in several]).score / 100
        assert value == pytest.approx(theirs, abs=1e-12)


def test_corpus_bleu_is_that_of_sacrebleu(strings):
    outputs, references = strings
    found = bleu(ngram_matches(outputs, references).sum(axis=0), 9, len(outputs))
    theirs = BLEU(smooth_method="none").corpus_score(
        [words(one) for one in outputs], [[words(one) for one in references[:, r]] for r in range(3)]
    )
    assert found == pytest.approx(theirs.score / 100, abs=1e-12)


def test_best_rouge_is_that_of_rouge_score(strings):
    outputs, references = strings
    found = common_positions(outputs[:, None], references).mean(axis=-1).max(axis=-1)
    scorer = RougeScorer(["rougeLsum"])
    for value, output, several in zip(found, outputs, references, strict=True):
        theirs = scorer.score_multi([words(one) for one in several], words(output))["rougeLsum"]
        assert value == pytest.approx(theirs.fmeasure, abs=1e-12)


def test_union_of_subsequences_is_that_of_rouge_score(strings):
    # rouge-score unites over the lines of the second text, and counts in the first.
    outputs, references = strings
    found = common_positions(outputs[:, None], references).any(axis=1).mean(axis=-1)
    scorer = RougeScorer(["rougeLsum"])
    for value, output, several in zip(found, outputs, references, strict=True):
        theirs = scorer.score(words(output), "\n".join(words(one) for one in several))["rougeLsum"]
        assert value == pytest.approx(theirs.recall, abs=1e-12)


def test_the_example_of_the_appendix():
    # Lin 2004 and appendix A.4: c = w1 w2 w3 w4 w5 against two references has a union of w1 w2 w3 w5.
    output = np.array([1, 2, 3, 4, 5])
    references = np.array([[1, 2, 6, 7, 8], [1, 3, 8, 9, 5]])
    kept = common_positions(output, references)
    assert kept.any(axis=0).tolist() == [True, True, True, False, True]


def test_no_four_gram_is_no_bleu():
    tokens = np.arange(8)
    other = tokens.copy()
    other[[3, 7]] = 100
    assert bleu(ngram_matches(tokens, tokens[None]), 8) == pytest.approx(1)
    assert bleu(ngram_matches(other, tokens[None]), 8) == 0
