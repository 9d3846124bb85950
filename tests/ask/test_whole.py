"""Whole runs on real backends: weights of transformers, and a server."""

import json

import polars as pl
import pytest

import unmirage
from unmirage.ask.run import ask
from unmirage.errors import SettingsError

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture
def trained(tmp_path):
    """A family file of two small models with random weights, as `unmirage train arithmetic` keeps them."""
    from unmirage.train.checkpoints import save
    from unmirage.train.problems import CONTEXT, VOCABULARY
    from unmirage.train.transformer import Shape, Transformer

    lines = ['family = "random"', "[defaults]", "batch = 2"]
    for width in (8, 16):
        torch.manual_seed(width)
        model = Transformer(Shape(width, 2, 2, VOCABULARY, CONTEXT, 100.0))
        with torch.no_grad():
            for weight in model.parameters():
                weight.normal_(0, 0.5)
        save(model, tmp_path / f"d{width}")
        lines += ["[[models]]", f'name = "d{width}"', f"n_params = {12 * width**2 * 2}"]
    path = tmp_path / "family.toml"
    path.write_text("\n".join(lines))
    return path


def test_weights_are_asked_and_their_answers_audited(trained, tmp_path):
    asked = ask(trained, ["multiplication"], items=40, shots=2, out=tmp_path / "out")
    frame = pl.read_parquet(asked.responses)
    assert frame.height == 80
    # The trained tasks score the end of the answer, too.
    assert (frame["target_logprobs"].list.len() == frame["target"].str.len_chars() + 1).all()
    right = frame.filter(pl.col("output") == pl.col("target"))
    assert right["greedy"].all()
    swap = unmirage.score(asked.responses, ["exact_match", "cross_entropy", "token_edit_distance"])
    assert set(swap["metric"]) == {"exact_match", "cross_entropy", "token_edit_distance"}


def test_weights_asked_together_answer_as_those_asked_apart(trained, tmp_path, monkeypatch):
    def sums(out):
        frame = pl.read_parquet(ask(trained, ["addition"], items=30, shots=2, out=tmp_path / out).responses)
        return frame["output"].to_list(), [sum(row) for row in frame["target_logprobs"]]

    from unmirage.ask import plan

    together = sums("together")
    original = plan.Cell
    monkeypatch.setattr(plan, "Cell", lambda *args: original(*args[:6], False, *args[7:]))
    apart = sums("apart")
    assert together[0] == apart[0]
    assert together[1] == pytest.approx(apart[1], abs=1e-4)


def test_what_is_not_there_is_said_before_anything_is_asked(trained, tmp_path):
    text = trained.read_text().replace('name = "d16"', 'name = "none"\nmodel = "./nowhere"')
    trained.write_text(text)
    with pytest.raises(unmirage.UnmirageError, match="nowhere"):
        ask(trained, ["multiplication"], items=4, out=tmp_path / "out")
    assert not (tmp_path / "out" / "responses.parquet").exists()


@pytest.fixture
def tasks(tmp_path):
    choices = tmp_path / "choices.jsonl"
    rows = [{"prompt": f"word {k}", "choices": ["one", "two"], "answer": k % 2} for k in range(6)]
    choices.write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = tmp_path / "texts.jsonl"
    rows = [{"prompt": f"word {k}", "target": "one two"} for k in range(6)]
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [str(choices), str(texts)]


def served(tmp_path, server, backend):
    path = tmp_path / "family.toml"
    path.write_text(
        f'family = "served"\n[[models]]\nname = "m"\nmodel = "toy"\nbackend = "{backend}"\nn_params = 1e6\n'
        f'base_url = "{server.url}"\n'
    )
    return path


def test_a_server_is_asked(serve, tasks, tmp_path):
    server = serve()
    server.faults.extend(["", "", "429", "500"])
    asked = ask(served(tmp_path, server, "completions"), tasks, out=tmp_path / "out")
    frame = pl.read_parquet(asked.responses)
    assert frame["kind"].value_counts().sort("kind").rows() == [("generation", 6), ("choice", 6)]
    assert frame.filter(pl.col("kind") == "generation")["target_logprobs"].null_count() == 0
    before = len(server.asked)
    ask(served(tmp_path, server, "completions"), tasks, out=tmp_path / "out")
    assert len(server.asked) <= before + 1  # what it can do is looked up, nothing is asked again


def test_a_chat_says_what_it_cannot(serve, tasks, tmp_path):
    asked = ask(served(tmp_path, serve(), "chat"), tasks, out=tmp_path / "out")
    frame = pl.read_parquet(asked.responses)
    assert frame["kind"].unique().to_list() == ["generation"]
    assert frame["target_logprobs"].null_count() == 6
    assert any("no log-probabilities of given texts" in note for note in asked.notes)
    assert any("choices is not asked of m" in note for note in asked.notes)
    with pytest.raises(SettingsError, match="nothing can be asked"):
        ask(served(tmp_path, serve(), "chat"), tasks[:1], out=tmp_path / "other")


def test_no_key_is_written(serve, tasks, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    path = served(tmp_path, serve(), "completions")
    path.write_text(path.read_text() + 'key_env = "MY_KEY"\n')
    ask(path, tasks, out=tmp_path / "out")
    written = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert len(written) >= 3
    assert not any(b"sk-very-secret" in one.read_bytes() for one in written)
