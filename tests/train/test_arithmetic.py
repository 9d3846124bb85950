"""Training, small: a seed gives the same bytes, killed or not; responses say what the model says."""

import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.cli import main
from unmirage.errors import OutputError, SettingsError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from unmirage.train import checkpoints, loop  # noqa: E402
from unmirage.train.answers import forced, outputs  # noqa: E402
from unmirage.train.arithmetic import QUICK, shape, train_arithmetic  # noqa: E402
from unmirage.train.loop import Recipe, train  # noqa: E402
from unmirage.train.problems import ADDITION, MULTIPLICATION, questions, text  # noqa: E402

TINY = replace(Recipe(), steps=12, batch=8, warm_up=2)


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """A quick family of one seed, from the command line."""
    out = tmp_path_factory.mktemp("family")
    assert (
        main(["train", "arithmetic", "--quick", "--jobs", "1", "--seeds", "1", "--out", str(out), "--quiet"])
        == 0
    )
    return out


def _weights(made):
    return [(step, (folder / "model.safetensors").read_bytes()) for step, folder in made]


def test_a_seed_decides_every_weight(tmp_path):
    runs = [_weights(train(shape(4), TINY, seed, tmp_path / str(k))) for k, seed in enumerate((5, 5, 6))]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_training_that_was_killed_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 5)
    whole = train(shape(4), TINY, 0, tmp_path / "whole")

    def kill(step):
        if step == 8:
            raise Killed

    with pytest.raises(Killed):
        train(shape(4), TINY, 0, tmp_path / "killed", on_step=kill)
    seen = []
    again = train(shape(4), TINY, 0, tmp_path / "killed", on_step=seen.append)
    assert seen[0] == 6  # from the state after step 5, not from the start
    assert _weights(again) == _weights(whole)
    assert not (tmp_path / "killed" / "state.pt").exists()


def test_checkpoints_are_kept_at_log_spaced_steps():
    kept = Recipe(steps=1600).kept()
    assert kept[-1] == 1600
    assert kept[0] == 50
    assert np.allclose(np.diff(np.log2(kept)), 0.5, atol=0.02)


def test_the_rate_warms_up_stays_and_falls_to_zero():
    recipe = Recipe(steps=1000, warm_up=100, cool_down=0.3)
    rates = [recipe.rate(step) for step in range(1001)]
    assert rates[0] < 0.02
    assert rates[100:700] == [1.0] * 600
    assert rates[1000] == 0
    assert np.all(np.diff(rates[700:]) < 0)


def test_training_lowers_the_loss(tmp_path):
    recipe = replace(Recipe(), steps=60, batch=16, warm_up=5)
    made = train(shape(16), recipe, 0, tmp_path)
    asked = questions(MULTIPLICATION, "validation", 20)
    losses = [-np.nanmean(forced(checkpoints.load(folder), asked).logprobs) for _, folder in made]
    assert losses[0] == pytest.approx(np.log(16), abs=0.2)
    assert losses[-1] < losses[0] - 0.3


def test_answers_are_those_of_transformers(tmp_path):
    model = checkpoints.load(train(shape(8), TINY, 0, tmp_path)[-1][1])
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "step-00012")
    asked = questions(ADDITION, "test", 6)
    answers = forced(model, asked)
    said = outputs(model, asked, 0)
    known = outputs(model, asked, 0, known=answers.greedy)
    for k in range(asked.a.size):
        prompt = torch.tensor(asked.prompts[k][: asked.prompt_lengths[k]].astype(np.int64))[None]
        right = torch.tensor(asked.answers[k][: asked.answer_lengths[k]].astype(np.int64))
        with torch.no_grad():
            logits = other(torch.cat([prompt, right[None]], 1)).logits[0, prompt.shape[1] - 1 : -1]
        logprobs = torch.log_softmax(logits, -1)[torch.arange(right.numel()), right]
        assert np.allclose(answers.logprobs[k][: right.numel()], logprobs.numpy(), atol=1e-5)
        assert np.isnan(answers.logprobs[k][right.numel() :]).all()
        greedy = other.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=8, do_sample=False, pad_token_id=14
        )[0, prompt.shape[1] :]
        assert said[k].tolist() == greedy.tolist()
        assert known[k].tolist() == said[k].tolist()
        assert answers.greedy[k] == (said[k].tolist() == right.tolist())


def test_samples_follow_the_model(tmp_path):
    """The first token of many samples of one question, against its probabilities: chi-square."""
    from scipy.stats import chisquare

    model = checkpoints.load(train(shape(4), TINY, 0, tmp_path)[-1][1])
    one = questions(ADDITION, "test", 1)
    n = 4000
    rows = np.zeros(n, dtype=int)
    fields = ("a", "b", "prompts", "prompt_lengths", "answers", "answer_lengths")
    many = replace(one, **{f: getattr(one, f)[rows] for f in fields})
    first = np.array([row[0] for row in outputs(model, many, 1, seed=1) if row.size])
    prompt = torch.tensor(one.prompts[:1, : one.prompt_lengths[0]].astype(np.int64))
    with torch.no_grad():
        p = model(prompt)[0, -1].double().softmax(-1).numpy()[:14]
    counts = np.bincount(first, minlength=16)[:14]
    assert chisquare(counts, counts.sum() * p / p.sum()).pvalue > 1e-4


def test_responses_hold_both_tasks_at_both_temperatures(family):
    frame = pl.read_parquet(family / "responses.parquet")
    assert set(frame["task"]) == {"addition", "addition_t1", "multiplication", "multiplication_t1"}
    assert frame["model"].unique().sort().to_list() == [f"arithmetic-d{w}-seed0" for w in QUICK]
    assert frame.filter(
        pl.col("target") == pl.col("target_tokens").list.join("").str.strip_chars()
    ).height == len(frame)
    assert (frame["target_tokens"].list.len() == frame["target_logprobs"].list.len()).all()
    greedy = frame.filter(~pl.col("task").str.ends_with("_t1"))
    same = greedy["output_tokens"] == greedy["target_tokens"]
    assert (same == greedy["greedy"]).all()
    for row in greedy.sample(20, seed=0).iter_rows(named=True):
        sign = "+" if row["task"] == "addition" else "*"
        a, b = map(int, row["item_id"].split(sign))
        assert int(row["target"]) == (a + b if sign == "+" else a * b)


def test_both_tables_go_through_the_audit(family):
    by_size = unmirage.audit(family / "responses.parquet", metrics=["exact_match", "cross_entropy"]).curves
    assert set(by_size["metric"]) == {"exact_match", "cross_entropy"}
    along = pl.read_parquet(family / "checkpoints.parquet")
    assert along["n_tokens"].n_unique() == len(replace(Recipe(), steps=40).kept())
    by_tokens = unmirage.audit(along, axis="n_tokens", metrics=["cross_entropy"]).curves
    assert by_tokens.filter(task="addition")["axis_value"].n_unique() == along["n_tokens"].n_unique()


def test_the_same_command_gives_the_same_bytes_and_repairs_what_is_missing(family, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(family, again)
    shutil.rmtree(again / "models" / "arithmetic-d4-seed0")
    (again / "responses.parquet").unlink()
    train_arithmetic(again, quick=True, seeds=(0,))
    for table in ("responses.parquet", "checkpoints.parquet"):
        assert (again / table).read_bytes() == (family / table).read_bytes()


def test_models_that_were_trained_otherwise_are_not_mixed(family):
    with pytest.raises(OutputError, match="another way"):
        train_arithmetic(family, quick=True, seeds=(0,), steps=50)
    assert json.loads((family / "recipe.json").read_text())["recipe"]["steps"] == 40


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"widths": [7]}, "--widths"),
        ({"widths": [40]}, "--widths"),
        ({"seeds": []}, "--seeds"),
        ({"steps": 0}, "--steps"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_written(tmp_path, options, where):
    with pytest.raises(SettingsError, match=where):
        train_arithmetic(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_files_that_cannot_be_read_are_named(tmp_path):
    settings = {"widths": (4,), "seeds": (0,), "quick": True}
    state = tmp_path / "models" / "arithmetic-d4-seed0" / "state.pt"
    state.parent.mkdir(parents=True)
    state.write_text("junk")
    with pytest.raises(OutputError, match=r"state\.pt.*cannot be read"):
        train_arithmetic(tmp_path, **settings)
    (tmp_path / "recipe.json").write_text('{"recipe"')
    with pytest.raises(OutputError, match=r"recipe\.json cannot be read"):
        train_arithmetic(tmp_path, **settings)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_interrupt_ends_the_listener_quietly(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_arithmetic(tmp_path / "out", widths=(4,), seeds=(0,), quick=True)
    assert not [one for one in threading.enumerate() if "listen" in one.name]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(SettingsError, match="no CUDA GPU"):
        train_arithmetic(tmp_path / "out", quick=True, device="cuda")
    assert not (tmp_path / "out").exists()


def test_texts_of_tokens():
    assert text([1, 2, 12, 14, 13]) == "12=\n"
