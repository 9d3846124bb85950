"""Models run here, against transformers' own forward and generate on one text at a time."""

import importlib
import json
import sys

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

import numpy as np  # noqa: E402

from unmirage.ask import local_score  # noqa: E402
from unmirage.ask.family import Model  # noqa: E402
from unmirage.ask.local import Local  # noqa: E402
from unmirage.ask.local_generate import choose  # noqa: E402
from unmirage.ask.requests import Generate, Score  # noqa: E402
from unmirage.errors import MissingExtraError, SettingsError, SourceError, UnmirageError  # noqa: E402

OPTIONS = {"device": "cpu", "dtype": "float32", "batch": 4, "trust_remote_code": False}
CORPUS = [
    "the cat sat on the mat. the dog ran.",
    "a cat and a dog sat.\nthe end.",
    "1 + 2 = 3, 12 + 3 = 15",
] * 3
PROMPTS = [
    "the cat",
    "a",
    "the dog sat on a mat. the cat ran",
    "12 + 3 =",
    "the end.\nthe dog",
    "on the mat and a",
]
SMALL = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZES = {
    "gpt2": {"vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 48},
    "llama": SMALL | {"intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 48},
    # Neither shares what was read: the one sees the last tokens only, the other takes no positions.
    "mistral": SMALL | {"intermediate_size": 48, "num_key_value_heads": 2, "sliding_window": 6},
    "bloom": {"vocab_size": 300, "hidden_size": 32, "n_layer": 2, "n_head": 4},
}


def save(folder, kind, starts=False, **changes):
    """A model with random weights that matter, and a byte-level tokenizer that keeps spaces with words."""
    config = transformers.AutoConfig.for_model(
        kind, **SIZES[kind] | {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None} | changes
    )
    torch.manual_seed(5)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.mul_(15 if "embed" in name or "wt" in name else 0.2 / weight.std())
    model.save_pretrained(folder)
    cut = tokenizers.Tokenizer(tokenizers.models.BPE())
    cut.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    cut.decoder = tokenizers.decoders.ByteLevel()
    cut.train_from_iterator(
        CORPUS,
        tokenizers.trainers.BpeTrainer(
            vocab_size=290,
            special_tokens=["<s>", "</s>"],
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    if starts:
        cut.post_processor = tokenizers.processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 0)]
        )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=cut, bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    return folder


def entry(folder, **options):
    return Model("f", "m", "transformers", str(folder), options=OPTIONS | options)


@pytest.fixture(scope="module", params=SIZES)
def made(request, tmp_path_factory):
    """A backend, and the model and tokenizer as transformers loads them; Llama's texts start with a token."""
    folder = save(tmp_path_factory.mktemp("models") / request.param, request.param, request.param == "llama")
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    return Local(entry(folder)), plain, transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of two models, made once."""
    at = tmp_path_factory.mktemp("folders")
    return {kind: save(at / kind, kind) for kind in ("gpt2", "llama")}


def encoded(tokenizer, context, continuation):
    """`_encode_pair` and the empty context of lm-evaluation-harness 0.4.13, one pair at a time."""

    def encode(text, special=None):
        bare = text.startswith(tokenizer.decode([tokenizer.bos_token_id]))
        return tokenizer.encode(text, add_special_tokens=not bare if special is None else special)

    if context == "":
        after = encode(continuation, False)
        start = tokenizer.bos_token_id
        return ([start], after) if after[0] != start else (after[:1], after[1:])
    spaces = len(context) - len(context.rstrip())
    if spaces > 0:
        context, continuation = context[:-spaces], context[-spaces:] + continuation
    before = encode(context)
    return before, encode(context + continuation)[len(before) :]


def forced(plain, before, after):
    """Log-probabilities of `after` and whether it is greedy, from one forward of the whole text."""
    with torch.no_grad():
        rows = plain(torch.tensor([before + after])).logits[0, len(before) - 1 : -1].double().log_softmax(-1)
    return rows[range(len(after)), after].numpy(), rows.argmax(-1).tolist() == after


ASKED = [
    Score("the cat", " sat on the mat."),
    Score("the cat ", "sat"),  # The space goes with the continuation.
    Score("the cat", " sat"),
    Score("the c", "at sat on"),  # One token across the boundary.
    Score("", "the dog"),
    Score("12 + 3 =\n", " 15\n"),
    Score("<s>a dog", " ran."),
    *(
        Score("a cat and a dog sat on the mat, and the end.", c)
        for c in (" the cat", " the dog", " a", " the")
    ),
    Score("a", " dög – naïve"),
]


def test_log_probabilities_are_those_of_one_text_at_a_time(made):
    backend, plain, tokenizer = made
    for one, found in zip(ASKED, backend.score(ASKED), strict=True):
        before, after = encoded(tokenizer, one.context, one.continuation)
        wanted, greedy = forced(plain, before, after)
        np.testing.assert_allclose(found.logprobs, wanted, atol=1e-4)
        assert found.greedy is greedy
        assert len(found.tokens) == len(after)
    assert backend.score([]) == []


def test_tokens_are_text(made):
    found = made[0].score([Score("the cat", " sat on the mat.\n")])[0]
    assert "".join(found.tokens) == " sat on the mat.\n"


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_scores_do_not_depend_on_the_batch(folders, batch):
    for folder in folders.values():
        some, all_ = Local(entry(folder, batch=batch)), Local(entry(folder, batch=5))
        for one, other in zip(some.score(ASKED), all_.score(ASKED), strict=True):
            np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)
            assert one.greedy == other.greedy


def test_one_token_choices_need_one_text_and_a_longer_one_takes_a_shorter_along():
    pairs = [([1, 2], [3]), ([1, 2], [4]), ([1, 2], [5, 6]), ([1, 2, 5], [7]), ([9], [1])]
    texts = local_score.texts(pairs, range(5))
    assert [(one.tokens, one.low, sorted(one.asked)) for one in texts] == [
        ([1, 2, 5], 1, [0, 1, 2, 3]),
        ([9], 0, [4]),
    ]


def test_contexts_of_several_choices_and_common_starts_are_read_once(folders):
    backend = Local(entry(folders["llama"], batch=64))
    read = []
    backend._network.model.register_forward_pre_hook(
        lambda _, __, given: read.append(given["input_ids"].numel()), with_kwargs=True
    )
    context = "the cat sat on the mat. the dog ran. " * 3 + "a cat"
    choices = [Score(context, after) for after in (" sat on", " ran and sat", " and a dog")]
    found = backend.score(choices)
    apart = sum(len(a) + len(b) - 1 for a, b in backend._tokens.pairs(choices))
    assert sum(read) < apart / 2
    shown = "the cat sat on the mat. the dog ran. 1 + 2 = 3\n" * 2
    items = [Score(shown + prompt, " sat") for prompt in PROMPTS]
    read.clear()
    found += backend.score(items)
    assert sum(read) < sum(len(a) for a, _ in backend._tokens.pairs(items)) / 2
    alone = Local(entry(folders["llama"], batch=1))
    for one, other in zip(choices + items, found, strict=True):
        np.testing.assert_allclose(alone.score([one])[0].logprobs, other.logprobs, atol=1e-4)


def test_greedy_outputs_are_those_of_transformers(made):
    backend, plain, tokenizer = made
    asked = [Generate(prompt, max_tokens=5 + k) for k, prompt in enumerate(PROMPTS * 3)]
    for one, found in zip(asked, backend.generate(asked), strict=True):
        before = tokenizer(one.prompt, return_tensors="pt")["input_ids"]
        whole = plain.generate(
            before,
            attention_mask=torch.ones_like(before),
            max_new_tokens=one.max_tokens,
            do_sample=False,
            pad_token_id=1,
        )
        after = whole[0, before.shape[1] :].tolist()
        ended = after[-1] == 1
        kept = after[:-1] if ended else after
        assert found.text == tokenizer.decode(kept, skip_special_tokens=True)
        assert found.finish == ("stop" if ended else "length")
        wanted, _ = forced(plain, before[0].tolist(), kept)
        np.testing.assert_allclose(found.logprobs, wanted, atol=1e-4)
        assert len(found.tokens) == len(kept)


def test_an_architecture_without_a_cache_reads_from_the_start(folders):
    backend, other = Local(entry(folders["llama"])), Local(entry(folders["llama"]))
    backend._network._cache, backend._network.shares = None, False
    asked = [Generate(prompt, max_tokens=4 + k, temperature=k % 2) for k, prompt in enumerate(PROMPTS)]
    for one, two in zip(backend.generate(asked), other.generate(asked), strict=True):
        assert (one.text, one.finish) == (two.text, two.finish)
        np.testing.assert_allclose(one.logprobs, two.logprobs, atol=1e-4)


def test_a_sample_depends_on_its_prompt_and_seed_alone(made):
    backend = made[0]
    asked = [
        Generate(prompt, (), 8, 1.3, seed) for seed in (0, 1, 2**70, -1) for prompt in (*PROMPTS, PROMPTS[0])
    ]
    together = backend.generate(asked)
    assert [one.text for one in backend.generate(asked[::-1])[::-1]] == [one.text for one in together]
    assert [backend.generate([one])[0].text for one in asked[:9]] == [one.text for one in together[:9]]
    assert together[0] == together[6]
    assert len({one.text for one in together[::7]}) > 1


def test_draws_have_the_probabilities_of_the_temperature_and_logprobs_those_of_one():
    p = torch.tensor([0.5, 0.3, 0.2, 0.0])
    n = 20_000
    drawn, logprobs = choose(p.log().expand(n, 4), np.full(n, 0.5), np.random.default_rng(0).random(n))
    share = torch.bincount(drawn, minlength=4) / n
    torch.testing.assert_close(share, p**2 / (p**2).sum(), atol=0.015, rtol=0)
    torch.testing.assert_close(logprobs, p.log().double()[drawn])


def test_stop_text_is_searched_in_the_text_and_cut_with_its_tokens(made):
    backend = made[0]
    whole = backend.generate([Generate(prompt, max_tokens=10) for prompt in PROMPTS])
    for prompt, one in zip(PROMPTS, whole, strict=True):
        for start in range(0, len(one.text) - 2, 3):
            stop = one.text[start : start + 2]
            at = one.text.index(stop)
            found = backend.generate([Generate(prompt, ("never", stop, ""), 10)])[0]
            assert (found.text, found.finish) == (one.text[:at], "stop")
            if "\ufffd" not in one.text:
                assert "".join(found.tokens) == found.text
            np.testing.assert_allclose(found.logprobs, one.logprobs[: len(found.tokens)], atol=1e-4)


def test_what_was_just_put_out_is_not_read_again_and_has_the_same_scores(folders, monkeypatch):
    backend, fresh = Local(entry(folders["llama"])), Local(entry(folders["llama"]))
    asked = [Generate(prompt, max_tokens=1) for prompt in PROMPTS]
    given = [
        Score(one.prompt, found.text)
        for one, found in zip(asked, fresh.generate(asked), strict=True)
        if found.text
    ]
    read, run = [], backend._network._run
    monkeypatch.setattr(
        backend._network, "_run", lambda tokens, *rest: read.append(len(tokens)) or run(tokens, *rest)
    )
    backend.generate(asked)
    backend.score(given)
    apart = sum(read)
    read.clear()
    outputs, scores = backend.answer(asked, given)
    assert sum(read) <= apart - 3
    assert [one.text for one in outputs if one.text] == [one.continuation for one in given]
    for one, two in zip(scores, fresh.score(given), strict=True):
        assert (one.tokens, one.greedy) == (two.tokens, two.greedy)
        np.testing.assert_allclose(one.logprobs, two.logprobs, atol=1e-4)


def test_too_little_memory_halves_the_batch(folders, monkeypatch):
    backend = Local(entry(folders["gpt2"], batch=4))
    wanted = backend.score(ASKED), [one.text for one in backend.generate([Generate(p) for p in PROMPTS])]
    run, limit = backend._network._run, [2]

    def full(tokens, *rest, **more):
        if len(tokens) > limit[0]:
            raise torch.cuda.OutOfMemoryError("full")
        return run(tokens, *rest, **more)

    monkeypatch.setattr(backend._network, "_run", full)
    for one, other in zip(backend.score(ASKED), wanted[0], strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)
    backend._rows = 4
    assert [one.text for one in backend.generate([Generate(p) for p in PROMPTS])] == wanted[1]
    limit[0] = 0
    with pytest.raises(UnmirageError, match="not enough memory"):
        backend.score([Score("a", " cat")])


def test_texts_longer_than_the_context_are_refused_and_outputs_end_with_it(folders):
    for folder in folders.values():
        backend = Local(entry(folder))
        long = "the cat sat on the mat. " * 5
        room = 48 - len(backend._tokens.prompts([long])[0])
        assert 0 < room < 40
        found = backend.generate([Generate(long, max_tokens=200), Generate("a", max_tokens=3)])
        assert len(found[0].tokens) <= room
        assert (found[0].finish == "length") == (len(found[0].tokens) == room)
        with pytest.raises(UnmirageError, match="too long for a model that reads 48"):
            backend.generate([Generate(long * 2)])
        with pytest.raises(UnmirageError, match="fewer shots"):
            backend.score([Score(long * 2, " a")])


def test_wrong_requests_are_refused(folders):
    backend = Local(entry(folders["gpt2"]))
    with pytest.raises(SourceError, match="no token more"):
        backend.score([Score("the cat", "")])
    for wrong in ({"max_tokens": 0}, {"temperature": -1.0}, {"temperature": float("nan")}):
        with pytest.raises(SettingsError, match="temperature 0 at least"):
            backend.generate([Generate("a", **wrong)])


def test_numbers_that_are_none_are_refused(folders, monkeypatch):
    backend = Local(entry(folders["gpt2"]))
    torch.nn.init.constant_(backend._network.model.transformer.ln_f.weight, float("nan"))
    for ask in (lambda: backend.score([Score("a", " cat")]), lambda: backend.generate([Generate("a cat")])):
        with pytest.raises(UnmirageError, match="no numbers"):
            ask()


def test_models_that_cannot_be_asked_say_why(tmp_path, folders):
    def refused(match, error=SourceError, folder=folders["gpt2"], **options):
        with pytest.raises(error, match=match) as found:
            Local(entry(folder, **options))
        assert "m" in str(found.value.where)

    refused("no such folder", folder=tmp_path / "absent")
    refused("there is no dtype", SettingsError, dtype="int7")
    refused("there is no device", SettingsError, device="abacus")
    (tmp_path / "empty").mkdir()
    refused("cannot be loaded", folder=tmp_path / "empty")
    t5 = tmp_path / "t5"
    t5.mkdir()
    (t5 / "config.json").write_text(json.dumps({"model_type": "t5", "architectures": ["T5Model"]}))
    refused("not a causal language model", folder=t5)


def test_models_that_read_to_the_right_lack_weights_or_have_another_tokenizer_are_refused(tmp_path):
    size = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    bert = transformers.BertLMHeadModel(
        transformers.BertConfig(**size, intermediate_size=64, is_decoder=False, initializer_range=0.5)
    )
    save(tmp_path / "bert", "gpt2")
    bert.save_pretrained(tmp_path / "bert")
    save(tmp_path / "half", "llama")
    whole = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "half")
    whole.model.save_pretrained(tmp_path / "half")
    save(tmp_path / "other", "gpt2", vocab_size=120)
    for name, said in (
        ("bert", "reads to the right"),
        ("half", "weights are missing"),
        ("other", "belong together"),
    ):
        with pytest.raises(SourceError, match=said):
            Local(entry(tmp_path / name))


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "unmirage.ask.local")
    with pytest.raises(MissingExtraError, match="models of transformers need transformers"):
        importlib.import_module("unmirage.ask.local")


def test_half_precision_and_closing(folders):
    backend, whole = Local(entry(folders["llama"], dtype="bfloat16")), Local(entry(folders["llama"]))
    one, two = (each.score([Score("the cat", " sat")])[0].logprobs for each in (backend, whole))
    np.testing.assert_allclose(one, two, atol=0.5)
    backend.close()
