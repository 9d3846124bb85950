"""Context and continuation cut by the model's tokenizer, against lm-evaluation-harness's rule."""

import string

import pytest

from unmirage.ask.boundary import Boundary
from unmirage.ask.requests import Generate, Score
from unmirage.ask.server import Completions
from unmirage.errors import MissingExtraError, SettingsError, UnmirageError

MERGES = [("c", "a"), ("ca", "t"), (" ", "r"), (" r", "e"), (" re", "d"), ("t", "s")]
CASES = [
    Score("one", " red"),
    Score("one ", "red"),
    Score("one  \n", "red"),
    Score("ca", "ts"),
    Score("a cat", "s 7"),
    Score("", "cat"),
    Score(" ", "red"),
    Score("\n", "red"),
]


def tokenizer(folder, words, *, begins):
    """A byte-pair tokenizer of characters and a few merges; with `begins` it puts <s> before a text."""
    from tokenizers import Tokenizer, models, processors
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE({word: k for k, word in enumerate(words)}, MERGES, fuse_unk=False))
    if begins:
        raw.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", words.index("<s>"))]
        )
    PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="<s>").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def words():
    letters = [*string.ascii_letters, *string.digits, *" .,;+=?\n"]
    return ["<s>", *letters, *("".join(pair) for pair in MERGES)]


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "begins"])
def folder(request, words, tmp_path_factory):
    return str(tokenizer(tmp_path_factory.mktemp("tokenizer"), words, begins=request.param))


def harness(folder, context, continuation):
    """(context, continuation) as numbers: `loglikelihood` and `_encode_pair` of lm_eval 0.4.13, hf model."""
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder)
    if not context.strip():
        continuation = context + continuation
        numbers = loaded.encode(continuation, add_special_tokens=False)
        begin = loaded.bos_token_id
        return ([begin], numbers) if numbers[0] != begin else (numbers[:1], numbers[1:])
    spaces = len(context) - len(context.rstrip())
    if spaces > 0:
        continuation, context = context[-spaces:] + continuation, context[:-spaces]
    whole, before = loaded.encode(context + continuation), loaded.encode(context)
    return before, whole[len(before) :]


@pytest.fixture
def opened(serve, entry, words, folder):
    made = []

    def make(**traits):
        traits = {"ids": True, "vocabulary": words} | traits
        made.append(Completions(entry({"base_url": serve(**traits).url, "tokenizer": folder})))
        return made[-1]

    yield make
    for model in made:
        model.close()


@pytest.mark.parametrize("traits", [{}, {"least": 1, "lists": False}, {"by_number": True}], ids=str)
def test_tokens_are_those_of_the_harness(opened, folder, words, toy, traits):
    model = opened(**traits)
    assert model.abilities.score
    for one, found in zip(CASES, model.score(CASES), strict=True):
        before, after = harness(folder, one.context, one.continuation)
        names = [words[k] for k in after]
        last = [words[k] for k in [*before, *after][len(before) - 1 : -1]]
        assert found.tokens == tuple(names), one
        assert found.logprobs == tuple(map(toy.logprob, last, names))


def test_a_continuation_that_merges_whole_into_the_context(opened):
    with pytest.raises(UnmirageError, match=r"continuation of 'cat' has no token of its own"):
        opened().score([Score("ca", "t")])


def test_another_models_tokenizer_is_found_out(opened, words):
    model = opened(vocabulary=[words[0], *reversed(words[1:])])
    assert not model.abilities.score
    assert "not that of this model" in model.abilities.why_not


def test_a_server_that_takes_no_numbers(opened):
    model = opened(ids=False)
    assert not model.abilities.score
    assert "Leave tokenizer out" in model.abilities.why_not


def test_outputs_named_by_number_are_named_by_text(opened, words):
    model = opened(by_number=True, vocabulary=[*words, " blue", " green", " one", " two"], refuses=["echo"])
    assert model.abilities.token_logprobs
    (one,) = model.generate([Generate("one", max_tokens=4)])
    # The tokenizer knows none of these words, so that the names do not spell the text.
    assert one.text
    assert one.tokens is None


def test_a_tokenizer_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SettingsError, match="cannot be loaded"):
        Boundary(str(tmp_path / "none"), "toy")
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"unmirage\[models\]"):
        Boundary("gpt2", "toy")
