"""Pages: one file that works offline, in light and dark, on a phone and on paper.

The templates and their style and scripts lie beside this module. `vega.js` is what draws the charts, as
`scripts/embed_vega.py` makes it; so a page is the same whatever is installed. Every name and text of a log
goes through the template's escaping; chart definitions are JSON blocks in which "<" cannot occur, and no
script runs but the two whose hashes the page's own policy lists.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from unmirage.report import themes
from unmirage.report.document import version

_HERE = Path(__file__).parent


def render(template: str, **context: Any) -> str:
    """A page from a template that extends `base.html.j2`; the same context gives the same text."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    scripts = [(_HERE / name).read_text(encoding="utf-8") for name in ("vega.js", "page.js")]
    return environment.get_template(template).render(
        version=version(),
        policy=_policy(scripts),
        scripts=scripts,
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        font=themes.FONT,
        palettes=themes.PALETTES,
        config=json_block(themes.page_theme()),
        **context,
    )


def _policy(scripts: list[str]) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def json_block(value: Any) -> str:
    """JSON for a script element: no character in it can end the element or start a comment."""
    plain = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
