"""False findings in districts in which no group differs. Slow: run by hand, the table stands in
docs/methods/patterns.md.

    nice .venv/bin/python tests/simulation/patterns_null.py alike|outside|both OUT.csv [n_districts] [students]
    [schools] [seed]

Each district has the common weekday, month, holiday and storm profile, households, spells and students who miss much or
little, but no group differs (`alike`). A line per district: searched, the smallest q, findings by kind.
"""

from __future__ import annotations

import sys
from pathlib import Path

from outside_district import outside_frames

from evalkit.patterns import n_searched, search_grid
from evalkit.patterns.grid import make_grid
from evalkit.patterns.search import KINDS, missed_periods
from evalkit.simulate import simulate_district
from evalkit.simulate.settings import CODES


def frames(district, school_year: int = 2026):
    """What the panel would give: grid, absences and missed periods of the last complete day and before."""
    end, calendar = district["school"]["complete_through"].iloc[0], district["calendar"]
    start = f"{school_year - 1}-07-01"
    days = calendar[calendar["date"].between(start, end) & calendar["is_instructional"]]
    spans = district["enrollment"].query(f"school_year == '{school_year}' and exit_type != 'No show' and is_primary")
    spans = spans.rename(columns={"entry_date": "first_date", "exit_date": "last_date"})
    spans = spans.assign(last_date=spans["last_date"].fillna(end))
    event = district["attendance_event"]
    event = event[event["date"].between(start, end)]
    absences = event.assign(
        absent_units=event["code_local"].map(lambda c: CODES[c][2]),
        pattern=event["code_local"].map(lambda c: CODES[c][6]),
        is_tardy=event["code_local"].map(lambda c: bool(CODES[c][3])),
        month=event["date"].dt.strftime("%Y-%m"),
    )
    grid = make_grid(district["student"], spans, absences, days, calendar)
    return grid, absences, missed_periods(district["attendance_period"])


def one(seed: int, n_students: int, n_schools: int, **options):
    district = simulate_district(
        n_students=n_students, n_schools=n_schools, effect_days=0, seed=seed, records=False, history=False, **options
    )
    return search_grid(*frames(district), seed=seed), district


def line(kind: str, seed: int, n_students: int, n_schools: int) -> str:
    """One district of a kind: alike (`evalkit.simulate`) or outside (`outside_district`, nothing planted)."""
    if kind == "alike":
        table, _ = one(seed, n_students, n_schools, alike=True)
    else:
        found, _ = outside_frames(seed=seed, planted=(), n=n_students, n_schools=n_schools)
        table = search_grid(*found, seed=seed)
    sure = table[table["q_value"] < 0.05]
    counts = [int(sure["kind"].eq(name).sum()) for name in KINDS]
    cells = [kind, seed, n_students, n_searched(table), f"{table['q_value'].min():.4g}", int(len(sure) > 0), *counts]
    return ",".join(map(str, cells)) + "\n"


def main(kind: str, out: str, n: int = 500, n_students: int = 900, n_schools: int = 4, first: int = 1) -> None:
    path = Path(out)
    if not path.exists():
        path.write_text("district,seed,n_students,searched,min_q,any," + ",".join(KINDS) + "\n", encoding="utf-8")
    for seed in range(first, first + n):
        with path.open("a", encoding="utf-8") as file:
            file.write(line(kind if kind != "both" else ("alike", "outside")[seed % 2], seed, n_students, n_schools))


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
