"""BLEU and ROUGE of one output against one target, through sacrebleu and rouge-score (the `text` extra)."""

from __future__ import annotations

import polars as pl

from unmirage.errors import MissingExtraError
from unmirage.metrics.cards import Alias, Card, FloatArray, Metric, column


def _missing(package: str) -> MissingExtraError:
    return MissingExtraError(
        f"{package} is not installed", where="metrics", hint='Run: pip install "unmirage[text]"'
    )


def _bleu(frame: pl.DataFrame) -> FloatArray:
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise _missing("sacrebleu") from None
    # A corpus of one segment is sentence BLEU with no smoothing.
    scorer = BLEU(smooth_method="none", effective_order=False)
    pairs = zip(frame["target"].to_list(), frame["output"].to_list(), strict=True)
    scores = [scorer.corpus_score([output], [[target]]).score for target, output in pairs]
    # sacrebleu's exp of logs exceeds 100 by rounding.
    return column([min(score / 100.0, 1.0) for score in scores])


def _rouge(frame: pl.DataFrame, kind: str) -> FloatArray:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise _missing("rouge-score") from None
    scorer = RougeScorer([kind], use_stemmer=False)
    pairs = zip(frame["target"].to_list(), frame["output"].to_list(), strict=True)
    return column([scorer.score(target, output)[kind].fmeasure for target, output in pairs])


def _rouge_l(frame: pl.DataFrame) -> FloatArray:
    return _rouge(frame, "rougeL")


def _rouge_lsum(frame: pl.DataFrame) -> FloatArray:
    return _rouge(frame, "rougeLsum")


def _card(
    name: str, title: str, definition: str, source: str, aliases: tuple[Alias, ...], continuous: bool
) -> Card:
    return Card(
        name=name,
        title=title,
        group="generation",
        inputs=("target", "output"),
        low=0.0,
        high=1.0,
        higher_is_better=True,
        binary=False,
        continuous=continuous,
        linear=False,
        unit="",
        definition=definition,
        source=source,
        aliases=aliases,
        extra="text",
    )


_BIG_BENCH_ROUGE = "BIG-bench scores 0 to 100 and takes the best of several targets"

METRICS = (
    Metric(
        _card(
            "bleu",
            "BLEU",
            "Sentence BLEU to 4-grams with brevity penalty, tokeniser 13a, no smoothing, from 0 to 1. 0 as "
            "soon as one n-gram order has no match, hence for an empty output and for any text of fewer than "
            "four tokens, a perfect match of three tokens among them.",
            "Papineni et al. 2002; sacrebleu 2.6, smooth_method='none'",
            (
                Alias(
                    "lm-eval", "bleu", "lm-eval pools n-grams over all items, smooths, and scores 0 to 100"
                ),
                Alias(
                    "BIG-bench",
                    "bleu",
                    "BIG-bench pools n-grams over all items, smooths, and scores 0 to 100",
                ),
            ),
            False,
        ),
        _bleu,
    ),
    Metric(
        _card(
            "rouge_l",
            "ROUGE-L",
            "F-measure of the longest common subsequence of words (lower case, letters and digits only, no "
            "stemming), from 0 to 1. 0 for an empty output.",
            "Lin 2004; rouge-score 0.1.2, rougeL",
            (Alias("HELM", "rouge_l", "HELM stems words"),),
            True,
        ),
        _rouge_l,
    ),
    Metric(
        _card(
            "rouge_lsum",
            "ROUGE-L, summary",
            "F-measure of the union of longest common subsequences over the lines of the text (words in "
            "lower case, letters and digits only, no stemming), from 0 to 1. Equal to rouge_l for texts of "
            "one line. 0 for an empty output.",
            "Lin 2004; rouge-score 0.1.2, rougeLsum",
            (Alias("BIG-bench", "rougeLsum", _BIG_BENCH_ROUGE),),
            True,
        ),
        _rouge_lsum,
    ),
)
