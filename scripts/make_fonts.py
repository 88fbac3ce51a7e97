"""Make the shipped fonts from the npm package @uswds/uswds: 4 TTF, 3 subset WOFF2, and the table of letter widths.

Run once per font version: `python scripts/make_fonts.py PACKAGE_FOLDER` (the unpacked package). Needs fonttools[woff].
The subset keeps Latin with Vietnamese, the punctuation and signs of the house style, kerning and tabular figures.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parent.parent / "src" / "evalkit"
FONTS, WIDTHS = ROOT / "render" / "fonts", ROOT / "figures" / "widths.json"
SHIPPED = {"Regular": 400, "SemiBold": 600, "Bold": 700, "Italic": 400}
FEATURES = ["kern", "mark", "mkmk", "ccmp", "locl", "liga", "calt", "tnum", "lnum", "pnum"]


def main(package: Path) -> None:
    """Write fonts/ and figures/widths.json from the unpacked package."""
    source = package / "dist" / "fonts" / "public-sans"
    widths: dict[str, dict[str, int]] = {}
    for style, weight in SHIPPED.items():
        path = source / f"PublicSans-{style}.ttf"
        shutil.copyfile(path, FONTS / path.name)
        if style == "Italic":
            continue
        write_subset(path, FONTS / f"PublicSans-{style}.woff2")
        widths[str(weight)] = advances(path)
    WIDTHS.write_text(json.dumps(widths, ensure_ascii=False, sort_keys=True, separators=(",", ":")), encoding="utf-8")


def write_subset(path: Path, target: Path) -> None:
    """A WOFF2 of the letters in the font's own character map, without hinting and with few features."""
    options = subset.Options(flavor="woff2", layout_features=FEATURES, hinting=False, desubroutinize=True,
                             name_IDs=[0, 1, 2, 4, 13, 14, 16, 17], recalc_timestamp=False)
    font = subset.load_font(str(path), options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=list(font.getBestCmap()))
    cutter.subset(font)
    subset.save_font(font, str(target), options)


def advances(path: Path) -> dict[str, int]:
    """Letter -> advance width in thousandths of the font size."""
    font = TTFont(path)
    per_em, metrics = font["head"].unitsPerEm, font["hmtx"]
    return {chr(code): round(1000 * metrics[glyph][0] / per_em) for code, glyph in font.getBestCmap().items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
