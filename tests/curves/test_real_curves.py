"""Laws on real curves: a sharp loss curve of the literature, Pythia and GPT losses."""

import numpy as np
import polars as pl
import pytest

from unmirage.curves import broken_power_law, fit, geometric_mean, log_of, power_law, profile_interval

# Four-digit addition, test loss against training set size: data of Caballero et al. 2022 (arXiv 2210.14891),
# from ethancaballero/broken_neural_scaling_laws. The authors fit 14 points and hold out the last three.
SIZE = np.array([160, 192, 256, 320, 384, 448, 480, 512, 544, 576, 608, 640, 672, 736, 800, 864, 928.0])
LOSS = np.array(
    [
        *(2.13809, 2.11813, 2.08955, 2.06988, 2.05404, 2.03837, 2.02814, 2.00497, 1.95576),
        *(1.86314, 1.70892, 1.50638, 1.29755, 0.96560, 0.75856, 0.64768, 0.55695),
    ]
)
SEEN = 14
REFERENCE = geometric_mean(SIZE[:SEEN])


def held_out_error(law):
    """(fit of log loss, root mean square error of log loss on the held-out points)."""
    found = fit(log_of(law), SIZE[:SEEN], np.log(LOSS[:SEEN]))
    return found, float(np.sqrt(np.mean((found.predict(SIZE[SEEN:]) - np.log(LOSS[SEEN:])) ** 2)))


def test_one_break_predicts_the_held_out_points_of_a_sharp_loss_curve():
    none, error_none = held_out_error(power_law(REFERENCE))
    one, error_one = held_out_error(broken_power_law(1, REFERENCE))
    two, error_two = held_out_error(broken_power_law(2, REFERENCE))
    assert error_one < 0.02 < 0.5 < error_none
    assert error_one < error_two
    assert one.aicc < two.aicc < none.aicc
    assert one.sse < 1e-3 * none.sse
    low, high = profile_interval(one, "place_1")
    assert SIZE[0] < 10**low < 10**high < SIZE[SEEN - 1]
    assert high - low < 0.02


def test_no_worse_than_scipy_on_a_sharp_loss_curve(scipy_best):
    law = log_of(broken_power_law(1, REFERENCE))
    y = np.log(LOSS[:SEEN])
    assert fit(law, SIZE[:SEEN], y).sse <= scipy_best(law, SIZE[:SEEN], y, starts=10) * (1 + 1e-6)


def test_solutions_of_pythia_follow_a_power_law_in_compute(shared_data):
    rows = pl.read_parquet(shared_data / "pythia_gsm8k_gold_nll.parquet")
    models = rows.group_by("model").agg(pl.col("compute_flops").first()).sort("compute_flops")
    wide = rows.pivot(on="model", index="item_id", values="neg_log_likelihood").select(
        models["model"].to_list()
    )
    items = wide.to_numpy()
    compute, mean = models["compute_flops"].to_numpy(), items.mean(axis=0)
    covariance = np.cov(items.T) / len(items) / np.outer(mean, mean)
    law = log_of(power_law(geometric_mean(compute)).fix(offset=0.0))
    plain = fit(law, compute, np.log(mean))
    slope = np.polyfit(np.log(compute), np.log(mean), 1)[0]
    assert plain["exponent"] == pytest.approx(-slope, rel=1e-7)
    assert plain["exponent"] == pytest.approx(0.142, abs=0.001)
    assert plain.stderr[1] == pytest.approx(0.0065, abs=0.0005)
    # Items are shared by all models and many, so nearly all of the noise is scatter of the models.
    whole = fit(law, compute, np.log(mean), covariance)
    assert whole["exponent"] == pytest.approx(plain["exponent"], abs=0.001)
    assert whole.scatter == pytest.approx(plain.scatter, rel=0.02)


@pytest.mark.parametrize(("family", "exponent", "error"), [("gpt2", 0.18, 0.019), ("gpt3-api", 0.11, 0.022)])
def test_last_word_loss_falls_with_size(shared_data, family, exponent, error):
    rows = pl.read_parquet(shared_data / "gpt_per_example_losses.parquet").filter(
        (pl.col("task") == "lambada") & (pl.col("family") == family)
    )
    means = rows.group_by("model").agg(pl.col("n_params").first(), pl.col("loss").cast(pl.Float64).mean())
    size, loss = (means[name].cast(pl.Float64).to_numpy() for name in ("n_params", "loss"))
    found = fit(log_of(power_law(geometric_mean(size)).fix(offset=0.0)), size, np.log(loss))
    assert found["exponent"] == pytest.approx(exponent, abs=0.005)
    assert found.stderr[1] == pytest.approx(error, abs=0.001)
