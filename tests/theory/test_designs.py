"""Designs and their named sets: what they hold, by counting, not by how they are built."""

from itertools import product

import pytest

from unmirage.errors import SettingsError
from unmirage.theory.designs import SETS, Design, design_set
from unmirage.theory.truths import recipes

CENTRE = {"n_scales": 8, "n_items": 500, "scatter": 0.02, "decades": 3.0, "tails": "normal", "jitter": 0.0}


def chosen(designs, **values):
    return [d for d in designs if all(getattr(d, name) == value for name, value in values.items())]


@pytest.fixture(scope="module", params=["tuning", "test"])
def main(request):
    return request.param, design_set("main", request.param)


def test_levels_meet_in_smooth_designs(main):
    which, designs = main
    calm = [name for name, r in recipes(which).items() if r.label in ("smooth", "narrow", "non-monotone")]
    plain = [d for d in chosen(designs, decades=3.0, tails="normal", jitter=0.0, tasks=1) if d.truth in calm]
    for scales, items in product((5, 6, 8, 10, 12), (200, 500, 2_000)):
        assert chosen(plain, n_scales=scales, n_items=items), (scales, items)
    for scales, scatter in product((5, 6, 8, 10, 12), (0.005, 0.02, 0.05)):
        assert chosen(plain, n_scales=scales, scatter=scatter), (scales, scatter)
    for items, scatter in product((200, 500, 2_000, 10_000), (0.005, 0.02, 0.05)):
        assert chosen(plain, n_items=items, scatter=scatter), (items, scatter)
    # Every truth is tried at the centre and at three other places.
    for name in calm:
        assert len(chosen(plain, truth=name)) >= 4


def test_steps_have_all_sizes_at_all_numbers_of_scales(main):
    designs = main[1]
    for scales, size in product((6, 8, 12), (0.1, 0.3, 0.5, 0.8)):
        found = chosen(designs, n_scales=scales, size=size, n_items=500, scatter=0.02, tasks=1)
        assert "generation" in {d.recipe().kind for d in found if d.recipe().label == "step"}
    for scatter in (0.005, 0.05):
        assert {d.size for d in chosen(designs, n_scales=8, scatter=scatter) if "step" in d.truth} >= {
            0.3,
            0.5,
        }


def test_other_conditions_are_there(main):
    which, designs = main
    every = {r.label for r in recipes(which).values()}
    assert {d.recipe().label for d in designs} == every
    off = {"tails": "t3", "jitter": 0.3, "decades": 2.0}, {"decades": 5.0}
    for name, value in [pair for group in off for pair in group.items()]:
        assert len(chosen(designs, **{**CENTRE, name: value})) >= 5
    assert {d.recipe().label for d in designs if d.tasks == 6} == {"smooth", "step"}
    assert {d.n_scales for d in designs if d.tasks == 6} == {6}


@pytest.mark.parametrize("name", SETS)
def test_a_design_is_there_once_and_has_its_parameters_written_out(name):
    designs = design_set(name, "tuning")
    assert len({tuple(vars(d).values()) for d in designs}) == len(designs)
    for d in designs:
        assert {"size": d.size, "at": d.at}.items() >= d.parameters().items()
        assert all(0 < value < 1 for value in d.parameters().values())


def test_the_sets_share_no_truth():
    both = [{d.truth for d in design_set("main", which)} for which in ("tuning", "test")]
    assert not both[0] & both[1]
    assert both[0] == set(recipes("tuning"))
    assert both[1] == set(recipes("test"))


def test_other_tasks_are_smooth_and_of_the_same_set_and_kind():
    truths = Design("step-on-curve", tasks=9).truths()
    assert truths[0] == "step-on-curve"
    assert len(truths) == 9
    for name in truths[1:]:
        recipe = recipes("test")[name]
        assert (recipe.label, recipe.kind) == ("smooth", "generation")


def test_what_is_not_there_is_refused():
    with pytest.raises(SettingsError, match="no truth 'stp'"):
        Design("stp").truths()
    with pytest.raises(SettingsError, match="no set 'all'"):
        design_set("all")
    with pytest.raises(SettingsError, match="no set 'both'"):
        design_set("quick", "both")
