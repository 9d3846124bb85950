"""Files that lighteval wrote, against its own numbers and those of lm-evaluation-harness."""

from __future__ import annotations

import json

import polars as pl

import unmirage


class TestFilesThatLightevalWrote:
    def test_scores_and_aggregates_are_lightevals(self, shared_data, sizes):
        a = unmirage.audit(shared_data / "logs" / "lighteval", families=[sizes])
        assert set(a.recorded.select("task", "metric", "level", "n", "equal").rows()) == {
            ("tiny_add2_gen", "exact_match", "item", 80, 80),
            ("tiny_add2_mc", "multiple_choice_grade", "item", 80, 80),
            ("tiny_add2_gen", "exact_match", "aggregate", 2, 2),
            ("tiny_add2_mc", "multiple_choice_grade", "aggregate", 2, 2),
        }
        assert a.recorded["largest_difference"].max() < 1e-9
        assert a.responses.group_by("model", "task").len()["len"].to_list() == [40] * 4

    def test_lm_eval_gives_the_same_on_the_items_that_both_have(self, shared_data, load_all):
        logs = shared_data / "logs"
        for model in ("add-6k", "add-70k"):
            for mine, theirs in (("tiny_add2_gen", "add2_gen"), ("tiny_add2_mc", "add2_mc")):
                (details,) = (logs / "lighteval" / "details" / "models" / model).rglob(f"details_{mine}*")
                doc = pl.read_parquet(details)["doc"].struct.unnest().select("query", item_id="id")
                left = load_all(details).responses[0].join(doc, on="item_id")
                (path,) = (logs / "lm_eval" / f"models__{model}").glob(f"samples_{theirs}_2*.jsonl")
                documents = [json.loads(line)["doc"] for line in path.read_text().splitlines()]
                right = (
                    load_all(path)
                    .responses[0]
                    .with_columns(query=pl.Series([one["question"] for one in documents]))
                )
                both = left.join(right, on="query", suffix="_theirs")
                assert both.height == 40
                if theirs == "add2_gen":
                    assert (both["output"] == both["output_theirs"]).all()
                    continue
                gap = (pl.col("choice_logprobs") - pl.col("choice_logprobs_theirs")).list.eval(
                    pl.element().abs()
                )
                assert both.select(gap.list.max().max()).item() < 1e-3
                assert (both["answer"] == both["answer_theirs"]).all()
                assert (both["greedy"] == both["greedy_theirs"]).all()
