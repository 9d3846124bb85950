"""Small valid logs of every format, and ways to spoil them: what the fuzzer and its test in the suite share.

The rule: whatever is in a file, reading it gives rows, warnings or an UnmirageError, within ten seconds.
"""

from __future__ import annotations

import io
import json
import random
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unmirage.errors import UnmirageError
from unmirage.families import load
from unmirage.readers import READERS, Options, read_sources

DEEP = 10_000
HOSTILE = (
    b"<script>alert(1)</script>", b"<img src=x onerror=alert(1)>", b"../../../../tmp/unmirage",
    b"/etc/passwd", b"C:\\\\x", b"\\ud800", b"\\udfff\\ud800", b"\xed\xa0\x80", b"\\u0000", b"\x00",
    b"\xff\xfe", b"\xef\xbb\xbf", b"1e400", b"-1e400", b"1e-400", b"NaN", b"Infinity", b"-Infinity",
    b"9" * 400, b"-0", b"2" * 19, b"null", b"true", b"[]", b"{}", b'""', b"[[[]]]", b'{"a": {"a": 1}}',
    b"[null, null]", b'["x", 1, null]', b"[" * DEEP, b'{"a":' * DEEP, b"[" * 200 + b"]" * 200,
    b'"' + b"x" * 5000 + b'"', b"\n", b"\r", b",", b"\t", b"=cmd()", b"\\", b'"', b"\xf0\x9f\x92\xa5",
    b"\\u202e", b"%s%n", b"{0}", b"-1", b"0", b"18446744073709551616",
)  # fmt: skip
SCALAR = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null')
Spoiler = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Seed:
    """A small log: its files, of which `target` is spoiled, and the name of the reader that takes them."""

    reader: str
    files: dict[str, bytes]
    target: str

    @property
    def name(self) -> str:
        return f"{self.reader}: {self.target}"


def lines(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def lm_eval_seeds() -> Iterator[Seed]:
    """Samples of every kind with their results file, the array of old versions, and the results file."""
    pair = [["-1.5", "False"], ["-0.5", "True"]]

    def record(i: int, arguments: list[list[Any]], resps: list[Any], **scores: Any) -> dict[str, Any]:
        named = {f"gen_args_{j}": {f"arg_{k}": v for k, v in enumerate(a)} for j, a in enumerate(arguments)}
        return {
            "doc_id": i, "doc": {"q": f"q{i}", "label": i % 2}, "target": str(i % 2), "arguments": named,
            "resps": [[r] for r in resps], "filtered_resps": resps, "filter": "none", "metrics": list(scores),
            "doc_hash": f"{i:016x}" + "0" * 48, "prompt_hash": "ab" * 32, "target_hash": "0" * 64, **scores,
        }  # fmt: skip

    kinds = {
        "multiple_choice": [
            record(i, [[f"q{i}", " a"], [f"q{i}", " bc"]], pair, acc=float(i % 2), acc_norm=0.0,
                   brier_score=[i % 2, "[0.2 0.8]"]) for i in range(3)
        ],
        "loglikelihood": [
            record(i, [[f"q{i}", " 7"]], [pair[i % 2]], perplexity=-1.5, acc=0) for i in range(3)
        ],
        "loglikelihood_rolling": [
            record(i, [["a text"]], ["-9.5"], word_perplexity=[-9.5, 2], bits_per_byte=[-9.5, 6])
            for i in range(2)
        ],
        "generate_until": [record(i, [["q", {"until": ["\n"]}]], ["7"], exact_match=0.0) for i in range(3)],
    }  # fmt: skip
    time = "2025-03-04T05-06-07.1"
    results = {
        "results": {k: {"alias": k, "acc,none": 0.5, "acc_stderr,none": "N/A"} for k in kinds},
        "configs": {k: {"task": k, "output_type": k, "num_fewshot": 0} for k in kinds},
        "config": {"model_args": {"pretrained": "a/m-7b", "revision": "step10"}, "model_num_parameters": 7},
        "n-samples": {k: {"original": 3, "effective": 3} for k in kinds},
        "versions": dict.fromkeys(kinds, 1), "task_hashes": dict.fromkeys(kinds, "ab"), "chat_template": None,
    }  # fmt: skip
    head = json.dumps(results).encode()
    for kind, records in kinds.items():
        target = f"samples_{kind}_{time}.jsonl"
        yield Seed("lm-eval", {target: lines(records), f"results_{time}.json": head}, target)
    yield Seed("lm-eval", {f"results_{time}.json": head}, f"results_{time}.json")
    old = [{"doc_id": r["doc_id"], "doc": r["doc"], "target": 1, "arguments": [["q", " a"], ["q", " b"]],
            "resps": [[[-1.5, False]], [[-0.5, True]]], "filtered_resps": [[-1.5, False], [-0.5, True]],
            "acc": 1.0} for r in kinds["multiple_choice"]]  # fmt: skip
    array = json.dumps(old, indent=2).encode()
    yield Seed("lm-eval", {"pretrained__a_mc.jsonl": array}, "pretrained__a_mc.jsonl")


def bigbench_seeds() -> Iterator[Seed]:
    """A score file."""
    score = {"score_dict": {"multiple_choice_grade": 0.5, "exact_str_match": 0.25}, "number_of_shots": 0,
             "preferred_score": "multiple_choice_grade", "low_score": 0.25, "high_score": 1.0,
             "subtask_description": "arithmetic"}  # fmt: skip
    model = {"model_family": "BIG-G", "model_name": "2m", "total_params": 2, "non_embedding_params": 1,
             "flop_matched_non_embedding_params": 1}  # fmt: skip
    document = {"scores": [score, {**score, "number_of_shots": 2}], "task": {"task_name": "arithmetic"},
                "model": model, "queries": []}  # fmt: skip
    yield Seed("bigbench", {"scores_a.json": json.dumps(document).encode()}, "scores_a.json")


def helm_seeds() -> Iterator[Seed]:
    """A run's specification and its statistics, each spoiled."""
    spec = {"name": "t:model=x_m-7b", "scenario_spec": {"class_name": "c"},
            "adapter_spec": {"method": "generation", "model": "x/m-7b", "max_train_instances": 0},
    }  # fmt: skip
    stats = [
        {"name": {"name": name, "split": "test"}, "count": 1, "mean": mean}
        for name, mean in (("exact_match", 0.5), ("num_instances", 4.0), ("logprob", 0.0))
    ]
    files = {"run_spec.json": json.dumps(spec).encode(), "stats.json": json.dumps(stats).encode()}
    for target in files:
        yield Seed("helm", files, target)


def table_seeds() -> Iterator[Seed]:
    """Items with lists, and aggregates, in every ending."""
    rows = pl.DataFrame(
        {"family": "f", "model": ["a", "a", "b", "b"], "task": "t", "item_id": ["1", "2"] * 2,
         "n_params": [1e6, 1e6, 1e7, 1e7], "choice_logprobs": [[-1.5, -0.25]] * 4, "answer": [0, 1] * 2,
         "score.acc": [0.5, 1.0] * 2}
    )  # fmt: skip
    flat = rows.with_columns(
        choice_logprobs=pl.format(
            "[{}, {}]", pl.col("choice_logprobs").list[0], pl.col("choice_logprobs").list[1]
        )
    )
    parquet = io.BytesIO()
    rows.write_parquet(parquet)
    yield Seed("table", {"t.parquet": parquet.getvalue()}, "t.parquet")
    yield Seed("table", {"t.csv": flat.write_csv().encode()}, "t.csv")
    yield Seed("table", {"t.tsv": flat.write_csv(separator="\t").encode()}, "t.tsv")
    yield Seed("table", {"t.jsonl": rows.write_ndjson().encode()}, "t.jsonl")
    results = b"model,task,metric,value,n,stderr\nm-1b,t,acc,0.5,10,0.1\nm-7b,t,acc,1,10,\n"
    yield Seed("table", {"r.csv": results}, "r.csv")
    losses = b"model,item_id,loss,shots,correct,n_params\na,1,0.5,0,1,1\na,2,0.9,0,0,1\na,1,0.5,1,1,1\n"
    yield Seed("table", {"l.csv": losses}, "l.csv")


def inspect_seeds() -> Iterator[Seed]:
    """An archive whose entries can be spoiled one by one, and a JSON log."""
    samples = [
        {
            "id": i, "epoch": 1, "input": "2+2=", "target": "4",
            "output": {"model": "m", "completion": "4", "choices": [{
                "message": {"content": "4", "role": "assistant"}, "stop_reason": "stop",
                "logprobs": {"content": [{"token": "4", "logprob": -0.5}]},
            }]},
            "scores": {"exact": {"value": "C", "answer": "4"}, "judge": {"value": 0.5}},
        } for i in (1, 2)
    ]  # fmt: skip
    mean = {"name": "mean", "value": 0.5}
    header = {
        "version": 2, "status": "success",
        "eval": {"eval_id": "e", "task_id": "t", "created": "2026-01-01T00:00:00+00:00", "task": "sums",
                 "task_args": {}, "model": "hf/m-1b", "model_args": {}, "scorers": [{"name": "judge"}]},
        "results": {"total_samples": 2, "completed_samples": 2,
                    "scores": [{"name": "judge", "scorer": "judge", "metrics": {"mean": mean}}]},
    }  # fmt: skip
    entries = {
        "_journal/start.json": {key: header[key] for key in ("version", "eval")},
        **{f"samples/{sample['id']}_epoch_1.json": sample for sample in samples},
        "header.json": header,
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name, value in entries.items():
            out.writestr(zipfile.ZipInfo(name), json.dumps(value), zipfile.ZIP_DEFLATED)
    yield Seed("inspect", {"a.eval": archive.getvalue()}, "a.eval")
    whole = json.dumps({**header, "samples": samples}, indent=2).encode()
    yield Seed("inspect", {"a.json": whole}, "a.json")


def seeds(*logs: Path, every: bool = False, most: int = 100_000) -> list[Seed]:
    """All small logs of the readers that there are, made here or real.

    Parameters
    ----------
    logs: folders of real logs. Their smallest files are used for readers that have none here.
    every: use real files for readers that have made ones too.
    most: bytes that a real file may have.
    """
    made = [*lm_eval_seeds(), *bigbench_seeds(), *helm_seeds(), *table_seeds(), *inspect_seeds()]
    names = [reader.name for reader in READERS]
    found = [seed for seed in made if seed.reader in names]
    have = {seed.reader for seed in found}
    files = [path for folder in logs for path in folder.rglob("*") if path.is_file()]
    sizes = {path: path.stat().st_size for path in files}
    paths = sorted((path for path, size in sizes.items() if size <= most), key=lambda p: (sizes[p], str(p)))
    owner: dict[Path, str] = {}
    for path in paths:
        first = next((reader.name for reader in READERS if reader.claims(path)), None)
        if first is not None:
            owner[path] = first
    for name in names:
        if name in have and not every:
            continue
        kinds: dict[tuple[str, str], Path] = {}
        for path, of in owner.items():
            if of == name:
                kinds.setdefault((path.suffix, re.sub(r"[\d_-].*", "", path.name)), path)
        for path in kinds.values():
            beside = {p.name: p.read_bytes() for p in owner if p.parent == path.parent and owner[p] == name}
            found.append(
                Seed(name, beside if len(beside) <= 5 else {path.name: beside[path.name]}, path.name)
            )
    return found


def truncated(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def flipped(data: bytes, chance: random.Random) -> bytes:
    spoiled = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        if spoiled:
            spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
    return bytes(spoiled)


def inserted(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(HOSTILE) + data[at:]


def replaced(data: bytes, chance: random.Random) -> bytes:
    """A number, text or constant becomes something else."""
    places = list(SCALAR.finditer(data, 0, 100_000))
    if not places:
        return inserted(data, chance)
    place, other = chance.choice(places), chance.choice(HOSTILE)
    if place[0].startswith(b'"') and chance.random() < 0.5:
        other = b'"' + other.replace(b'"', b"") + b'"'
    return data[: place.start()] + other + data[place.end() :]


def swapped(data: bytes, chance: random.Random) -> bytes:
    """One value or key stands where another was: keys twice, keys missing, values of another type."""
    places = list(SCALAR.finditer(data, 0, 100_000))
    if not places:
        return flipped(data, chance)
    one, two = chance.choice(places), chance.choice(places)
    return data[: one.start()] + two[0] + data[one.end() :]


def doubled(data: bytes, chance: random.Random) -> bytes:
    """A stretch of the file is there twice, or not at all."""
    a, b = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:b] + data[a:] if chance.random() < 0.5 else data[:a] + data[b:]


def rezipped(data: bytes, chance: random.Random) -> bytes:
    """A zip archive with one entry spoiled, renamed, twice or huge; other files as `flipped`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [(name, archive.read(name)) for name in archive.namelist()]
    except Exception:  # whatever the library makes of bytes that are spoiled already
        return flipped(data, chance)
    if not entries:
        return flipped(data, chance)
    place = chance.randrange(len(entries))
    name, content = entries[place]
    how = chance.randrange(5)
    if how == 0:
        entries[place] = (
            chance.choice(("../../x.json", "/etc/x", "a\\..\\x", name + "\n", "")) or "x",
            content,
        )
    elif how == 1:
        entries.append((name + "_", content))
    elif how == 2:
        entries[place] = (name, content + b" " * 5_000_000)
    elif how == 3:
        del entries[place]
    else:
        entries[place] = (name, chance.choice(TEXTUAL)(content, chance))
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # a name twice
        for entry, text in entries:
            archive.writestr(entry, text)
    return out.getvalue()


def retyped(data: bytes, chance: random.Random) -> bytes:
    """A Parquet table with a column of another type, or without it; other files as `replaced`."""
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, ValueError, pl.exceptions.PanicException):
        return replaced(data, chance)
    if not frame.columns:
        return replaced(data, chance)
    name = chance.choice(frame.columns)
    others = (
        pl.lit(None), pl.lit("<script>"), pl.lit(float("nan")), pl.lit(float("inf")), pl.lit(-1),
        pl.lit([1.5]), pl.lit(["a", None]), pl.struct(x=pl.lit(1)), pl.lit(b"\xff"),
        pl.lit(2**63 - 1), pl.lit(value=True),
    )  # fmt: skip
    how = chance.choice((None, *others))
    frame = frame.drop(name) if how is None else frame.with_columns(how.alias(name))
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


TEXTUAL: tuple[Spoiler, ...] = (truncated, flipped, inserted, replaced, replaced, swapped, doubled)


def spoil(data: bytes, chance: random.Random) -> bytes:
    """The data with one to three things wrong."""
    special: tuple[Spoiler, ...] = ()
    if data[:2] == b"PK":
        special = (rezipped,) * 7
    elif data[:4] == b"PAR1":
        special = (retyped,) * 3
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        data = chance.choice((*TEXTUAL, *special))(data, chance)
    return data


OPTIONS = Options(families=load())


def execute(seed: Seed, data: bytes, folder: Path) -> str:
    """Read the seed's files from `folder`, with `data` for the spoiled one: "read" or "refused".

    The file is read as what it is taken for, and by the seed's own reader where it is taken for nothing.
    Anything else than an UnmirageError is passed on.
    """
    for name, content in seed.files.items():
        (folder / name).write_bytes(data if name == seed.target else content)
    reader = next(reader for reader in READERS if reader.name == seed.reader)
    try:
        if reader.claims(folder / seed.target):
            read_sources([folder], OPTIONS)
        else:
            reader.read([folder / name for name in seed.files], OPTIONS, lambda rows: None)
    except UnmirageError as problem:
        str(problem)
        return "refused"
    return "read"
