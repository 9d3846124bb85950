"""Records are taken many at once: what comes is what comes one by one."""

from __future__ import annotations

import gc
import hashlib
import json
import random
import zlib

import numpy as np
import polars as pl
import pytest

from unmirage.errors import SourceError
from unmirage.readers import lm_eval_lines
from unmirage.readers.lm_eval_columns import read_columns
from unmirage.readers.lm_eval_frames import lists
from unmirage.readers.lm_eval_gold import evidence_of
from unmirage.readers.lm_eval_records import Layout
from unmirage.readers.lm_eval_values import prompt_hashes

KINDS = {"multiple_choice": 4, "loglikelihood": 1, "generate_until": 0}


def record(rng, kind, i):
    """A record of real shape; choices differ in number, some texts are not ASCII."""
    prompt = " ".join(
        rng.choices(["one", "two", "drei", "\n", "é", '"', "\U0001f600"], k=rng.randrange(1, 40))
    )
    n = rng.randrange(2, 6) if KINDS[kind] == 4 else 1
    pairs = [[str(-rng.expovariate(1.0)), rng.choice(["True", "False"])] for _ in range(n)]
    texts = [" " * rng.randrange(2) + "x" * rng.randrange(6) for _ in range(n)]
    out = {
        "doc_id": i, "doc": {"q": prompt}, "target": str(i % n) if n > 1 else "t",
        "arguments": {f"gen_args_{k}": {"arg_0": prompt, "arg_1": text} for k, text in enumerate(texts)},
        "resps": [[pair] for pair in pairs], "filtered_resps": pairs, "filter": "none", "metrics": ["acc"],
        "doc_hash": f"{i:064x}", "prompt_hash": hashlib.sha256(prompt.encode(errors="replace")).hexdigest(),
        "acc": float(rng.random() < 0.5), "other": rng.choice([None, 1, 0.5, "0.25", [1, 2]]),
    }  # fmt: skip
    if kind == "generate_until":
        answers = [rng.choice(["a", "b", "ü"]) for _ in range(rng.randrange(1, 3))]
        out |= {"arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": ["\n"]}}}}
        out |= {"resps": [answers], "filtered_resps": answers[:1]}
    return out


def write(path, kind, count=60, seed=0):
    rng = random.Random(seed)
    text = "".join(json.dumps(record(rng, kind, i), ensure_ascii=i % 2 == 0) + "\n" for i in range(count))
    path.write_bytes(text.encode())
    return path


def plain(columns):
    """All that the columns hold, for comparison."""
    arrays = ("texts", "scored", "lengths", "prompts", "greedy")
    fields = ("doc_id", "item", "filter", "target", "accepted", "counts", "outputs", "repeats", "takes_first")
    recorded = {name: np.array(values).tobytes() for name, values in columns.recorded.items()}
    values = {name: getattr(columns, name) for name in fields}
    return values | {name: getattr(columns, name).tolist() for name in arrays} | {
        "recorded": recorded, "loglikelihoods": columns.loglikelihoods.tolist(), "gold": columns.gold.indices,
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("piece", [100, 5_000, 1 << 18])
def test_many_at_once_are_as_one_by_one(tmp_path, monkeypatch, kind, piece):
    path = write(tmp_path / "s.jsonl", kind)
    monkeypatch.setattr(lm_eval_lines, "PIECE", piece)
    many = read_columns(path, {"output_type": kind}, lambda n: None)
    monkeypatch.setattr(Layout, "records", lambda self, piece, count: None)
    single = read_columns(path, {"output_type": kind}, lambda n: None)
    assert plain(many) == plain(single)
    assert many.sha256 == single.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_columns(path, {"output_type": kind}, lambda n: None, hashed=False).sha256 == ""


def test_most_records_are_taken_many_at_once(tmp_path, monkeypatch):
    path = write(tmp_path / "s.jsonl", "multiple_choice")
    monkeypatch.setattr(Layout, "record", lambda self, text: pytest.fail("one was taken by itself"))
    assert len(read_columns(path, {"output_type": "multiple_choice"}, lambda n: None)) == 60


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 1 << 18])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n", b" "])
def test_pieces_are_the_file_in_whole_lines(tmp_path, monkeypatch, size, end):
    monkeypatch.setattr(lm_eval_lines, "PIECE", size)
    path = tmp_path / "lines"
    rng = random.Random(size)
    lines = [b"x" * rng.choice([0, 1, 5, 70, 700]) for _ in range(50)]
    path.write_bytes(b"\n".join(lines) + end)
    seen = hashlib.sha256()
    number, text = 1, b""
    for first, count, piece in lm_eval_lines.pieces(path, seen.update):
        assert first == number
        text += bytes(piece)
        assert count == len(bytes(piece).removesuffix(b"\n").split(b"\n"))
        assert dict(lm_eval_lines.lines(first, piece)).keys() <= set(range(first, first + count))
        number += count
    assert text == path.read_bytes()
    assert seen.hexdigest() == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize("between", [b"", b"\n\n", b" "])
def test_two_records_on_a_line_and_one_on_two_are_told_with_their_line(tmp_path, between):
    path = write(tmp_path / "s.jsonl", "loglikelihood", 6)
    lines = path.read_bytes().splitlines(keepends=True)
    if between.strip(b" ") == b"":
        lines[2] = lines[2].rstrip() + between + lines[3]
        del lines[3]
        line = 3
    path.write_bytes(b"".join(lines) if between != b"\n\n" else b"\n\n".join(lines))
    if between == b"\n\n":
        assert len(read_columns(path, {}, lambda n: None)) == 6
        return
    with pytest.raises(SourceError, match=f"line {line} is not a record"):
        read_columns(path, {}, lambda n: None)


def test_the_checksum_does_not_depend_on_the_cut(tmp_path):
    rng = random.Random(1)
    base = record(rng, "loglikelihood", 0)
    rows = []
    for i, (before, after) in enumerate(
        [("43+38=", "81"), ("43+38=8", "1"), ("43+38", "=81"), ("43+38=", "82")]
    ):
        rows.append(base | {"doc_id": i, "arguments": {"gen_args_0": {"arg_0": before, "arg_1": after}}})
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = read_columns(path, {}, lambda n: None)
    first, *others = columns.texts.tolist()
    assert first == zlib.crc32(b"43+38=81") << 31 | 8
    assert others[:2] == [first, first]
    assert others[2] != first


def test_hashes_of_prompts():
    digests = [hashlib.sha256(bytes([i])).hexdigest() for i in range(5)]
    wanted = b"".join(bytes.fromhex(digest)[:8] for digest in digests)
    assert prompt_hashes(digests) == wanted
    assert prompt_hashes([*digests, None]) == wanted + bytes(8)
    assert prompt_hashes(["ab", "not hex"]) == (0xAB).to_bytes(8, "big") + zlib.crc32(b"not hex").to_bytes(
        8, "big"
    )


@pytest.mark.parametrize("seed", range(5))
def test_lists_and_evidence_against_loops(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, 40) if seed else np.full(40, 3)
    values, lengths = np.round(-rng.exponential(size=counts.sum()), 1), rng.integers(1, 9, counts.sum())
    acc = rng.choice([0.0, 1.0, np.nan], 40)
    norm = rng.choice([0.0, 1.0], 40)
    ends = np.cumsum(counts)
    parts = [values[end - n : end] for n, end in zip(counts, ends, strict=True)]
    normed = [p / lengths[end - len(p) : end] for p, end in zip(parts, ends, strict=True)]
    found = evidence_of(counts, values, lengths, {"acc": acc, "acc_norm": norm}, [])
    for i in range(40):
        scores = normed[i] if np.isnan(acc[i]) else parts[i]
        assert found.pick[i] == scores.tolist().index(max(scores))
        assert found.right[i] == (norm[i] if np.isnan(acc[i]) else acc[i])
    holes = np.where(rng.random(40) < 0.3, 0, counts) if seed else counts
    kept = np.concatenate([p for p, n in zip(parts, holes, strict=True) if n])
    wanted = pl.Series("x", [p.tolist() if n else None for p, n in zip(parts, holes, strict=True)])
    assert lists("x", holes, pl.Series(kept)).equals(wanted, check_names=True, check_dtypes=True)


@pytest.mark.parametrize("collects", [True, False])
def test_the_collector_of_cycles_is_as_it_was(tmp_path, collects):
    whole, broken = write(tmp_path / "whole.jsonl", "loglikelihood"), tmp_path / "broken.jsonl"
    broken.write_text("{}\n")
    before = gc.isenabled()
    seen = []
    try:
        (gc.enable if collects else gc.disable)()
        read_columns(whole, None, lambda n: seen.append(gc.isenabled()), hashed=False)
        assert set(seen) == {False}
        assert gc.isenabled() is collects
        with pytest.raises(SourceError):
            read_columns(broken, None, lambda n: None, hashed=False)
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()


def test_a_likelihood_without_a_request(tmp_path):
    records = [record(random.Random(0), "loglikelihood", i) for i in range(3)]
    records[1]["arguments"] = {}
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    with pytest.raises(SourceError, match=r"line 2 .*no request in it"):
        read_columns(path, {"output_type": "loglikelihood"}, lambda n: None, hashed=False)
