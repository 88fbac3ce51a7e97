"""The measured tables of docs/methods/patterns.md, written from what is stored beside this file and from the labelled
notes.

    .venv/bin/python tests/simulation/patterns_tables.py

`tests/simulation/test_patterns_tables.py` compares the page with what this writes.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "methods" / "patterns.md"
sys.path.insert(0, str(HERE.parent / "spec"))


def wilson_words(k: int, n: int) -> str:
    from evalkit.patterns.voices import wilson

    low, high = wilson(k, n)
    return f"{k} of {n} ({100 * k / n:.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f})"


def null_block() -> str:
    rows = pd.read_csv(HERE / "patterns_null.csv")
    kinds = ["reasons", "calendar", "shared", "runs"]
    lines = ["| districts | students in each | things tested, median | any q < 0.05 | " + " | ".join(kinds) + " |"]
    lines.append("|---" * (4 + len(kinds)) + "|")
    for name, part in [*rows.groupby("district"), ("both", rows)]:
        by_kind = " | ".join(str(int((part[kind] > 0).sum())) for kind in kinds)
        searched = f"{int(part['searched'].median()):,}"
        any_ = wilson_words(int(part["any"].sum()), len(part))
        lines.append(f"| {name} | {part['n_students'].min()} | {searched} | {any_} | {by_kind} |")
    return "\n".join(lines)


def power_block() -> str:
    rows = pd.read_csv(HERE / "patterns_power.csv")
    sizes, times = sorted(rows["n_students"].unique()), sorted(rows["times"].unique())
    heads = [f"x {t:g}, {n:,}" for t in times for n in sizes]
    lines = ["| planted | " + " | ".join(heads) + " |", "|---" * (1 + len(heads)) + "|"]
    for name in rows["planted"].unique():
        cells = []
        for t in times:
            for n in sizes:
                own = rows[rows["planted"].eq(name) & rows["times"].eq(t) & rows["n_students"].eq(n)]
                cells.append(f"{own['found'].sum()}/{len(own)}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def notes_block() -> str:
    from test_patterns_notes import CORPUS, FRESH, SPLIT, halves, measure

    def read(path: Path) -> pd.DataFrame:
        return pd.read_csv(path, dtype=str, keep_default_na=False)

    def words(corpus: pd.DataFrame) -> str:
        total = measure(corpus)[["n_true", "n_said", "n_right"]].sum()
        precision, recall = total["n_right"] / total["n_said"], total["n_right"] / total["n_true"]
        return f"{len(corpus)} | {int(total['n_true'])} | {precision:.2f} | {recall:.2f}"

    open_, held = halves(read(SPLIT))
    sets = {"made notes, English": read(CORPUS)[lambda t: t["language"].eq("en")]}
    sets["made notes, Spanish"] = read(CORPUS)[lambda t: t["language"].eq("es")]
    sets |= {"hard notes, seen when the lists were made": pd.concat([read(FRESH), open_])}
    sets |= {"**hard notes held out**": held, "held out, English": held[held["language"].eq("en")]}
    sets["held out, Spanish"] = held[held["language"].eq("es")]
    lines = ["| notes | lines | labels | precision | recall |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {words(part)} |" for name, part in sets.items()]
    whole = measure(pd.concat([read(CORPUS), read(FRESH), read(SPLIT)]))
    lines += ["", "All of them, by pattern:", "", "| pattern | labels | precision | recall |", "|---|---|---|---|"]
    for row in whole[whole["n_true"] > 0].reset_index().itertuples():
        precision = f"{row.precision:.2f}" if row.n_said else "-"
        lines.append(f"| {row.pattern} | {row.n_true} | {precision} | {row.recall:.2f} |")
    return "\n".join(lines)


def page() -> str:
    """The page with its measured blocks as the stored rows make them."""
    text = PAGE.read_text(encoding="utf-8")
    for name, make in (("null", null_block), ("power", power_block), ("notes", notes_block)):
        block = f"<!-- measured: {name} -->\n{make()}\n<!-- end -->"
        text = re.sub(rf"<!-- measured: {name} -->.*?<!-- end -->", lambda _, b=block: b, text, flags=re.S)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
