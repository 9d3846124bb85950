"""Runs that HELM wrote, against its own numbers and those of lm-evaluation-harness."""

from __future__ import annotations

import json
import math

import polars as pl
import pytest

import unmirage


class TestRunsThatHelmWrote:
    def test_scores_and_aggregates_are_helms(self, shared_data, sizes, helm):
        a, found = helm.compared(shared_data / "logs" / "helm", sizes)
        assert {key: (row["n"], row["equal"]) for key, row in found.items()} == {
            ("exact_match", "item"): (40, 40),
            ("exact_match_normalised", "item"): (40, 40),
            ("acc_norm", "item"): (20, 20),
            ("exact_match", "aggregate"): (2, 2),
            ("exact_match_normalised", "aggregate"): (2, 2),
            ("acc_norm", "aggregate"): (1, 1),
        }
        assert "differs-from-recorded" not in a.warnings["code"].to_list()

    def test_recorded_means_are_the_aggregates(self, shared_data, load_all):
        found = load_all(shared_data / "logs" / "helm")
        means = (
            found.responses[0]
            .explode("recorded")
            .unnest("recorded")
            .group_by("model", "task", "metric")
            .agg(mean=pl.col("value").mean())
        )
        both = found.results[0].join(means, on=["model", "task", "metric"], how="full")
        assert both.height == 9
        assert ((both["value"] - both["mean"]).abs() < 1e-9).all()

    def test_the_cut_gives_helms_own_confidence(self, shared_data):
        """HELM takes as many tokens from the end as " 99" has: one more here, the "=" of the question."""
        folder = shared_data / "logs" / "helm" / "tiny_add_mc:model=huggingface_add-70k"
        frame = unmirage.read(folder)
        equals = {}
        for one in json.loads((folder / "scenario_state.json").read_text())["request_states"]:
            tokens = one["result"]["completions"][0]["tokens"]
            text = one["instance"]["references"][one["reference_index"]]["output"]["text"]
            assert [token["text"] for token in tokens[-len(text) - 1 :]] == ["=", *text]
            equals[one["instance"]["id"]] = tokens[-len(text) - 1]["logprob"]
        recorded = {
            one["instance_id"]: stat["mean"]
            for one in json.loads((folder / "per_instance_stats.json").read_text())
            for stat in one["stats"]
            if stat["name"]["name"] == "max_prob"
        }
        for row in frame.iter_rows(named=True):
            a_token = [
                (logprob + equals[row["item_id"]]) / (length + 1)
                for logprob, length in zip(row["choice_logprobs"], row["choice_lengths"], strict=True)
            ]
            share = math.exp(max(a_token)) / sum(math.exp(value) for value in a_token)
            assert share == pytest.approx(recorded[row["item_id"]], abs=1e-9)

    def test_lm_eval_gives_the_same_on_the_items_that_both_have(self, shared_data, load_all):
        logs = shared_data / "logs"
        for model, task in (("add-6k", "tiny_add"), ("add-70k", "tiny_add"), ("add-70k", "tiny_add_mc")):
            folder = logs / "helm" / f"{task}:model=huggingface_{model}"
            states = json.loads((folder / "scenario_state.json").read_text())["request_states"]
            asked = {
                one["instance"]["id"]: (
                    one["instance"]["input"]["text"],
                    *(ref["output"]["text"] for ref in one["instance"]["references"]),
                )
                for one in states
            }
            name = "add2_mc" if task == "tiny_add_mc" else "add2_gen"
            (path,) = (logs / "lm_eval" / f"models__{model}").glob(f"samples_{name}_2*.jsonl")
            documents = [json.loads(line)["doc"] for line in path.read_text().splitlines()]
            texts = [(d["question"], *(d["choices"] if "choices" in d else [d["answer"]])) for d in documents]
            theirs = (
                load_all(path).responses[0].with_columns(asked=pl.Series(texts, dtype=pl.List(pl.String)))
            )
            mine = load_all(folder).responses[0]
            questions = [list(asked[name]) for name in mine["item_id"]]
            mine = mine.with_columns(asked=pl.Series(questions, dtype=pl.List(pl.String)))
            both = mine.join(theirs, on="asked", suffix="_theirs")
            assert both.height == 20
            if task == "tiny_add_mc":
                gaps = both.select(
                    (pl.col("choice_logprobs") - pl.col("choice_logprobs_theirs"))
                    .list.eval(pl.element().abs())
                    .list.max()
                )
                assert gaps.to_series().max() < 1e-4
                assert both["answer"].equals(both["answer_theirs"].rename("answer"))
            else:
                assert (both["output"] == both["output_theirs"]).all()
