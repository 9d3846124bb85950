"""Checkpoints that other tools load: folders with config, weights and tokenizer, as transformers has them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from unmirage.train.problems import END, PAD, SYMBOLS, VOCABULARY
from unmirage.train.transformer import EPS, Shape, Transformer


def save(model: Transformer, folder: Path) -> None:
    """Write a checkpoint, whole or not at all.

    `AutoModelForCausalLM.from_pretrained(folder)` and `AutoTokenizer.from_pretrained(folder)` load it
    (transformers 4.57 or newer, which know NanoChat).
    """
    draft = folder.with_name(f".{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, draft / "model.safetensors", metadata={"format": "pt"})
    for name, content in (("config.json", _config(model.shape)), *_tokenizer().items()):
        (draft / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def load(folder: Path) -> Transformer:
    """The model of a checkpoint that :func:`save` wrote."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = Shape(
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        layers=config["num_hidden_layers"],
        vocabulary=config["vocab_size"],
        context=config["max_position_embeddings"],
        base=config["rope_parameters"]["rope_theta"],
    )
    model = Transformer(shape)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()


def _config(shape: Shape) -> dict[str, Any]:
    return {
        "architectures": ["NanoChatForCausalLM"],
        "model_type": "nanochat",
        "dtype": "float32",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": 4 * shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "max_position_embeddings": shape.context,
        "hidden_act": "gelu",
        "attention_bias": False,
        "final_logit_softcapping": None,
        "rms_norm_eps": EPS,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.base},
        "tie_word_embeddings": False,
        "bos_token_id": END,
        "eos_token_id": END,
        "pad_token_id": PAD,
    }


def _tokenizer() -> dict[str, dict[str, Any]]:
    """One token a symbol: pairs are never merged."""
    names = [*SYMBOLS, "<pad>", *(f"<spare{k}>" for k in range(VOCABULARY - PAD - 1))]
    special = [
        {"id": k, "content": names[k], "single_word": False, "lstrip": False, "rstrip": False}
        | {"normalized": False, "special": True}
        for k in range(PAD, VOCABULARY)
    ]
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {name: k for k, name in enumerate(names)},
            "merges": [],
        },
    }
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "\n",
        "eos_token": "\n",
        "pad_token": "<pad>",
        "padding_side": "right",
        "model_max_length": 64,
        "clean_up_tokenization_spaces": False,
    }
    return {"tokenizer.json": tokenizer, "tokenizer_config.json": settings}
