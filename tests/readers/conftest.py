"""Logs of lm-evaluation-harness in the layout of any of its versions, and of inspect_ai, for the tests of the
readers."""

from __future__ import annotations

import hashlib
import json
import random
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from unmirage.families import load
from unmirage.readers import Loaded, Options, read_sources

TIME = "2025-03-04T05-06-07.123456"


@dataclass
class Record:
    """One document's outcome, before a version of the harness writes it down."""

    doc_id: int
    doc: dict[str, Any]
    target: Any
    requests: list[list[Any]]
    resps: list[Any]  # a request: list of repeats; a repeat: text, number or [log-likelihood, greedy]
    filtered: list[Any]
    metrics: dict[str, Any]


@dataclass
class Task:
    """A task of one model: its configuration, and the records of each filter."""

    name: str
    config: dict[str, Any]
    filters: dict[str, list[Record]]
    scores: dict[str, Any] = field(default_factory=dict)  # "metric,filter" -> aggregate


def stringified(value: Any) -> Any:
    """As `sanitize_list` of lm_eval 0.4.3 and later: every leaf is text."""
    return [stringified(inner) for inner in value] if isinstance(value, list | tuple) else str(value)


def sha(value: Any) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def entry(record: Record, layout: str, filter_name: str) -> dict[str, Any]:
    """A record as a version writes it."""
    base: dict[str, Any] = {"doc_id": record.doc_id, "doc": record.doc, "target": record.target}
    if layout == "0.4.0":
        rest = {"arguments": record.requests, "resps": record.resps, "filtered_resps": record.filtered}
        return {**base, **rest, **record.metrics}
    if layout != "0.4.3":
        base["target"] = str(record.target)
    base["arguments"] = {
        f"gen_args_{i}": {f"arg_{j}": value for j, value in enumerate(request)}
        for i, request in enumerate(record.requests)
    }
    base["resps"] = stringified(record.resps)
    base["filtered_resps"] = stringified(record.filtered)
    if layout not in ("0.4.3", "0.4.5"):
        base["filter"] = filter_name
        base["metrics"] = list(record.metrics)
    base["doc_hash"] = sha(json.dumps(record.doc, indent=2, ensure_ascii=False))
    base["prompt_hash"] = sha(str(record.requests[0][0]))
    base["target_hash"] = sha(str(record.target))
    return {**base, **record.metrics}


def write_run(
    root: Path,
    layout: str,
    model_args: dict[str, Any],
    tasks: Sequence[Task],
    *,
    n_params: int | None = None,
    time: str = TIME,
    results: bool = True,
    samples: bool = True,
    folder: Path | None = None,
    extra_results: dict[str, Any] | None = None,
) -> Path:
    """Write one invocation; gives its folder. Layouts: 0.4.0, 0.4.3, 0.4.5, 0.4.7, 0.4.10, x.json."""
    text_args = ",".join(f"{key}={value}" for key, value in model_args.items())
    name = str(model_args.get("pretrained", model_args.get("model", "m")))
    sanitised = re.sub(r'["<>:/|\\?*\[\]]+', "__", name)
    old = layout == "0.4.0"
    if folder is None:
        folder = root / {"0.4.0": re.sub("/|=|,", "-", text_args), "x.json": "out"}.get(layout, sanitised)
    folder.mkdir(parents=True, exist_ok=True)
    for task in tasks if samples else ():
        entries = [entry(r, layout, f) for f, records in task.filters.items() for r in records]
        if old:
            path = folder / f"{re.sub('/|=', '__', text_args)}_{task.name}.jsonl"
            path.write_text(json.dumps(entries, indent=2, ensure_ascii=False), encoding="utf-8")
            continue
        path = folder / f"samples_{task.name}_{time}.jsonl"
        with path.open("a", encoding="utf-8") as file:
            for one in entries:
                file.write(json.dumps(one, ensure_ascii=False) + "\n")
    if results:
        document: dict[str, Any] = {
            "results": {t.name: {"alias": t.name, **t.scores} for t in tasks} | (extra_results or {}),
            "configs": {t.name: {"task": t.name, **t.config} for t in tasks},
            "config": {
                "model": "hf",
                "model_args": model_args if layout in ("0.4.10", "x.json") else text_args,
            },
        }
        if not old:
            sizes = {t.name: len(next(iter(t.filters.values()))) for t in tasks}
            document["n-samples"] = {k: {"original": n, "effective": n} for k, n in sizes.items()}
            if n_params is not None:
                document["config"]["model_num_parameters"] = n_params
            document["config"]["model_revision"] = model_args.get("revision", "main")
        stem = {"0.4.0": "results.json", "x.json": f"mine-{sanitised}_{time}.json"}
        path = folder / stem.get(layout, f"results_{time}.json")
        path.write_text(json.dumps(document, indent=2), encoding="utf-8")
    return folder


def choice_task(
    seed: int, n: int = 12, *, name: str = "my_mc", order: Callable[[list[int]], list[int]] = list
) -> Task:
    """Four choices of different lengths; the documents are the same for every seed."""
    records = []
    for i in order(list(range(n))):
        mine = random.Random(f"{seed} {i}")
        choices = ["1é"[: 1 + j % 2] * (j + 1) + str(i) for j in range(4)]
        doc = {"question": f"q{i} é", "choices": choices, "label": i % 4}
        lls = [-mine.uniform(0.1, 9) for _ in choices]
        normed = [ll / len(c) for ll, c in zip(lls, choices, strict=True)]
        metrics = {
            "acc": float(lls.index(max(lls)) == i % 4),
            "acc_norm": float(normed.index(max(normed)) == i % 4),
        }
        pairs = [[ll, ll == max(lls) and mine.random() < 0.5] for ll in lls]
        requests = [[f"q{i} é", f" {choice}"] for choice in choices]
        records.append(Record(i, doc, i % 4, requests, [[pair] for pair in pairs], pairs, metrics))
    scores = {f"{m},none": sum(r.metrics[m] for r in records) / n for m in ("acc", "acc_norm")}
    return Task(name, {"output_type": "multiple_choice"}, {"none": records}, scores)


def likelihood_task(seed: int, n: int = 10, *, name: str = "my_ll") -> Task:
    """Documents as of `generation_task`, so that the two join."""
    records = []
    for i in range(n):
        mine = random.Random(f"{seed} {i} ll")
        ll, greedy = -mine.uniform(0, 5), mine.random() < 0.5
        records.append(
            Record(i, {"q": f"{i}+{i}=", "a": str(2 * i)}, str(2 * i), [[f"{i}+{i}=", str(2 * i)]],
                   [[[ll, greedy]]], [[ll, greedy]], {"perplexity": ll, "acc": int(greedy)})
        )  # fmt: skip
    return Task(name, {"output_type": "loglikelihood"}, {"none": records})


def rolling_task(seed: int, n: int = 6) -> Task:
    """Whole texts; the harness logs sums without a greedy flag."""
    records = []
    for i in range(n):
        ll, text = -random.Random(f"{seed} {i} roll").uniform(5, 50), f"some text é {i}"
        size = len(text.encode())
        metrics = {"word_perplexity": [ll, 3], "byte_perplexity": [ll, size], "bits_per_byte": [ll, size]}
        records.append(Record(i, {"text": text}, "", [[text]], [[ll]], [ll], metrics))
    return Task("my_roll", {"output_type": "loglikelihood_rolling"}, {"none": records})


def generation_task(seed: int, n: int = 10, *, name: str = "my_gen", repeats: int = 1) -> Task:
    """One greedy output, or several repeats seen through two filters."""
    filters: dict[str, list[Record]] = {"none": []} if repeats == 1 else {"first": [], "last": []}
    for i in range(n):
        mine = random.Random(f"{seed} {i} gen")
        texts = [str(2 * i + (mine.random() < 0.4)) for _ in range(repeats)]
        for filter_name, records in filters.items():
            kept = texts[-1] if filter_name == "last" else texts[0]
            settings = {"until": ["\n"], "do_sample": repeats > 1}
            records.append(
                Record(i, {"q": f"{i}+{i}=", "a": str(2 * i)}, str(2 * i), [[f"{i}+{i}=", settings]],
                       [texts], [kept], {"exact_match": float(kept == str(2 * i))})
            )  # fmt: skip
    config: dict[str, Any] = {"output_type": "generate_until", "repeats": repeats}
    if repeats > 1:
        config["filter_list"] = [
            {"name": "first", "filter": [{"function": "take_first"}]},
            {"name": "last", "filter": [{"function": "take_last"}]},
        ]
    scores = {f"exact_match,{f}": sum(r.metrics["exact_match"] for r in rs) / n for f, rs in filters.items()}
    return Task(name, config, filters, scores)


def all_tasks(seed: int) -> list[Task]:
    """One task of every output type."""
    return [
        choice_task(seed),
        likelihood_task(seed),
        rolling_task(seed),
        generation_task(seed),
        generation_task(seed, name="my_gen_multi", repeats=3),
    ]


class Logs:
    """The builders above, under one name that tests can ask for."""

    Record, Task, TIME = Record, Task, TIME
    run = staticmethod(write_run)
    choice = staticmethod(choice_task)
    likelihood = staticmethod(likelihood_task)
    rolling = staticmethod(rolling_task)
    generation = staticmethod(generation_task)
    every = staticmethod(all_tasks)


def write_archive(
    path: Path,
    entries: Sequence[tuple[str, bytes]],
    method: int = 93,
    frames: int = 1,
    flags: int = 0,
    sizes: dict[str, int] | None = None,
) -> Path:
    """A zip archive as inspect_ai writes it: entries stored (0), deflated (8) or in Zstandard frames (93).

    `sizes` are false unpacked sizes of entries, `flags` the flags of all.
    """
    import zstandard

    body, directory = bytearray(), bytearray()
    for name, content in entries:
        step = max(1, -(-len(content) // frames))
        pieces = [content[i : i + step] for i in range(0, len(content), step)] or [b""]
        if method == 93:
            data = b"".join(zstandard.ZstdCompressor().compress(piece) for piece in pieces)
        elif method == 8:
            squeeze = zlib.compressobj(wbits=-15)
            data = squeeze.compress(content) + squeeze.flush()
        else:
            data = content
        size = (sizes or {}).get(name, len(content))
        encoded = name.encode()
        common = struct.pack(
            "<5H3L2H", 20, flags, method, 0, 33, zlib.crc32(content), len(data), size, len(encoded), 0
        )
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common
        directory += struct.pack("<3H2L", 0, 0, 0, 0, len(body)) + encoded
        body += b"PK\x03\x04" + common + encoded + data
    end = struct.pack("<4H2LH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    path.write_bytes(bytes(body) + bytes(directory) + b"PK\x05\x06" + end)
    return path


class InspectLogs:
    """Logs of inspect_ai, in the layout of 0.3.285."""

    archive = staticmethod(write_archive)

    @staticmethod
    def header(**eval: Any) -> dict[str, Any]:
        """The header of a run that succeeded; keys of `eval`, and status and results, can be given."""
        outer = {key: eval.pop(key) for key in ("status", "results", "metadata") if key in eval}
        known = {
            "eval_id": f"eval-{eval.get('model', 'hf/m-1b')}-{eval.get('created', '')}",
            "task_id": "task-1",
            "created": "2026-01-01T00:00:00+00:00",
            "task": "sums",
            "task_args": {},
            "model": "hf/m-1b",
            "model_args": {},
            "scorers": [{"name": "exact", "options": {}}],
        }
        return {"version": 2, "status": "success", "eval": known | eval, **outer}

    @staticmethod
    def sample(id: int | str, output: str = "4", *, epoch: int = 1, target: Any = "4", **more: Any) -> Any:
        """A sample; `scores` is scorer -> value, (prompt_)logprobs lists of (token, logprob)."""
        choice: dict[str, Any] = {"message": {"content": output, "role": "assistant"}, "stop_reason": "stop"}
        for name in ("logprobs", "prompt_logprobs"):
            if name in more:
                choice[name] = {"content": [{"token": t, "logprob": p} for t, p in more.pop(name)]}
        if "scores" in more:
            given = more["scores"].items()
            more["scores"] = {
                k: v if isinstance(v, dict) and "value" in v else {"value": v} for k, v in given
            }
        output_of = {"model": "m", "choices": [choice], "completion": output}
        return {"id": id, "epoch": epoch, "input": "2+2=", "target": target, "output": output_of, **more}

    @staticmethod
    def log(path: Path, header: dict[str, Any], samples: Sequence[Any], **how: Any) -> Path:
        """An `.eval` archive, or a `.json` file by the ending; reductions= can be given."""
        reductions = how.pop("reductions", None)
        if path.suffix == ".json":
            path.write_text(json.dumps({**header, "samples": samples, "reductions": reductions}, indent=2))
            return path
        start = {key: header[key] for key in ("version", "eval")}
        entries = [("_journal/start.json", start)]
        entries += [(f"samples/{s['id']}_epoch_{s['epoch']}.json", s) for s in samples]
        if reductions is not None:
            entries.append(("reductions.json", reductions))
        if header["status"] != "started":
            entries.append(("header.json", header))
        return write_archive(path, [(name, json.dumps(value).encode()) for name, value in entries], **how)


@pytest.fixture(scope="session")
def inspect_logs() -> type[InspectLogs]:
    return InspectLogs


@pytest.fixture(scope="session")
def logs() -> type[Logs]:
    return Logs


@pytest.fixture(scope="session")
def load_all() -> Callable[..., Loaded]:
    """load_all(source, ..., family=None, families=(), format=None) -> everything that reading gives."""

    def read(
        *sources: Any, format: str | None = None, families: Sequence[Path] = (), **options: Any
    ) -> Loaded:
        return read_sources(sources, Options(families=load(families), **options), format=format)

    return read


@pytest.fixture(scope="session")
def codes() -> Callable[[Loaded], list[str]]:
    """The codes of the warnings that reading gave, sorted."""
    return lambda loaded: sorted({str(note["code"]) for note in loaded.warnings})
