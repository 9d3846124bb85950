"""What logs state of how models were asked: version, shots, settings and prompts, tool by tool."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from unmirage.inspection import inspect
from unmirage.readers import READERS
from unmirage.steps import Reading

RUN = "tiny_add:model=huggingface_add-"


def states(name):
    return next(reader.states for reader in READERS if reader.name == name)


def different(loaded, code="different-settings"):
    return [str(note["message"]) for note in loaded.warnings if note["code"] == code]


@pytest.fixture
def edited(tmp_path, shared_data):
    """edited(folder of real logs, pattern, change) -> a copy whose first JSON file was changed."""

    def copy(name, pattern, change):
        folder = tmp_path / name
        shutil.copytree(shared_data / "logs" / name, folder)
        path = sorted(folder.rglob(pattern))[0]
        content = json.loads(path.read_bytes())
        change(content)
        path.write_text(json.dumps(content))
        return folder

    return copy


def test_inspect_states_its_version_and_shots(tmp_path, inspect_logs, shared_data):
    real = sorted((shared_data / "logs" / "inspect").glob("*generate*.eval"))[0]
    assert states("inspect")(real).tool == "inspect_ai 0.3.285"
    header = inspect_logs.header(task_args={"fewshot": 5, "n": 3}, packages={"inspect_ai": "0.3.110"})
    path = inspect_logs.log(tmp_path / "log.eval", header, [inspect_logs.sample(1, scores={"exact": "C"})])
    found = states("inspect")(path)
    assert (found.tool, dict(found.shots)) == ("inspect_ai 0.3.110", {"sums": 5})
    said = inspect([path], Reading())
    assert said.tools[0]["stated"] == ["inspect_ai 0.3.110"]
    assert [row["shots"] for row in said.tasks] == [5]


@pytest.mark.parametrize(
    "stated",
    [
        {"packages": None, "task_args": {"fewshot": True}},
        {"packages": [1], "task_args": {"fewshot": 1, "shots": 2}},
        {"packages": {"inspect_ai": 3}},
    ],
)
def test_what_is_no_version_and_no_number_is_not_stated(tmp_path, inspect_logs, stated):
    header = inspect_logs.header(**stated)
    path = inspect_logs.log(tmp_path / "log.json", header, [inspect_logs.sample(1, scores={"exact": "C"})])
    assert states("inspect")(path) == states("helm")(tmp_path / "no.json")  # nothing


def test_models_of_inspect_that_were_not_asked_alike(tmp_path, inspect_logs, load_all):
    config = {"max_tokens": 6, "max_connections": 9}
    for name, more, plan in (
        ("1b", {"model_args": {"chat_template": "x"}, "task_version": 1}, {"config": config}),
        (
            "7b",
            {"model_args": {"chat_template": "y"}, "task_version": 1},
            {"config": {**config, "max_tokens": 7}},
        ),
        ("9b", {"model_generate_config": {"max_connections": 1}}, {"steps": "none"}),
    ):
        header = inspect_logs.header(model=f"hf/m-{name}", created=name, task_id=name, **more) | {
            "plan": plan
        }
        inspect_logs.log(tmp_path / f"{name}.eval", header, [inspect_logs.sample(1, scores={"exact": "C"})])
    loaded = load_all(tmp_path)
    assert sorted(different(loaded)) == [
        "m: the models were not asked alike: chat template is x for m-1b, y for m-7b (tasks: sums)",
        'm: the models were not asked alike: generation settings is {"max_tokens": 6} for m-1b, '
        '{"max_tokens": 7} for m-7b (tasks: sums)',
    ]


def test_real_logs_of_a_tool_were_asked_alike(shared_data, load_all):
    for name in ("inspect", "helm", "lighteval"):
        loaded = load_all(shared_data / "logs" / name)
        assert len(loaded.setups) >= 3
        assert different(loaded) == different(loaded, "different-prompts") == []


def test_helm_states_shots_settings_and_prompts(edited, load_all):
    def other(spec):
        spec["adapter_spec"]["instructions"] = "Add."

    folder = edited("helm", f"{RUN}6k/run_spec.json", other)
    (said,) = different(load_all(folder))
    assert "instructions is  for add-70k, Add. for add-6k (tasks: tiny_add)" in said
    spec = folder / f"{RUN}6k" / "run_spec.json"
    assert states("helm")(spec).tool is None  # HELM does not write it
    assert dict(states("helm")(spec).shots) == {"tiny_add": 0}
    assert [row["shots"] for row in inspect([folder], Reading()).tasks] == [0, 0]


@pytest.mark.parametrize("flat", [False, True])
def test_other_prompts_of_helm_are_said(edited, load_all, tmp_path, flat):
    def other(states):
        for state in states["request_states"][:3]:
            state["request"]["prompt"] += " "

    folder = edited("helm", f"{RUN}6k/scenario_state.json", other)
    (tmp_path / "parts").mkdir()
    loaded = load_all(folder, folder=tmp_path / "parts" if flat else None)
    assert different(loaded, "different-prompts") == [
        "tiny_add: 3 of 20 items were put to add-70k in another prompt than to the other models: examples, "
        "template or wording differ, and so may the scores"
    ]
    assert any(isinstance(setup.prompts, Path) for setup in loaded.setups) == flat


def test_lighteval_states_its_commit_shots_and_settings(edited, load_all):
    def other(results):
        results["config_general"]["lighteval_sha"] = "0123456789abcdef"
        results["config_general"]["model_config"]["dtype"] = "bfloat16"
        results["summary_tasks"]["tiny_add2_mc|0"]["hashes"]["hash_full_prompts"] = "another"

    folder = edited("lighteval", "results_*.json", other)
    said = different(load_all(folder))
    assert any("number format is bfloat16 for" in text and "float32 for" in text for text in said)
    assert any("hash of all prompts" in text and "(tasks: tiny_add2_mc)" in text for text in said)
    path = sorted(folder.rglob("results_*.json"))[0]
    assert states("lighteval")(path).tool == "lighteval 0123456789ab"
    assert dict(states("lighteval")(path).shots) == {"tiny_add2_gen": 0, "tiny_add2_mc": 0}
    assert [row["shots"] for row in inspect([folder], Reading()).tasks] == [0, 0]
