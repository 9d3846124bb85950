"""Figure 7: the error of autoencoders and the share of images below a threshold."""

import altair as alt
import numpy as np
import polars as pl
import pytest

from unmirage.errors import SourceError
from unmirage.paper.fig7 import CUTS, LINEAR, fig7
from unmirage.paper.figure import NUMBERS


@pytest.fixture(scope="module")
def figure(autoencoder):
    return fig7(autoencoder)


def errors_of(responses):
    """model -> errors of its images."""
    rows = responses.filter(pl.col("family") == "autoencoder").with_columns(
        value=pl.col("recorded").list.first().struct.field("value")
    )
    return {model: part["value"].to_numpy() for (model,), part in rows.group_by(["model"])}


def test_the_chart_and_numbers_keep_their_forms(figure, with_little_data):
    assert dict(figure.numbers.schema) == NUMBERS
    alt.Chart.from_dict(with_little_data(figure.charts["fig7"]))
    assert [panel["title"]["text"][0][0] for panel in figure.charts["fig7"]["concat"]] == list("ABCD")


def test_numbers_are_those_of_the_images(figure, autoencoder):
    errors = errors_of(autoencoder)
    models = figure.numbers.filter(pl.col("model").is_not_null())
    smooth = models.filter(pl.col("group") == "test error")
    assert smooth.height == len(errors)
    for row in smooth.iter_rows(named=True):
        assert row["ours"] == pytest.approx(errors[row["model"]].mean())
    for c in CUTS:
        made = models.filter(pl.col("group") == "reconstruction", pl.col("series") == f"c = {c}")
        assert made.height == len(errors)
        for row in made.iter_rows(named=True):
            assert row["ours"] == pytest.approx((errors[row["model"]] < c).mean())


def test_the_chosen_threshold_is_drawn_with_its_verdict(figure, autoencoder):
    rows = figure.numbers.filter(pl.col("group") == "reconstruction, chosen c", pl.col("model").is_not_null())
    c = float(rows["series"][0].removeprefix("c = "))
    errors = errors_of(autoencoder)
    for row in rows.iter_rows(named=True):
        assert row["ours"] == pytest.approx((errors[row["model"]] < c).mean())
    assert any(f"Reconstruction_{c:g} (chosen)" in sentence for sentence in figure.says)
    assert sum("The audit's verdict" in sentence for sentence in figure.says) == len(CUTS) + 1


def test_exponents_are_compared_over_the_same_sizes(figure):
    mean = figure.numbers.filter(pl.col("group") == "test error, mean over seeds").drop_nulls("ours")
    size, ours, paper = (mean.sort("n_params")[name].to_numpy() for name in ("n_params", "ours", "paper"))
    said = next(sentence for sentence in figure.says if sentence.startswith("Exponents"))
    for values, form in ((ours, "K {:.2f} ("), (paper, "({:.2f})")):
        first = -np.log(values[2] / values[0]) / np.log(size[2] / size[0])
        assert form.format(first) in said


def test_the_reference_is_drawn_and_not_judged(figure, autoencoder):
    rows = figure.numbers.filter(pl.col("group") == LINEAR)
    assert rows["model"].str.starts_with("pca-h").all()
    assert not any("linear reference" in sentence and "audit" in sentence for sentence in figure.says)
    alone = fig7(autoencoder.filter(pl.col("family") == "autoencoder"))
    assert LINEAR not in set(alone.numbers["group"])
    assert any("no linear reference" in note for note in alone.notes)


def test_scores_of_another_name_are_refused(autoencoder):
    value = pl.element().struct.field("value")
    other = autoencoder.with_columns(
        recorded=pl.col("recorded").list.eval(pl.struct(metric=pl.lit("acc"), value=value))
    )
    with pytest.raises(SourceError, match="no response records reconstruction_error"):
        fig7(other)
