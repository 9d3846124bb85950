"""Run folders of HELM with items, made in the layout of crfm-helm 0.5.16."""

from __future__ import annotations

import json

import pytest

import unmirage


def instance(i, *answers, right=(0,), **more):
    references = [
        {"output": {"text": text}, "tags": ["correct"] if j in right else []}
        for j, text in enumerate(answers)
    ]
    return {"input": {"text": f"q{i}"}, "references": references, "split": "test", "id": f"id{i}", **more}


def state(one, *texts, tokens=(), prompt="", trial=0, **more):
    """A request; `tokens` are (text, log-probability) of the one completion, where there are any."""
    completions = [
        {
            "text": text,
            "logprob": -float(j),
            "tokens": [{"text": t, "logprob": p} for t, p in tokens],
        }
        for j, text in enumerate(texts)
    ]
    return {
        "instance": one,
        "train_trial_index": trial,
        "request": {"prompt": prompt},
        "result": {"success": bool(texts), "embedding": [], "completions": completions},
        **more,
    }


def record(i, trial=0, split="test", **scores):
    stats = [
        {"name": {"name": name, "split": split}, "count": 1, "sum": value, "mean": value}
        for name, value in {"num_references": 1, "max_prob": 1.0, **scores}.items()
    ]
    stats.append({"name": {"name": "training_co2_cost", "split": split}, "count": 0, "sum": 0})
    return {"instance_id": f"id{i}", "train_trial_index": trial, "stats": stats}


def aggregates(records):
    """As HELM: the mean over trials of the mean over instances, of what is not perturbed."""
    values = {}
    for one in records:
        for stat in one["stats"]:
            if stat["count"] and "perturbation" not in one:
                key = stat["name"]["name"], stat["name"]["split"]
                values.setdefault(key, {}).setdefault(one["train_trial_index"], []).append(stat["mean"])
    out = []
    for (name, split), trials in values.items():
        means = [sum(of_trial) / len(of_trial) for of_trial in trials.values()]
        count = {"count": len(means), "sum": sum(means), "mean": sum(means) / len(means)}
        out.append({"name": {"name": name, "split": split}, **count})
    return out


def choices(i, *pairs, right=(0,), prompt="q", suffix="", **more):
    """The requests for an instance: (text, log-probability of each of its characters)."""
    one = instance(i, *(text for text, _ in pairs), right=right)
    out = []
    for j, (text, each) in enumerate(pairs):
        tokens = [(c, 0.0 if k == 0 else -2.0) for k, c in enumerate(prompt)]
        tokens += [(c, each) for c in text] + [(c, -9.0) for c in suffix]
        whole = prompt + text + suffix
        request = {"reference_index": j, "request_mode": "original", **more}
        out.append(state(one, whole, tokens=tokens, prompt=whole, **request))
    return out


def codes(loaded):
    return {note["code"]: note["count"] for note in loaded.warnings}


def rows(loaded, *columns):
    return loaded.responses[0].select(*columns).rows()


def scores_of(row):
    return {one["metric"]: one["value"] for one in row}


def compared(source, family_file):
    a = unmirage.audit(source, families=[family_file])
    return a, {(row["metric"], row["level"]): row for row in a.recorded.iter_rows(named=True)}


class Helm:
    """The functions above, under one name that tests can ask for."""

    instance = staticmethod(instance)
    state = staticmethod(state)
    record = staticmethod(record)
    aggregates = staticmethod(aggregates)
    choices = staticmethod(choices)
    codes = staticmethod(codes)
    rows = staticmethod(rows)
    scores_of = staticmethod(scores_of)
    compared = staticmethod(compared)


@pytest.fixture(scope="session")
def helm() -> type[Helm]:
    return Helm


@pytest.fixture
def write(tmp_path):
    """(states, records, ...) -> the folder of a run below tmp_path."""

    def make(states, records, *, method="generation", model="a/m-1b", task="t", indent=2, **adapter):
        name = f"{task}:model={model.replace('/', '_')}"
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        asked = {"method": method, "model": model, "max_train_instances": 0, **adapter}
        spec = {"name": name, "scenario_spec": {}, "adapter_spec": asked, "metric_specs": []}
        files = {
            "run_spec.json": spec,
            "stats.json": aggregates(records or [record(0, exact_match=0)]),
            "scenario_state.json": {"adapter_spec": asked, "request_states": states},
            "per_instance_stats.json": records,
        }
        for file, content in files.items():
            if content is not None and not (file == "scenario_state.json" and states is None):
                (folder / file).write_text(json.dumps(content, indent=indent))
        return folder

    return make


@pytest.fixture
def sizes(tmp_path):
    path = tmp_path / "sizes.toml"
    names = {"m-1b": 1e9, "m-2b": 2e9, "add-6k": 3392, "add-70k": 67968}
    path.write_text("".join(f'[models."{m}"]\nn_params = {n}\nfamily = "f"\n' for m, n in names.items()))
    return path
