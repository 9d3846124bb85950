"""Writes an audit's folder, whole or not at all. What is in each file is not decided here."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from unmirage.folders import whole
from unmirage.report import charts, document, sheets
from unmirage.report.page import page
from unmirage.result import Audit, Progress, silent

PAGE = "report.html"
TABLES = ("responses", "scores", "curves")


def write(
    audit: Audit, directory: Path, *, formats: tuple[str, ...] = (), progress: Progress = silent
) -> Path:
    """Write the page, audit.json, three Parquet and two CSV tables, and charts; returns the path of the page.

    Charts are `charts/<family>-<task>.<format>` for each of `formats` ("png", "svg", "pdf"), with characters
    that a file name cannot hold replaced by "_"; a task without a point to draw has none.

    All files are built in a hidden folder inside `directory` (so on the same disk, even where `directory` is
    a mount point) and moved into place at the end. Files of an earlier audit are replaced, other files stay.
    On any failure what was there before is put back, and folders made on the way are removed. No file holds a
    time: the same audit gives the same bytes, PDF excepted (see :func:`unmirage.report.charts.render`).

    Raises
    ------
    SettingsError
        An unknown image format.
    OutputError
        The folder cannot be made or written.
    """
    charts.check_formats(formats)
    with whole(directory, "the audit") as draft:
        _build(audit, draft, formats, progress)
    return directory / PAGE


def chart_names(audit: Audit) -> list[tuple[str, str, str]]:
    """(family, task, file name without ending) of the verdicts; names that would collide get a number."""
    taken: set[str] = set()
    found = []
    for family, task in audit.verdicts.select("family", "task").iter_rows():
        plain = f"{_slug(family)}-{_slug(task)}"
        name, number = plain, 2
        # Some disks take "A" and "a" for one name.
        while name.casefold() in taken:
            name, number = f"{plain}-{number}", number + 1
        taken.add(name.casefold())
        found.append((family, task, name))
    return found


def _slug(text: str) -> str:
    plain = re.sub(r"[^\w.+-]+", "_", text).strip("._-")
    # Two of these, a number and an ending must stay below the 255 bytes that a disk allows.
    return plain.encode()[:100].decode(errors="ignore") or "_"


def _build(audit: Audit, draft: Path, formats: tuple[str, ...], progress: Progress) -> None:
    (draft / PAGE).write_bytes(page(audit, progress).encode())
    (draft / "audit.json").write_bytes(document.to_json(audit))
    (draft / "verdicts.csv").write_bytes(sheets.verdicts_csv(audit))
    (draft / "differences.csv").write_bytes(sheets.differences_csv(audit))
    for name in TABLES:
        parquet(getattr(audit, name), draft / f"{name}.parquet")
    if not formats:
        return
    (draft / "charts").mkdir()
    for family, task, name in chart_names(audit):
        if charts.panels(audit, family, task):
            spec = charts.task_chart(audit, family, task)
            for fmt in formats:
                (draft / "charts" / f"{name}.{fmt}").write_bytes(charts.render(spec, fmt))


def parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a table; the same table gives the same bytes."""
    try:
        # Fixed settings, so that a new default of the library does not change the bytes unseen.
        frame.write_parquet(
            path, compression="zstd", compression_level=3, statistics=False, row_group_size=512 * 512
        )
    except pl.exceptions.ComputeError as problem:
        # The library's word for a full disk.
        raise OSError(str(problem)) from None
