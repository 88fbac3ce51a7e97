"""Both edges of every measure, from one table that the docs quote: tests/spec/measures_edges.csv.

`days` is a student's year: p present, a absent, e absent and excused, h half a day absent (excused), s suspended out of
school, i in school, t tardy, x not expected, - planned but not yet held; a number in front repeats it.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import panel_world as pw

from evalkit import measures, panel
from evalkit.measures import MEASURES

HERE = Path(__file__).parent
ROWS = list(csv.DictReader((HERE / "measures_edges.csv").open(encoding="utf-8")))
CODE = {"a": "AU", "e": "AE", "h": "HD", "s": "OSS", "i": "ISS", "t": "T", "x": "SNE"}
DOCS = HERE.parents[1] / "docs" / "measures"


def study_of(days: str, rules: str) -> pw.World:
    marks = "".join(letter * int(count or 1) for count, letter in re.findall(r"(\d*)([paehsitx-])", days))
    dates = pd.bdate_range("2025-09-01", periods=len(marks))
    held = marks.rstrip("-")
    events = [("a", "S1", when, CODE[m]) for when, m in zip(dates, held, strict=False) if m in CODE]
    return pw.world(events, days=pw.calendar(n=len(marks)), rules=options(rules), as_of=dates[len(held) - 1])


def options(text: str) -> dict:
    pairs = dict(part.split("=") for part in text.split(";") if part)
    kinds = {"inclusive": lambda v: v == "true", "early_warning": lambda v: (v,),
             **dict.fromkeys(("oss_counts", "iss_counts"), lambda v: v == "true"), "tardy_counts": float}
    return {key: kinds.get(key, int)(value) for key, value in pairs.items()}


def student(study):
    return measures.add_rates(panel.student_panel(study), rules=study.rules)


def shown(frame, column):
    return str(frame[column].iloc[0]) if len(frame) and pd.notna(frame[column].iloc[0]) else "missing"


def day_number(study, when) -> int:
    days = panel.school_days(study)
    return int(days.loc[days["date"] == when, "day_number"].iloc[0])


def early_warning(study):
    flags = measures.early_warning(study)
    return f"{flags['flag'][0]} on day {day_number(study, flags['flagged_on'][0])}" if len(flags) else "none"


def first_crossing(study):
    crossed = measures.first_crossing(study)
    return f"day {day_number(study, crossed['crossed_on'][0])}" if len(crossed) else "none"


def streaks(study):
    row = measures.streaks(study).iloc[0]
    flags = f"{' flag 3' * bool(row['has_3_plus'])}{' flag 10' * bool(row['has_10_plus'])}"
    return f"current {row['current_streak']} longest {row['longest_streak']}{flags}"


def momentum(study):
    rows = measures.momentum(study)
    if rows.empty:
        return "none"
    return "gaining" if rows["is_gaining"][0] else "losing" if rows["is_losing"][0] else "same"


def in_the_year(name):
    """An outcome of a plan over a window that holds the whole year."""
    def found(study):
        year = pd.DataFrame({"student_id": ["a"], "start": [pd.Timestamp("2025-09-01")],
                             "end": [pd.Timestamp(study.as_of)]})
        counted = measures.count_outcome(study, name, panel.window_panel(study, year))
        return shown(counted.to_frame(), name)
    return found


FOUND = {
    "is_chronic": lambda s: shown(student(s), "is_chronic"),
    "band": lambda s: shown(student(s), "band"),
    "absence_rate": lambda s: shown(student(s), "absence_rate"),
    "ada": lambda s: str(measures.ada(student(s))),
    "early_warning": early_warning,
    "first_crossing": first_crossing,
    "streaks": streaks,
    "momentum": momentum,
    "days_left": lambda s: str(measures.days_left(s)["days_left"][0]),
    "recent_window": lambda s: shown(measures.recent_window(s), "absent_days"),
    **{name: in_the_year(name) for name in ("is_severe", "is_satisfactory", "absent_days", "excused_days",
                                            "unexcused_days", "suspended_days", "tardy_days")},
}


@pytest.mark.parametrize("row", ROWS, ids=[f"{r['measure']}: {r['edge']}" for r in ROWS])
def test_edge(row):
    assert FOUND[row["measure"]](study_of(row["days"], row["rules"])) == row["expect"]


@pytest.mark.parametrize("measure", sorted(set(MEASURES)))
def test_every_measure_has_a_page_and_the_page_quotes_its_edges(measure):
    text = (DOCS / f"{measure}.md").read_text(encoding="utf-8")
    for heading in ("## Formula", "## Edges", "## Source", "## Example"):
        assert heading in text
    for row in (r for r in ROWS if r["measure"] == measure):
        assert f"| {row['edge']} | `{row['days']}` | {row['rules'] or 'default'} | {row['expect']} |" in text


def test_the_table_holds_two_edges_of_each_day_measure():
    counts = pd.Series([row["measure"] for row in ROWS]).value_counts()
    assert set(counts.index) == set(FOUND) and counts.min() >= 2
