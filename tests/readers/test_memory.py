"""Reading keeps what is scored, not the documents and prompts: memory does not grow with them."""

from __future__ import annotations

import gc
import hashlib
import json
import tracemalloc

import pytest

from unmirage.families import load
from unmirage.readers.base import Options
from unmirage.readers.lm_eval import read

RECORDS = 3000
AT_MOST = 0.06  # of the size of a file of 64 MB


def write(path, size):
    """A samples file whose documents and prompts are `size` bytes each in sum."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(RECORDS):
            text = f"{i} " + "x" * (size // 2)
            lls = [["-1.25", "False"], ["-0.5", "True"]]
            record = {
                "doc_id": i, "doc": {"text": text, "label": 1}, "target": "1",
                "arguments": {f"gen_args_{j}": {"arg_0": text, "arg_1": f" {j}"} for j in range(2)},
                "resps": [[ll] for ll in lls], "filtered_resps": lls, "filter": "none", "metrics": ["acc"],
                "doc_hash": hashlib.sha256(b"%d" % i).hexdigest(), "acc": 1.0,
            }  # fmt: skip
            file.write(json.dumps(record) + "\n")


def peak(path):
    gc.collect()
    tracemalloc.start()
    try:
        loaded = read([path], Options(families=load()), lambda n: None)
        return tracemalloc.get_traced_memory()[1], loaded.responses[0].height
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_is_a_small_part_of_the_file_and_not_of_the_documents(tmp_path):
    peaks = {}
    for size in (14_000, 28_000):
        path = tmp_path / f"samples_t_2025-01-0{size // 14_000}T00-00-00.0.jsonl"
        write(path, size)
        peaks[size], rows = peak(path)
        assert rows == RECORDS
        assert path.stat().st_size > 1.5 * size * RECORDS
        assert peaks[size] < AT_MOST * path.stat().st_size
        path.unlink()
    assert peaks[28_000] < 1.05 * peaks[14_000]
