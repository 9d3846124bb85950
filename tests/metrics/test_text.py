"""BLEU and ROUGE: hand values, and what happens without the extra."""

from __future__ import annotations

import sys

import pytest

from unmirage.errors import MissingExtraError
from unmirage.metrics import metric


def item_scores(name, frame):
    return metric(name).components(frame)[:, 0].tolist()


def test_bleu(generated):
    pytest.importorskip("sacrebleu")
    frame = generated(
        ("hello there general", "hello there general"),
        ("the cat sat down", "the cat sat down"),
        ("the cat sat down here", "the cat sat down there"),
        ("the cat sat down", ""),
        ("", ""),
    )
    # Four of five words, 3/4, 2/3 and 1/2 of the longer n-grams.
    partial = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4)
    assert item_scores("bleu", frame) == pytest.approx([0, 1, partial, 0, 0])
    assert max(item_scores("bleu", frame)) <= 1


def test_rouge(generated):
    pytest.importorskip("rouge_score")
    frame = generated(("a b c d", "a b d"), ("a b c d", "a b c d"), ("a b", ""), ("cats", "cat"))
    assert item_scores("rouge_l", frame) == pytest.approx([2 * 1 * 0.75 / 1.75, 1, 0, 0])
    assert item_scores("rouge_lsum", frame) == pytest.approx(item_scores("rouge_l", frame))


def test_rouge_lsum_is_the_union_over_lines(generated):
    pytest.importorskip("rouge_score")
    # Lin 2004, Sec. 3.2: the union of the subsequences of two lines covers w1 w2 w3 w5, four of five words.
    frame = generated(("w1 w2 w3 w4 w5", "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5"))
    recall, precision = 4 / 5, 4 / 10
    assert item_scores("rouge_lsum", frame) == pytest.approx([2 * recall * precision / (recall + precision)])
    # Lines in another order cost nothing here, and half of the words in rouge_l.
    swapped = generated(("a b\nc d", "c d\na b"))
    assert item_scores("rouge_lsum", swapped) == [1]
    assert item_scores("rouge_l", swapped) == [0.5]


@pytest.mark.parametrize(
    ("name", "module"), [("bleu", "sacrebleu.metrics.bleu"), ("rouge_l", "rouge_score.rouge_scorer")]
)
def test_a_missing_package_is_named_with_the_cure(generated, monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError) as caught:
        item_scores(name, generated(("a", "a")))
    assert 'pip install "unmirage[text]"' in caught.value.hint
