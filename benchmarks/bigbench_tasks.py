"""The table of BIG-bench's tasks, `src/unmirage/bigbench/tasks.csv`, from the files of its package.

The package, `bigbench`, is no dependency. Unpack its source distribution, 1.0.0, and give its folder:

    python benchmarks/bigbench_tasks.py SRC

The same files give the same bytes. What is printed is what the tests expect of the table.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import mean

TABLE = Path(__file__).parents[1] / "src" / "unmirage" / "bigbench" / "tasks.csv"
COLUMNS = (
    *("task", "subtask", "kind", "preferred_score", "metrics"),
    *("n_items", "choices", "chance", "binary", "keywords"),
)
GRADE = "multiple_choice_grade"
# In the source of a programmatic task: an argument or attribute, which overrides an entry of a dictionary.
ASSIGNED = re.compile(r"""\bpreferred_score\s*=\s*["']([^"']+)["']""")
ENTRY = re.compile(r"""["']preferred_score["']\s*:\s*["']([^"']+)["']""")

Row = dict[str, object]


def main(source: Path) -> None:
    tasks = source / "bigbench" / "benchmark_tasks"
    known = json.loads((tasks / "task_metadata.json").read_text(encoding="utf-8"))
    rows: list[Row] = []
    for folder in sorted(tasks.iterdir()):
        if folder.is_dir() and not folder.name.startswith("_"):
            whole, *subtasks = rows_of(folder)
            rows += [{**whole, "keywords": "|".join(known[folder.name]["keywords"])}, *subtasks]
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    describe(rows)


def rows_of(folder: Path) -> list[Row]:
    """The rows of one folder: itself, then its subtasks in the order that BIG-bench runs them."""
    top = folder / "task.json"
    if not top.exists():
        return [programmatic(folder)]
    data = json.loads(top.read_text(encoding="utf-8"))
    if "examples" in data:
        return [json_task(folder.name, "", "json", data)]
    parts = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*/task.json"))]
    subtasks = [json_task(folder.name, ascii_name(part["name"]), "subtask", part) for part in parts]
    preferred = pooled(row["preferred_score"] for row in subtasks)
    whole: Row = {
        "task": folder.name,
        "kind": "container",
        "preferred_score": preferred,
        "metrics": pooled(name for part in parts for name in part["metrics"]),
        "n_items": sum(int(str(row["n_items"])) for row in subtasks),
    }
    if preferred == GRADE:  # the aggregate's low_score is then the mean over the subtasks
        whole["chance"] = repr(mean(float(str(row["chance"])) for row in subtasks))
    return [whole, *subtasks]


def json_task(task: str, subtask: str, kind: str, data: dict[str, object]) -> Row:
    """A JSON task as BIG-bench's loader counts it: equal examples once."""
    listed = data["examples"]
    assert isinstance(listed, list)
    distinct = {json.dumps(example): example for example in listed}.values()
    metrics = data["metrics"]
    assert isinstance(metrics, list)
    row: Row = {
        "task": task,
        "subtask": subtask,
        "kind": kind,
        "preferred_score": data.get("preferred_score") or metrics[0],
        "metrics": "|".join(dict.fromkeys(metrics)),
        "n_items": len(distinct),
    }
    if GRADE in metrics:
        scores = [list(example["target_scores"].values()) for example in distinct]
        numbers = Counter(map(len, scores))
        row["choices"] = max(numbers, key=lambda k: (numbers[k], -k))
        total = 0.0
        for values in scores:
            total += sum(values) / len(values)
        row["chance"] = repr(total / len(scores))
        row["binary"] = int(all(value in (0, 1) for values in scores for value in values))
    return row


def programmatic(folder: Path) -> Row:
    """A task in Python: its preferred metrics are read from the text of its modules, tests left out."""
    paths = sorted(path for path in folder.rglob("*.py") if not path.name.startswith("test"))
    texts = [path.read_text(encoding="utf-8") for path in paths]
    names = [name for text in texts for name in ASSIGNED.findall(text)]
    names = names or [name for text in texts for name in ENTRY.findall(text)]
    return {"task": folder.name, "kind": "programmatic", "preferred_score": pooled(names)}


def pooled(names: Iterable[object]) -> str:
    return "|".join(sorted({str(name) for name in names}))


def ascii_name(name: str) -> str:
    """As BIG-bench writes it into score files."""
    return name.encode("ascii", errors="replace").decode()


def describe(rows: list[Row]) -> None:
    folders = [row for row in rows if row["kind"] != "subtask"]
    kinds = Counter(str(row["kind"]) for row in rows)
    print(f"{len(rows)} rows, {len(folders)} task folders: {dict(sorted(kinds.items()))}")
    sets = [frozenset(str(row["preferred_score"]).split("|")) for row in folders]
    two = {GRADE, "exact_str_match"}
    only = [names for names in sets if names <= two]
    print(f"prefer only {' and '.join(sorted(two))}: {len(only)}")
    for name in sorted(two):
        print(f"  {name} alone: {sum(names == {name} for names in only)}")
    print(f"  both: {sum(names == two for names in only)}")
    print(f"prefer at least one of them: {sum(bool(names & two) for names in sets)}")
    templates = sum("example task" in str(row["keywords"]).split("|") for row in folders)
    print(f"templates (keyword 'example task'): {templates}, which leaves {len(folders) - templates} tasks")
    print(f"without a preferred metric: {sum(not any(names) for names in sets)}")
    print(f"{TABLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
