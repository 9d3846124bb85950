"""Which metrics the rows of a task allow where they are not in memory together; nothing is computed.

The same for rows in memory is `scoring.available`.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from unmirage.metrics.cards import Metric
from unmirage.metrics.inputs import Gap, gap, together
from unmirage.metrics.registry import REGISTRY
from unmirage.metrics.scoring import _GROUPS, _kinds, _main_group, _wanted


def available_in(frames: Iterable[pl.DataFrame]) -> tuple[list[str], list[str], dict[str, str]]:
    """Which metrics the rows of one family's task allow, as `scoring.available` says it.

    A recorded score is taken for a metric of ours where the values of the model allow it.

    Parameters: frames, each with all rows of a model.
    """
    can: dict[str, None] = {}
    gaps: dict[str, list[Gap]] = {}
    group: dict[str, str] = {}
    main: set[str | None] = set()
    for frame in frames:
        main.add(_main_group(frame))
        groups = {name for kind in _kinds(frame) for name in _GROUPS[kind]}
        wanted = [one for _, one in _wanted(frame, None) if isinstance(one, Metric)]
        wanted += [one for one in REGISTRY.values() if one.combine is not None and one.card.group in groups]
        for one in wanted:
            name = one.card.name
            group[name] = one.card.group
            found = gap(one, frame)
            if found is None:
                can.setdefault(name)
            else:
                gaps.setdefault(name, []).append(found)
    worth = main.pop() if len(main) == 1 else None
    cannot = {
        name: str(together(found)) for name, found in gaps.items() if name not in can and group[name] == worth
    }
    return list(can), [name for name in can if name in gaps], cannot
