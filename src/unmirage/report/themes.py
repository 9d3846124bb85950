"""Colours and type of charts and page, light and dark. Which data is drawn, and where, is not said here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unmirage.errors import SettingsError

# The Vega-Lite that charts are written in.
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.4.1.json"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"

# Vermilion and blue stay apart for colour-blind readers and never share a panel, so grey print loses nothing.
# Text and marks have a contrast of 4.5 or more against their background.
PALETTES: dict[str, dict[str, str]] = {
    "light": {
        "paper": "#ffffff",
        "page": "#f6f7f9",
        "ink": "#1b1f24",
        "muted": "#59636e",
        "line": "#dfe3e8",
        "axis": "#a3acb6",
        "headline": "#b5400a",
        "companion": "#1261a0",
        "link": "#0b5cad",
        "smooth": "#1261a0",
        "artifact": "#7a3fa0",
        "limited": "#8a5a00",
        "break": "#b3261e",
        "open": "#59636e",
    },
    "dark": {
        "paper": "#16191d",
        "page": "#0e1013",
        "ink": "#e7eaee",
        "muted": "#a3acb6",
        "line": "#2c3238",
        "axis": "#5c6670",
        "headline": "#ff9a5e",
        "companion": "#74b8ff",
        "link": "#7fbcff",
        "smooth": "#74b8ff",
        "artifact": "#cfa2f0",
        "limited": "#e8b64c",
        "break": "#ff8a80",
        "open": "#a3acb6",
    },
}

# Of categories, in order; those that matter least are the palest.
CATEGORIES = ("line", "axis", "limited", "artifact", "break", "smooth")

# The colour of a verdict's badge: its name in PALETTES.
TONES = {
    "smooth": "smooth",
    "metric-artifact": "artifact",
    "resolution-limited": "limited",
    "robust-break": "break",
    "cannot-tell": "open",
    "insufficient": "open",
}


def theme(name: str) -> dict[str, Any]:
    """The Vega-Lite config of a theme, "light" or "dark"; a chart's own definition holds no colour.

    Raises
    ------
    SettingsError
        No such theme.
    """
    if name not in PALETTES:
        raise SettingsError(
            f"there is no theme {name!r}", where="theme", hint=f"Use {' or '.join(PALETTES)}."
        )
    return _config(PALETTES[name])


def page_theme() -> dict[str, Any]:
    """The config for the page: colours are its CSS variables, so a drawn chart follows the colour scheme."""
    return _config({name: f"var(--{name})" for name in PALETTES["light"]})


def _config(colours: Mapping[str, str]) -> dict[str, Any]:
    text = {"font": FONT, "color": colours["ink"]}
    roles: dict[str, dict[str, Any]] = {}
    for role in ("headline", "companion"):
        own = colours[role]
        roles[f"{role}-line"] = {"color": own, "strokeWidth": 2, "opacity": 0.9}
        roles[f"{role}-interval"] = {"color": own, "strokeWidth": 1.25, "opacity": 0.75}
        roles[f"{role}-point"] = {"color": own, "size": 46, "opacity": 1}
        roles[f"{role}-hollow"] = {
            "color": colours["paper"],
            "fill": colours["paper"],
            "stroke": own,
            "strokeWidth": 1.75,
            "size": 46,
            "opacity": 1,
        }
        roles[f"{role}-box"] = {"color": own, "opacity": 0.45}
        roles[f"{role}-tick"] = {"color": own, "opacity": 1}
        roles[f"{role}-dot"] = {"color": own, "filled": True, "size": 14, "opacity": 0.8}
    return {
        "font": FONT,
        "background": colours["paper"],
        "padding": 10,
        "view": {"stroke": None},
        "concat": {"spacing": 22},
        "range": {"category": [colours[name] for name in CATEGORIES]},
        "legend": {"labelColor": colours["ink"], "labelFont": FONT, "labelFontSize": 12},
        "axis": {
            "labelColor": colours["muted"],
            "titleColor": colours["ink"],
            "labelFont": FONT,
            "titleFont": FONT,
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "gridColor": colours["line"],
            "domainColor": colours["axis"],
            "tickColor": colours["axis"],
            "tickSize": 4,
            "labelPadding": 4,
        },
        "axisX": {"grid": False, "titlePadding": 8},
        "axisY": {"domain": False, "ticks": False, "tickCount": 5, "titleFontWeight": 600},
        "title": {
            "font": FONT,
            "color": colours["ink"],
            "fontSize": 14,
            "fontWeight": 600,
            "subtitleFont": FONT,
            "subtitleColor": colours["muted"],
            "subtitleFontSize": 12,
            "subtitlePadding": 4,
            "anchor": "start",
            "offset": 14,
        },
        "style": {
            **roles,
            "fit-line": {
                "color": colours["muted"],
                "strokeWidth": 2.5,
                "strokeDash": [10, 4],
                "opacity": 0.7,
            },
            "chance-line": {"color": colours["muted"], "strokeWidth": 1.25, "strokeDash": [6, 4]},
            "floor-line": {"color": colours["muted"], "strokeWidth": 1.25, "strokeDash": [1.5, 3]},
            "line-label": {**text, "color": colours["muted"], "fontSize": 10.5},
        },
    }
