"""From rows of curves to curves that can be tested: direction, errors, shots, and why some cannot be."""

import numpy as np
import pytest

from unmirage.meta.suite import suite

RISING = [0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85]


def one(frame, axis="n_params"):
    (found,) = suite(frame, axis)
    return found


def test_a_share_of_items_is_worth_its_items(curves):
    found = one(curves({"means": RISING, "n": 100}))
    assert (found.noise, found.models, found.why_not) == ("items", 8, "")
    assert found.points.y.tolist() == RISING
    assert found.points.n.tolist() == [100] * 8
    assert not found.points.variance.any()
    assert (found.points.low, found.points.high, found.points.turned) == (0, 1, False)


def test_standard_errors_say_what_items_are_worth(curves):
    """Clustered errors of twice the binomial ones: a quarter of the items."""
    stderr = [2 * np.sqrt(y * (1 - y) / 400) for y in RISING]
    found = one(curves({"means": RISING, "n": 400, "stderr": stderr}))
    np.testing.assert_allclose(found.points.n, 100, rtol=1e-9)
    # Without n the errors alone tell it.
    alone = one(curves({"means": RISING, "stderr": stderr}))
    np.testing.assert_allclose(alone.points.n, 100, rtol=1e-9)


def test_a_metric_that_is_no_share_has_its_reported_errors(curves):
    found = one(curves({"means": RISING, "metric": "rouge_l", "stderr": [0.01 * k for k in range(1, 9)]}))
    assert found.noise == "reported standard errors"
    np.testing.assert_allclose(np.sqrt(found.points.variance), [0.01 * k for k in range(1, 9)])
    assert not found.points.n.any()
    assert one(curves({"means": RISING, "metric": "rouge_l", "n": 50})).noise == "none known"


def test_a_loss_is_turned(curves):
    found = one(curves({"means": [4 - y for y in RISING], "metric": "cross_entropy"}))
    assert found.points.turned
    assert found.points.logged
    np.testing.assert_allclose(found.points.y, np.array(RISING) - 4)
    assert (found.points.low, found.points.high) == (-np.inf, 0)
    np.testing.assert_allclose(found.points.z, -np.log(4 - np.array(RISING)))


def test_models_of_one_scale_are_averaged(curves):
    scales = [1e7, 1e7, 1e8, 1e9, 1e10, 1e11]
    means, stderr = [0.1, 0.3, 0.3, 0.4, 0.5, 0.6], [0.03, 0.04, 0.02, 0.02, 0.02, 0.02]
    found = one(curves({"means": means, "scales": scales, "metric": "rouge_l", "stderr": stderr}))
    assert found.models == 6
    assert found.points.models.tolist() == [2, 1, 1, 1, 1]
    assert found.points.y[0] == pytest.approx(0.2)
    assert found.points.variance[0] == pytest.approx((0.03**2 + 0.04**2) / 4)


def test_curves_run_from_small_models_to_large_on_any_axis(curves):
    losses = [5.0, 4, 3.5, 3, 2.8, 2.7, 2.6, 2.5]
    found = one(curves({"means": RISING, "scales": losses, "axis": "loss"}), "loss")
    assert found.values.tolist() == losses
    assert found.points.y.tolist() == RISING
    np.testing.assert_allclose(found.scales, [1 / x for x in losses])
    assert (np.diff(found.scales) > 0).all()


@pytest.mark.parametrize(
    ("label", "task", "shots"),
    [
        ("arc (5-shot)", "arc", 5),
        ("arc (0-shot)", "arc", 0),
        ("arc", "arc", None),
        ("one (many-shot)", "one (many-shot)", None),
        ("a (2-shot) b", "a (2-shot) b", None),
    ],
)
def test_shots_are_read_off_the_name(curves, label, task, shots):
    found = one(curves({"means": RISING, "task": label}))
    assert (found.task, found.shots, found.label) == (task, shots, label)


def test_why_a_curve_is_not_tested(curves):
    frame = curves(
        {"means": RISING[:4], "task": "short"},
        {"means": RISING[:1], "task": "single"},
        {"means": [None, *RISING[1:]], "task": "gap"},
        {"means": [0.25] * 8, "task": "flat"},
        {"means": RISING, "task": "good"},
    )
    found = {one.task: one for one in suite(frame, "n_params")}
    assert {name: one.why_not for name, one in found.items()} == {
        "short": "4 scales: the shape of a curve needs 5",
        "single": "1 scale: the shape of a curve needs 5",
        "gap": "the mean of a model is infinite or not known",
        "flat": "the mean is the same at every scale",
        "good": "",
    }
    assert {name for name, one in found.items() if one.points is not None} == {"good"}


def test_order_is_that_of_the_rows_and_chance_is_kept(curves):
    frame = curves(
        {"means": RISING, "task": "b", "chance": 0.25}, {"means": RISING, "task": "a"}, {"means": RISING}
    )
    found = suite(frame, "n_params")
    assert [one.task for one in found] == ["b", "a", "t"]
    assert [one.chance for one in found] == [0.25, None, None]


def test_values_of_another_unit_have_no_range(curves):
    """ROUGE in percent is not the ROUGE of our card, which ends at 1."""
    found = one(curves({"means": [100 * y for y in RISING], "metric": "rouge_l"}))
    assert (found.points.low, found.points.high) == (-np.inf, np.inf)
    ours = one(curves({"means": RISING, "metric": "rouge_l"}))
    assert (ours.points.low, ours.points.high) == (0, 1)
