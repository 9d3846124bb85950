"""Pages: one file that works offline, in light and dark, on a phone and on paper.

The templates and their style and script lie beside this module. Every name and text of a log goes through the
template's escaping; chart definitions are JSON blocks in which "<" cannot occur, and no script runs but the
two whose hashes the page's own policy lists.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
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
    scripts = [_library(), (_HERE / "page.js").read_text(encoding="utf-8")]
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


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script."""
    import vl_convert

    # Inside a script element only "</script" and "<!--" are special; within the strings of JavaScript a
    # backslash changes neither. A lone carriage return would be changed by the browser and break the hash of
    # the policy.
    bundle = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--").replace("\r", "\n")


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
