"""How often planted patterns are found, by size of the district. Slow: run by hand, the table stands in
docs/methods/patterns.md.

    nice .venv/bin/python tests/simulation/patterns_power.py OUT.csv [n_districts] [first_seed]

Each district holds every planted pattern of `simulate.PATTERNS`, one subgroup (one grade within one zip stays
away on Wednesdays, x 2.5) and the decoy route. A line per district and planted pattern: searched, found (a finding),
alone (and no stronger finding explains it), q.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from patterns_null import frames

from evalkit.patterns import n_searched, search_grid
from evalkit.patterns.cells import cell_members
from evalkit.simulate import PATTERNS, simulate_district

SIZES = ((600, 3), (1_200, 6), (2_400, 6), (6_000, 8))


def plant_cell(grid, *, seed: int, times: float = 2.5):
    """The grid with one subgroup (the largest of grade and zip) absent `times` as often on Wednesdays, and its name."""
    cells = {name: rows for name, rows in cell_members(grid).items() if name.startswith("grade") and "zip5" in name}
    if not cells:
        return grid, ""
    name = max(cells, key=lambda key: len(cells[key]))
    rows, days = cells[name], np.flatnonzero(grid.dates.day_name() == "Wednesday")
    there = np.ix_(rows, days)
    extra = (times - 1) * grid.absent[rows].sum() / max(grid.enrolled[rows].sum(), 1)
    absent = grid.absent.copy()
    draw = np.random.default_rng(seed).random((len(rows), len(days))) < extra
    absent[there] |= draw & grid.enrolled[there]
    return replace(grid, absent=absent), name


def one(seed: int, n_students: int, n_schools: int) -> list[tuple]:
    district = simulate_district(
        n_students=n_students, n_schools=n_schools, seed=seed, planted=PATTERNS, records=False, history=False
    )
    grid, absences, periods = frames(district)
    grid, cell = plant_cell(grid, seed=seed)
    table = search_grid(grid, absences, periods, seed=seed)
    rows = [(t["kind"], t["group"], t["pattern"]) for t in district.truth.planted]
    rows += [("cell", cell, "weekday=Wednesday")] if cell else []
    return [(n_students, seed, kind, pattern, *_found(table, kind, group, pattern)) for kind, group, pattern in rows]


def _found(table, kind: str, group: str, pattern: str) -> tuple:
    row = table[table["group"].eq(group) & table["kind"].isin(["shared", "calendar"] if kind == "decoy" else KINDS)]
    row = row if kind == "decoy" else row[row["pattern"].eq(pattern)]
    sure = row[row["is_finding"]]
    own = sure[sure["explained_by"].eq("")]
    return n_searched(table), int(len(sure) > 0), int(len(own) > 0), f"{row['q_value'].min():.3g}"


KINDS = ["reasons", "calendar", "shared", "runs"]


def main(out: str, n: int = 12, first: int = 4_000) -> None:
    path = Path(out)
    if not path.exists():
        path.write_text("n_students,seed,kind,pattern,searched,found,alone,q\n", encoding="utf-8")
    for seed in range(first, first + n):
        for size, schools in SIZES:
            with path.open("a", encoding="utf-8") as file:
                file.writelines(",".join(map(str, row)) + "\n" for row in one(seed, size, schools))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
