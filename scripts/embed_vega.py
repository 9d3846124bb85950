"""Make the script that draws the charts of a page, Vega with Vega-Lite and Vega-Embed, from vl-convert.

With the packages for their licences (npm install vega vega-lite vega-embed):

    python scripts/embed_vega.py NODE_MODULES src/unmirage/report

vl-convert puts the three together and shortens them, which takes more than a second and gives the same text
each time; so it is done once. What stands in a page must not end its script element.
"""

import sys
from pathlib import Path

import vl_convert

# What a page needs of the packages; the others are for command lines and for reading files.
OTHERS = {
    "delaunator",
    "fast-json-patch",
    "internmap",
    "json-stringify-pretty-compact",
    "robust-predicates",
    "semver",
    "topojson-client",
    "tslib",
}
HEAD = "vega.js holds parts of these packages, by scripts/embed_vega.py; their licences follow."


def script() -> str:
    """The bundle, with `window.vegaEmbed`.

    Inside a script element only "</script" and "<!--" are special; within the strings of JavaScript a
    backslash changes neither. A lone carriage return would be changed by the browser and break the hash of
    the page's policy.
    """
    bundle = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--").replace("\r", "\n")


def licences(modules: Path) -> str:
    """The licences of the packages in the bundle, those with the same text together."""
    texts: dict[str, list[str]] = {}
    for package in sorted(modules.iterdir()):
        if not (package.name in OTHERS or package.name.startswith(("vega", "d3-"))):
            continue
        [licence] = (path for path in package.iterdir() if path.name.startswith("LICENSE"))
        texts.setdefault(licence.read_text().strip(), []).append(package.name)
    parts = [f"{', '.join(names)}\n\n{text}\n" for text, names in texts.items()]
    return f"{HEAD}\n\n" + f"\n{'-' * 80}\n\n".join(parts)


def main(modules: Path, target: Path) -> None:
    """Write `vega.js` and `vega-licences.txt` to `target`."""
    (target / "vega-licences.txt").write_text(licences(modules), encoding="utf-8")
    (target / "vega.js").write_text(script(), encoding="utf-8", newline="")
    print(f"Vega {vl_convert.get_vega_version()}, {(target / 'vega.js').stat().st_size / 1e3:,.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
