"""families.py and families.toml: exact counts are checked against the architectures, not against a copy."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.counts import count
from unmirage.errors import SourceError
from unmirage.families import Families, Scale, common_family, load, suggestion, unsized


@pytest.fixture(scope="module")
def known() -> Families:
    return load()


def found(families: Families, name: str, revision: str | None = None) -> Scale:
    scale = families.find(name, revision)
    assert scale is not None, name
    return scale


def gpt(vocabulary: int, positions: int, d: int, layers: int, *, untied: bool = False) -> int:
    """GPT-2 blocks: attention 4d² + 4d, feed-forward 8d² + 5d, two norms 4d; a final norm 2d."""
    return (vocabulary * (2 if untied else 1) + positions) * d + layers * (12 * d * d + 13 * d) + 2 * d


def gated(vocabulary: int, d: int, layers: int, q: int, kv: int, ff: int,
          *, tied: bool = False, bias: bool = False, norms: int | None = None) -> int:  # fmt: skip
    """LLaMA blocks. q, kv: widths of queries and of keys; norms: norm weights of a layer, 2d unless given."""
    layer = 2 * d * (q + kv) + (q + 2 * kv if bias else 0) + 3 * d * ff + (2 * d if norms is None else norms)
    return vocabulary * d * (1 if tied else 2) + layers * layer + (0 if norms == 0 else d)


def siglip(d: int, width: int = 1152, ff: int = 4304, layers: int = 27) -> int:
    """Gemma 3's vision tower (14-pixel patches of an 896-pixel image: 4,096 positions) and projector to d."""
    block = 4 * (width * width + width) + 4 * width + 2 * width * ff + ff + width
    return (3 * 14 * 14 + 1 + 4096) * width + layers * block + 2 * width + width + width * d


def falcon(d: int, layers: int, kv: int, norms: int) -> int:
    return 65024 * d + layers * (10 * d * d + 2 * d * kv + norms * 2 * d) + 2 * d


# fmt: off
ARCHITECTURES = {
    **{f"pythia-{size}": gpt(v, 0, d, n, untied=True) for size, v, d, n in [
        ("14m", 50304, 128, 6), ("31m", 50304, 256, 6), ("70m", 50304, 512, 6), ("160m", 50304, 768, 12),
        ("410m", 50304, 1024, 24), ("1b", 50304, 2048, 16), ("1.4b", 50304, 2048, 24),
        ("2.8b", 50304, 2560, 32), ("6.9b", 50432, 4096, 32), ("12b", 50688, 5120, 36)]},
    **{f"gpt2{size}": gpt(50257, 1024, d, n) for size, d, n in [
        ("", 768, 12), ("-medium", 1024, 24), ("-large", 1280, 36), ("-xl", 1600, 48)]},
    **{f"opt-{size}": gpt(50272, 2050, d, n) for size, d, n in [
        ("125m", 768, 12), ("1.3b", 2048, 24), ("2.7b", 2560, 32), ("6.7b", 4096, 32), ("13b", 5120, 40),
        ("30b", 7168, 48), ("66b", 9216, 64)]},
    # Embeddings of half the width with projections in and out, and no final norm.
    "opt-350m": gpt(0, 2050, 1024, 24) - 2 * 1024 + 50272 * 512 + 2 * 512 * 1024,
    # Two rows of positions stand for the norm after the embeddings.
    **{f"{name}-{size}": gpt(250880, 2, d, n) for name in ("bloom", "bloomz") for size, d, n in [
        ("560m", 1024, 24), ("1b1", 1536, 24), ("1b7", 2048, 24), ("3b", 2560, 30), ("7b1", 4096, 30),
        ("176b", 14336, 70)]},
    **{f"Cerebras-GPT-{size}": gpt(50257, 2048, d, n) for size, d, n in [
        ("111M", 768, 10), ("256M", 1088, 14), ("590M", 1536, 18), ("1.3B", 2048, 24), ("2.7B", 2560, 32),
        ("6.7B", 4096, 32), ("13B", 5120, 40)]},
    **{name: gated(32000, d, n, d, kv, ff) for name, d, n, kv, ff in [
        ("llama-7b", 4096, 32, 4096, 11008), ("llama-13b", 5120, 40, 5120, 13824),
        ("llama-30b", 6656, 60, 6656, 17920), ("llama-65b", 8192, 80, 8192, 22016),
        ("Llama-2-7b", 4096, 32, 4096, 11008), ("Llama-2-13b", 5120, 40, 5120, 13824),
        ("Llama-2-70b", 8192, 80, 1024, 28672)]},
    **{f"{name}-8B": gated(128256, 4096, 32, 4096, 1024, 14336) for name in ("Llama-3", "Llama-3.1")},
    **{f"{name}-70B": gated(128256, 8192, 80, 8192, 1024, 28672) for name in ("Llama-3", "Llama-3.1")},
    "Llama-3.1-405B": gated(128256, 16384, 126, 16384, 1024, 53248),
    "Llama-3.2-1B": gated(128256, 2048, 16, 2048, 512, 8192, tied=True),
    "Llama-3.2-3B": gated(128256, 3072, 28, 3072, 1024, 8192, tied=True),
    **{f"Qwen{size}": gated(151936, d, n, d, kv, ff, tied=True, bias=True) for size, d, n, kv, ff in [
        ("1.5-0.5B", 1024, 24, 1024, 2816), ("2-0.5B", 896, 24, 128, 4864), ("2.5-0.5B", 896, 24, 128, 4864),
        ("2-1.5B", 1536, 28, 256, 8960), ("2.5-1.5B", 1536, 28, 256, 8960), ("2.5-3B", 2048, 36, 256, 11008),
    ]},
    **{f"Qwen{size}": gated(v, d, n, d, kv, ff, bias=True) for size, v, d, n, kv, ff in [
        ("1.5-1.8B", 151936, 2048, 24, 2048, 5504), ("1.5-4B", 151936, 2560, 40, 2560, 6912),
        ("1.5-7B", 151936, 4096, 32, 4096, 11008), ("1.5-14B", 152064, 5120, 40, 5120, 13696),
        ("1.5-32B", 152064, 5120, 64, 1024, 27392), ("1.5-72B", 152064, 8192, 80, 8192, 24576),
        ("1.5-110B", 152064, 8192, 80, 1024, 49152), ("2-7B", 152064, 3584, 28, 512, 18944),
        ("2.5-7B", 152064, 3584, 28, 512, 18944), ("2.5-14B", 152064, 5120, 48, 1024, 13824),
        ("2.5-32B", 152064, 5120, 64, 1024, 27648), ("2-72B", 152064, 8192, 80, 1024, 29568),
        ("2.5-72B", 152064, 8192, 80, 1024, 29568)]},
    **{f"OLMo-{size}": gated(50304, 2048, 16, 2048, 2048, 8192, tied=True, norms=0)
       for size in ("1B", "1B-0724")},
    **{f"OLMo-7B{date}": gated(50304, 4096, 32, 4096, 4096, 11008, norms=0)
       for date in ("", "-Twin-2T", "-0424", "-0724")},
    **{f"OLMo-2-{size}": gated(100352, d, n, d, kv, ff, norms=3 * d + kv) for size, d, n, kv, ff in [
        ("0425-1B", 2048, 16, 2048, 8192), ("1124-7B", 4096, 32, 4096, 11008),
        ("1124-13B", 5120, 40, 5120, 13824), ("0325-32B", 5120, 64, 1024, 27648)]},
    **{f"gemma-{size}": gated(256000, d, n, q, kv, ff, tied=True, norms=k * d)
       for size, d, n, q, kv, ff, k in [
        ("2b", 2048, 18, 2048, 256, 16384, 2), ("7b", 3072, 28, 4096, 4096, 24576, 2),
        ("2-2b", 2304, 26, 2048, 1024, 9216, 4), ("2-9b", 3584, 42, 4096, 2048, 14336, 4),
        ("2-27b", 4608, 46, 4096, 2048, 36864, 4)]},
    "gemma-3-270m": gated(262144, 640, 18, 1024, 256, 2048, tied=True, norms=4 * 640 + 512),
    "gemma-3-1b": gated(262144, 1152, 26, 1024, 256, 6912, tied=True, norms=4 * 1152 + 512),
    **{f"gemma-3-{size}": gated(262208, d, n, q, kv, ff, tied=True, norms=4 * d + qk) + siglip(d)
       for size, d, n, q, kv, ff, qk in [
        ("4b", 2560, 34, 2048, 1024, 10240, 512), ("12b", 3840, 48, 4096, 2048, 15360, 512),
        ("27b", 5376, 62, 4096, 2048, 21504, 256)]},
    "falcon-7b": falcon(4544, 32, 64, 1), "falcon-40b": falcon(8192, 60, 512, 2),
    "falcon-rw-1b": gpt(50304, 0, 2048, 24),
}

@pytest.mark.parametrize("model", ARCHITECTURES)
def test_an_exact_count_is_that_of_the_architecture(known: Families, model: str) -> None:
    scale = found(known, model)
    assert (scale.model, scale.n_params, scale.rounded) == (model, ARCHITECTURES[model], False)

def test_every_count_that_is_not_checked_is_marked_as_rounded_or_is_a_variant(known: Families) -> None:
    checked = {(scale.n_params, scale.n_tokens) for scale in known.models() if scale.model in ARCHITECTURES}
    for scale in known.models():
        assert scale.rounded or (scale.n_params, scale.n_tokens) in checked, scale

@pytest.mark.parametrize(("name", "family", "n_tokens"), [
    ("EleutherAI/pythia-70m", "Pythia", 299_892_736_000),
    ("pythia-12b-deduped", "Pythia-deduped", 299_892_736_000), ("openai-community/gpt2-xl", "GPT-2", None),
    ("gpt-3-6.7b", "GPT-3", 300e9), ("openai/curie", "GPT-3-API", None),
    ("text-davinci-001", "GPT-3-API-Instruct", None), ("facebook/opt-6.7b", "OPT", 180e9),
    ("facebook/opt-iml-30b", "OPT-IML", 180e9), ("bigscience/bloom-7b1", "BLOOM", 341e9),
    ("bigscience/bloom-176b", "BLOOM", 366e9), ("bigscience/bloomz-560m", "BLOOMZ", 341e9),
    ("cerebras/Cerebras-GPT-13B", "Cerebras-GPT", 2.57e11), ("huggyllama/llama-13b", "LLaMA", 1e12),
    ("huggyllama/llama-30b", "LLaMA", 1.4e12), ("meta-llama/Llama-2-70b", "Llama-2", 2e12),
    ("meta-llama/Llama-2-7b-chat", "Llama-2-Chat", 2e12), ("meta-llama/Llama-3-8B", "Llama-3", 15e12),
    ("Llama-3-8B-Instruct", "Llama-3-Instruct", 15e12), ("meta-llama/Llama-3.1-405B", "Llama-3.1", 15e12),
    ("Llama-3.1-8B-Instruct", "Llama-3.1-Instruct", 15e12), ("meta-llama/Llama-3.2-1B", "Llama-3.2", 9e12),
    ("Llama-3.2-1B-Instruct", "Llama-3.2-Instruct", 9e12), ("Qwen/Qwen1.5-1.8B", "Qwen1.5", 2.4e12),
    ("Qwen/Qwen1.5-7B", "Qwen1.5", 4e12), ("Qwen/Qwen1.5-32B-Chat", "Qwen1.5-Chat", None),
    ("Qwen/Qwen2-0.5B", "Qwen2", 12e12), ("Qwen/Qwen2-72B", "Qwen2", 7e12),
    ("Qwen/Qwen2-7B-Instruct", "Qwen2-Instruct", 7e12), ("Qwen/Qwen2.5-7B", "Qwen2.5", 18e12),
    ("Qwen/Qwen2.5-7B-Instruct", "Qwen2.5-Instruct", 18e12), ("allenai/OLMo-1B", "OLMo", 3.095e12),
    ("allenai/OLMo-7B-Instruct", "OLMo-Instruct", 2.5e12), ("allenai/OLMo-7B-Twin-2T", "OLMo", 2e12),
    ("allenai/OLMo-7B-0424", "OLMo-0424", 2.05e12), ("allenai/OLMo-7B-0724", "OLMo-0724", 2.75e12),
    ("allenai/OLMo-2-0425-1B", "OLMo-2", 4.052e12), ("OLMo-2-1124-13B-Instruct", "OLMo-2-Instruct", 5.301e12),
    ("google/gemma-2b", "Gemma", 3e12), ("google/gemma-1.1-7b-it", "Gemma-1.1-IT", 6e12),
    ("google/gemma-7b-it", "Gemma-IT", 6e12), ("google/gemma-2-2b", "Gemma-2", 2e12),
    ("google/gemma-2-27b-it", "Gemma-2-IT", 13e12), ("google/gemma-3-4b", "Gemma-3", 4e12),
    ("google/gemma-3-270m", "Gemma-3", 6e12), ("google/gemma-3-12b-it", "Gemma-3-IT", 12e12),
    ("tiiuae/falcon-40b", "Falcon", 1e12), ("tiiuae/falcon-7b-instruct", "Falcon-Instruct", 1.5e12),
    ("tiiuae/falcon-180B-chat", "Falcon-Chat", 3.5e12), ("tiiuae/falcon-rw-1b", "Falcon-RW", 350e9),
    ("BIG-G-2m", "BIG-G", None), ("BIG-G-T=1-128b", "BIG-G-T=1", None), ("google/palm-62b", "PaLM", 780e9)])
def test_a_usual_name_is_found(known: Families, name: str, family: str, n_tokens: float | None) -> None:
    scale = found(known, name)
    assert (scale.family, scale.n_tokens, scale.source) == (family, n_tokens, "families.toml")
    assert scale.model.lower() == name.split("/")[-1].lower()

@pytest.mark.parametrize(("name", "label"), [
    ("GPT-3 Small", "GPT-3-125M"), ("gpt3-xl", "GPT-3-1.3B"), ("gpt2-small", "gpt2"),
    ("bigscience/bloom", "bloom-176b"), ("bigscience/bloomz", "bloomz-176b"), ("llama-33b", "llama-30b"),
    ("llama1-7b", "llama-7b"), ("meta-llama/Llama-2-7b-hf", "Llama-2-7b"),
    ("meta-llama/Llama-2-7b-chat-hf", "Llama-2-7b-chat"), ("llama2-13b", "Llama-2-13b"),
    ("meta-llama/Meta-Llama-3-8B", "Llama-3-8B"), ("Meta-Llama-3.1-8B-Instruct", "Llama-3.1-8B-Instruct"),
    ("allenai/OLMo-1B-hf", "OLMo-1B"), ("allenai/OLMo-1.7-7B-hf", "OLMo-7B-0424"),
    ("OLMo-7B-0724-Instruct-hf", "OLMo-7B-0724-Instruct"), ("OLMo-2-7B", "OLMo-2-1124-7B"),
    ("google/gemma-3-4b-pt", "gemma-3-4b"), ("gemma2-9b", "gemma-2-9b"), ("BIG-G T=0/2m", "BIG-G-2m"),
    ("BIG-G T=1 2m", "BIG-G-T=1-2m"), ("PaLM 64b", "PaLM-62b"), ("PaLM 535b", "PaLM-540b"),
    ("PYTHIA_1.4B", "pythia-1.4b"), ("/x/y/pythia-1.4b", "pythia-1.4b"),
    ("C:\\m\\pythia-1.4b", "pythia-1.4b"), ("./pythia-1.4b/", "pythia-1.4b"),
    (" pythia-1.4b ", "pythia-1.4b"), ("x/pythia-1.4b-base", "pythia-1.4b"),
    ("EleutherAI__pythia-1.4b", "pythia-1.4b"), ("__x__pythia-1.4b", "pythia-1.4b"),
    ("hub/models--EleutherAI--pythia-1.4b/snapshots/0a1b", "pythia-1.4b")])
def test_other_spellings(known: Families, name: str, label: str) -> None:
    assert found(known, name).model == label
# fmt: on


def test_rounded_and_estimated_sizes_are_marked(known: Families) -> None:
    sizes = {"gpt2": 124_439_808, "opt-175b": 175e9, "falcon-180b": 180e9, "BIG-G-422m": 422e6}
    sizes |= {"PaLM-8b": 8.63e9, "PaLM-62b": 62.5e9, "PaLM-540b": 540.35e9, "GPT-3-760M": 760e6}
    sizes |= {"ada": 350e6, "curie": 6.7e9}
    scales = [found(known, name) for name in sizes]
    assert [scale.n_params for scale in scales] == list(sizes.values())
    assert [scale.rounded for scale in scales] == [False] + [True] * 9
    assert [scale.estimated for scale in scales] == [False] * 8 + [True] * 2


def test_cerebras_gpt_saw_twenty_tokens_a_parameter(known: Families) -> None:
    scales = [scale for scale in known.models() if scale.family == "Cerebras-GPT"]
    assert [(s.n_tokens or 0) / (s.n_params or 1) for s in scales] == pytest.approx([20.0] * 7, rel=0.002)


def test_every_size_agrees_with_its_name_and_rises_with_it(known: Families) -> None:
    families: dict[str, list[tuple[float, float]]] = {}
    for scale in known.models():
        assert (scale.n_params or 0) > 0
        size = re.search(r"(?i)(?<![\d.a-z])(\d+(?:\.\d+)?)([mb])(\d?)(?![a-z\d])", scale.model)
        if size:  # BLOOM writes 1.1 billion as 1b1
            named = count(f"{size[1]}.{size[3]}{size[2]}" if size[3] else size[1] + size[2]) or 0
            assert scale.n_params == pytest.approx(named, rel=0.5), scale
            families.setdefault(scale.family, []).append((named, scale.n_params or 0))
    assert len(families) > 30
    for pairs in families.values():
        assert [n_params for _, n_params in sorted(pairs)] == sorted(n_params for _, n_params in pairs)


def test_names_do_not_cross_between_models(known: Families) -> None:
    assert len({scale.model for scale in known.models()}) == len(known.models())
    for scale in known.models():
        for name in (scale.model, f"org/{scale.model.upper()}", f"/a b/{scale.model}/", f"x__{scale.model}"):
            assert known.find(name) == scale
        for name in (f"{scale.model}x", f"x{scale.model}", f"{scale.model}-gptq", scale.model[:-1]):
            other = known.find(name)
            assert other is None or other.model != scale.model, name


# fmt: off
@pytest.mark.parametrize("name", [
    "", " ", "/", "2m", "70m", "pythia", "pythia-70", "pythia-1.4", "pythia-70m-v0", "pythia-14b", "gpt2-xxl",
    "Qwen2.5-Coder-7B", "Qwen2-57B-A14B", "text-davinci-003", "falcon-1b", "BIG-G sparse 2m", "llama3:8b",
    "checkpoint-500", "step1000", "@step5"])
def test_what_is_not_known_is_not_guessed(known: Families, name: str) -> None:
    assert known.find(name) is None
    assert known.find(name, "step1000-tokens4B") is None

@pytest.mark.parametrize(("name", "revision", "label", "tokens"), [
    ("EleutherAI/pythia-70m", "step1000", "@step1000", 2_097_152_000), ("pythia-70m", "step0", "@step0", 0),
    ("pythia-70m-deduped", "step143000", "@step143000", 299_892_736_000),
    ("pythia-70m", "step143001", "@step143001", None), ("pythia-70m", "main", "", 299_892_736_000),
    ("pythia-70m", "0a1b2c3", "@0a1b2c3", None), ("pythia-70m@step512", None, "@step512", 512 * 2_097_152),
    ("pythia-70m@step512", "step1", "@step1", 2_097_152),
    ("/runs/pythia-70m/step512", "main", "@step512", 512 * 2_097_152),
    ("/runs/pythia-70m/checkpoint-512", None, "@checkpoint-512", 512 * 2_097_152),
    ("/runs/pythia-70m/global_step512/", None, "@global_step512", 512 * 2_097_152),
    ("allenai/OLMo-7B", "step1000-tokens4B", "@step1000-tokens4B", 4e9),
    ("OLMo-7B", "stage2-ingredient1-step1-tokens3B", "@stage2-ingredient1-step1-tokens3B", None),
    ("OLMo-2-1124-7B", "stage1-step1000-tokens5B", "@stage1-step1000-tokens5B", 5e9),
    ("OLMo-2-1124-7B", "stage2-ingredient1-step9-tokens3B", "@stage2-ingredient1-step9-tokens3B", 3.899e12),
    ("gpt2", "step1000", "@step1000", None), ("pythia-70m", "step" + "9" * 5000, "@step" + "9" * 5000, None)])
def test_revision(known: Families, name: str, revision: str | None, label: str, tokens: float | None) -> None:
    scale = found(known, name, revision)
    last = found(known, re.sub(r"[@/](step|checkpoint-|global_step)512/?$", "", name))
    assert (scale.family, scale.n_params, scale.model) == (last.family, last.n_params, last.model + label)
    assert scale.n_tokens == tokens

@pytest.mark.parametrize(("name", "last"), [
    ("OLMo-1B", "step738020-tokens3095B"), ("OLMo-7B", "step556000-tokens2460B"),
    ("OLMo-1B-0724", "step1454000-tokens3048B"),
    ("OLMo-2-0425-1B", "stage2-ingredient3-step23852-tokens51B"),
    ("OLMo-2-1124-7B", "stage2-ingredient3-step11931-tokens50B"),
    ("OLMo-2-1124-13B", "stage2-ingredient4-step35773-tokens300B"),
    ("OLMo-2-0325-32B", "stage2-ingredient3-step35763-tokens301B")])
def test_no_checkpoint_saw_more_than_the_released_model(known: Families, name: str, last: str) -> None:
    released, checkpoint = found(known, name).n_tokens or 0, found(known, name, last).n_tokens or 0
    assert 0.98 * released < checkpoint <= released

@given(steps=st.lists(st.integers(0, 143_000), min_size=2, max_size=5, unique=True))
def test_tokens_rise_with_steps(steps: list[int]) -> None:
    tokens = [found(load(), "pythia-160m", f"step{step}").n_tokens for step in sorted(steps)]
    assert all(a is not None and b is not None and a < b for a, b in pairwise(tokens))
# fmt: on


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return path


def test_a_user_file_adds_models_and_wins(tmp_path: Path) -> None:
    text = """
        models."EleutherAI/pythia-70m" = { n_params = 1 }
        models.pythia-160m = { n_params = 2, n_tokens = 3 }
        models."my-model-70m" = { n_params = 70_000_000, tokens_per_step = 1024, names = ["old-name"] }
        models.model-160m = { n_params = 1.6e8, family = "mine" }
        models."/r/70m/final" = { n_params = 7 }
        models."/r/70m/checkpoint-5" = { n_params = 8 }
        models.final = { n_params = 9 }
        """
    families = load([path := write(tmp_path, text)])
    paths = ("EleutherAI/pythia-70m", "pythia-70m", "/r/70m/final/", "/r/70m/checkpoint-5", "/r/160m/final")
    assert [found(families, name).n_params for name in paths] == [1, 70_426_624, 7, 8, 9]
    assert found(families, "x/pythia-160m-hf") == Scale("Pythia", "pythia-160m", 2.0, 3.0, str(path))
    assert found(families, "pythia-160m", "step1000").n_tokens is None
    assert found(families, "/x/my-model-70m") == Scale("my-model", "my-model-70m", 70e6, None, str(path))
    checkpoint = Scale("my-model", "my-model-70m@checkpoint-10", 70e6, 10_240, str(path))
    assert found(families, "/x/old_name/checkpoint-10") == checkpoint
    assert found(families, "model-160m").family == "mine"
    later = write(tmp_path, "models.FINAL = { n_params = 3 }", "later.toml")
    scales = [found(load([path, str(later)]), name) for name in ("final", "pythia-160m")]
    assert [(scale.n_params, scale.source) for scale in scales] == [(3, str(later)), (2, str(path))]
    assert load().find("my-model-70m") is None


def test_a_user_family_follows_the_same_schema(tmp_path: Path) -> None:
    text = """
        [families.toy]
        model = "toy-{size}"
        also = ["toy_v1-{size}"]
        variants = { toy-chat = ["toy-{size}-chat"] }
        tokens_per_step = 1000
        final_step = 50
        source = "estimated"
        sizes.3k = { n_params = 3_000, also = ["tiny"] }
        sizes.6k = { n_params = 6_000, n_tokens = 7 }
        models.toy-huge = { n_params = 9e9, tokens_per_step = 2000 }
        """
    families, source = load([write(tmp_path, text)]), str(tmp_path / "mine.toml")
    assert found(families, "toy-v1-tiny") == Scale("toy", "toy-3k", 3e3, 5e4, source, estimated=True)
    assert found(families, "toy-tiny-chat") == Scale("toy-chat", "toy-3k-chat", 3e3, 5e4, source, False, True)
    tokens = [found(families, name).n_tokens for name in ("toy-6k", "toy-huge", "toy-6k@step10")]
    assert tokens == [7, 1e5, 1e4]


# fmt: off
@pytest.mark.parametrize(("name", "family"), [
    ("add-6k", "add"), ("m-70m-v2", "m-v2"), ("tiny-final", "tiny"), ("solo", "solo"),
    ("/x/add_1.5M", "add"), ("/x/70m", "70m")])
def test_a_family_not_stated_is_the_name_without_its_size(tmp_path: Path, name: str, family: str) -> None:
    assert found(load([write(tmp_path, f'[models."{name}"]\nn_params = 1\n')]), name).family == family

MODEL = "models.a = { n_params = 1 }"
@pytest.mark.parametrize(("text", "key", "rule"), [
    ("", "", "names no model"), ("x = 1", "`x`", "not a key"), ("[a", "", "not TOML"),
    ("\udcff", "", "not TOML"), ("models = 3", "`models`", "must be a table"),
    ("[models]\na = 3", "models.a", "Expected `object`, got `int`"),
    ("[models.a]\nn_params = 0", "models.a.n_params", "> 0"),
    ("[models.a]\nn_params = nan", "models.a.n_params", "> 0"),
    ("[models.a]\nn_params = inf", "models.a.n_params", "< 1e+30"),
    ('[models."a.b"]\nn_params = "7B"', 'models."a.b".n_params', "got `str`"),
    ("[models.a]\nn_params = 1\ntokens = 1", "models.a", "unknown field `tokens`"),
    ("[models.a]\nn_tokens = 1", "models.a", "missing required field `n_params`"),
    ('[models.a]\nn_params = 1\nsource = "guess"', "models.a.source", "guess"),
    (MODEL + "\n[models.A]\nn_params = 2", "models.A", "already names a"),
    ('[models." "]\nn_params = 1', 'models." "', "empty"),
    ("[families.x]", "families.x", "neither sizes nor models"),
    ("[families.x.sizes]\n7b = { n_params = 1 }", "families.x", "`model` and `sizes`"),
    ('[families.x]\nmodel = "x-{size}"\n' + MODEL, "families.x", "`model` and `sizes`"),
    ('[families.x]\nmodel = "x"\nsizes.7b = { n_params = 1 }', "families.x.model", "size"),
    ('[families.x]\nmodel = "x{size}"\nvariants.y = ["y"]\nsizes.a = {}', "families.x.variants", "size"),
    ('[families.x]\nmodel = "x-{size}"\nsizes.7b = 7', "families.x.sizes.7b", "got `int`"),
    ('[families.x]\nalso = ["y-{size}"]\n' + MODEL, "families.x", "need `sizes`"),
    ("[families.x]\nfinal_step = 3\n" + MODEL, "families.x", "needs `tokens_per_step`"),
    ("[families.x.models]\na = { n_params = 0 }", "families.x.models.a.n_params", "> 0")])
def test_a_broken_file_is_refused_by_key_and_rule(tmp_path: Path, text: str, key: str, rule: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SourceError) as caught:
        load([path])
    assert re.match(f"{re.escape(str(path))}: .*{re.escape(key)}.*{re.escape(rule)}", str(caught.value))
# fmt: on


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.toml: .*cannot be read"):
        load([tmp_path / "none.toml"])


@pytest.mark.parametrize("name", ["my-model", "gpt-4", "run-6e9", "x/", "0k", "0.0001k"])
def test_a_suggestion_without_a_size_is_refused_until_it_is_filled_in(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=r"n_params.*> 0"):
        load([write(tmp_path, suggestion(name))])
    sized = f"org/{name}-1.4b"
    assert found(load([write(tmp_path, suggestion(sized))]), sized).n_params == 1.4e9


@given(name=st.text(min_size=1, max_size=20).filter(lambda name: bool(re.sub(r"[\s/\\]", "", name))))
def test_a_filled_in_suggestion_is_found(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    lines = re.sub(r"(?m)^n_params = .*$", "n_params = 5", suggestion(name))
    path = write(tmp_path_factory.getbasetemp(), lines, "suggested.toml")
    assert found(load([path]), name).n_params == 5


# fmt: off
@pytest.mark.parametrize(("names", "family"), [
    (["add-6k", "add-10k"], "add"), (["add-10k", "add-12k"], "add"), (["/x/Add-6k", "org/add-10k/"], "Add"),
    (["my_model 70m", "my_model 160m"], "my_model"), (["x-1.4b", "x-1.7b"], "x"), (["a--6k", "a--7k"], "a"),
    (["add-6k", "add-6k"], "add"), (["add-6k", "add-6k-chat"], "add"), (["my-model-70m"], "my-model"),
    (["İ-6k", "İ-7k"], "İ"), (["qwen-7b", "qwen2-7b"], None), (["add-6k", "sub-6k"], None),
    (["-6k", "-7k"], None), (["solo"], None), (["", "add-6k"], None), ([], None)])
def test_common_family(names: list[str], family: str | None) -> None:
    assert common_family(names) == family
# fmt: on


@pytest.mark.parametrize(
    ("name", "rest"),
    [("org/my-1.4b-v2", "my-v2"), ("add_6k", "add"), ("alpha-7B", "alpha"), ("small", None), ("1b", None)],
)
def test_unsized(name: str, rest: str | None) -> None:
    assert unsized(name) == rest
