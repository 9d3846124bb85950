"""Files of HELM's items that are broken or hostile."""

from __future__ import annotations

import pytest

from unmirage.errors import SourceError, UnmirageError

ORIGINAL, CALIBRATED = "multiple_choice_separate_original", "multiple_choice_separate_calibrated"


def test_requests_that_contradict_each_other(write, tmp_path, load_all, helm):
    states = helm.choices(1, ("a", -1.0), ("b", -2.0))
    folder = write([*states, states[0]], [helm.record(1, exact_match=1)], method=ORIGINAL)
    with pytest.raises(SourceError, match="instance id1 has two requests for choice 0") as caught:
        load_all(tmp_path)
    assert caught.value.where == str(folder / "scenario_state.json")
    write([{**states[0], "reference_index": 7}], None, method=ORIGINAL, model="a/m-0b")
    with pytest.raises(SourceError, match="is for none of its 2 choices"):
        load_all(tmp_path)


HOSTILE = [
    lambda text: text[: len(text) // 2],
    lambda text: text.replace('"logprob": -1.0', '"logprob": NaN'),
    lambda text: text.replace('"logprob": -1.0', '"logprob": 1e400'),
    lambda text: text.replace('"logprob": -1.0', '"logprob": 5.0'),
    lambda text: text.replace('"id1"', "null"),
    lambda text: text.replace('"id1"', '"\\ud800"'),
    lambda text: text.replace('"id1"', "[" * 50_000),
    lambda text: text.replace('"references"', '"refs"'),
    lambda text: text.replace('"train_trial_index": 0', '"train_trial_index": -1'),
    lambda text: text.replace('"train_trial_index": 0', f'"train_trial_index": {10**30}'),
    lambda text: text.replace('"train_trial_index": 0', f'"train_trial_index": {10**12}'),
    lambda text: "",
    lambda text: "[]",
    lambda text: "null",
]


@pytest.mark.parametrize("change", HOSTILE)
def test_a_broken_file_is_an_error_that_names_it(write, tmp_path, load_all, change, helm):
    states = helm.choices(1, ("a", -1.0), ("b", -2.0))
    path = write(states, None, method=ORIGINAL) / "scenario_state.json"
    whole = path.read_text()
    path.write_text(change(whole))
    with pytest.raises(UnmirageError) as caught:
        load_all(tmp_path)
    assert str(path.parent) in str(caught.value)


def test_cut_off_at_every_byte(write, tmp_path, load_all, helm):
    folder = write([helm.state(helm.instance(1, "12"), "12")], [helm.record(1, exact_match=1)], indent=None)
    for name in ("scenario_state.json", "per_instance_stats.json"):
        whole = (folder / name).read_text()
        for end in range(0, len(whole) - 2, 3):
            (folder / name).write_text(whole[:end])
            with pytest.raises(SourceError):
                load_all(folder)
        (folder / name).write_text(whole)


def test_strange_texts_are_kept_as_they_are(write, tmp_path, load_all, helm):
    text = "<script>alert(1)</script>\x00../../x"
    write([helm.state(helm.instance(1, text), text)], [helm.record(1, exact_match=1)], model="../../<b>m-1b")
    frame = load_all(tmp_path).responses[0]
    assert frame.select("target", "output").rows() == [(text, text)]
