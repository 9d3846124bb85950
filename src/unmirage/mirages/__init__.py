"""Mirages made to order: the metrics that would make a smooth family jump, searched, shown and judged.

`induce` is the main path, `search` tries thresholds and groups, `groups` makes items of groups, `found` is
what comes out; `words`, `charts` and `files` show it.
"""
