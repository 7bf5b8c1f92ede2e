"""Puts the libraries that npm fetched where the viewer serves them: `make setup` runs this file."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import zopfli.gzip

_HERE = Path(__file__).parent
_FROM, _TO = _HERE / "node_modules", _HERE / "static" / "vendor"
_SOURCE_MAP = re.compile(r"\n//# sourceMappingURL=\S*\s*$")  # which is not served

# uPlot has no module that is minified: its script sets a variable, which is what the module exports.
_SCRIPTS = {
    "hls.mjs": ("hls.js/dist/hls.min.mjs", ""),
    "hls.light.mjs": ("hls.js/dist/hls.light.min.mjs", ""),
    "uplot.mjs": ("uplot/dist/uPlot.iife.min.js", "export default uPlot;\n"),
}
_COPIES = {
    "hls.LICENSE": "hls.js/LICENSE",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "uplot.LICENSE": "uplot/LICENSE",
}
_TYPES = {
    **dict.fromkeys(("hls.d.mts", "hls.light.d.mts"), 'export * from "hls.js";\nexport { default } from "hls.js";\n'),
    "uplot.d.mts": 'import uPlot from "uplot";\nexport default uPlot;\n',
}


def main() -> None:
    shutil.rmtree(_TO, ignore_errors=True)
    _TO.mkdir(parents=True)
    for name, (source, more) in _SCRIPTS.items():
        script = _SOURCE_MAP.sub("\n", (_FROM / source).read_text()) + more
        (_TO / name).write_text(script)
        # They are most of what a page is sent. zopfli takes seconds to save 4 % of what zlib's best level leaves.
        (_TO / f"{name}.gz").write_bytes(zopfli.gzip.compress(script.encode()))
    for name, source in _COPIES.items():
        shutil.copyfile(_FROM / source, _TO / name)
    for name, text in _TYPES.items():
        (_TO / name).write_text(text)


if __name__ == "__main__":
    main()
