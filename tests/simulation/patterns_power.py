"""How often planted patterns are found, by size of the district and of the effect. Slow: run by hand, the stored table
is tests/simulation/patterns_power.csv and stands in docs/methods/patterns.md (`patterns_tables.py`).

    nice .venv/bin/python tests/simulation/patterns_power.py OUT.csv [n_districts] [first_seed]

Each district (`outside_district`, made without the search's own simulator) holds all eight planted patterns, and bus
route R02 as the decoy that is noise. A line per district and pattern: searched, found (q < 0.05 as a finding of its
own).
"""

from __future__ import annotations

import sys
from pathlib import Path

from outside_district import outside_frames

from evalkit.patterns import n_searched, search_grid

SIZES = ((600, 2), (1_500, 3), (4_000, 6))
TIMES = (1.3, 1.6, 2.0)


def one(seed: int, n_students: int, n_schools: int, times: float) -> list[tuple]:
    found, truth = outside_frames(seed=seed, n=n_students, n_schools=n_schools, times=times)
    table = search_grid(*found, seed=seed)
    own = table[table["is_finding"] & table["explained_by"].eq("")]
    pairs = set(zip(own["kind"], own["group"], own["pattern"], strict=True))
    rows = [(n_students, times, seed, name, n_searched(table), int(which in pairs)) for name, which in truth.items()]
    decoy = int(own["group"].eq("bus_route=R02").any())
    return [*rows, (n_students, times, seed, "decoy", n_searched(table), decoy)]


def main(out: str, n: int = 12, first: int = 4_000) -> None:
    path = Path(out)
    if not path.exists():
        path.write_text("n_students,times,seed,planted,searched,found\n", encoding="utf-8")
    for seed in range(first, first + n):
        for times in TIMES:
            for size, schools in SIZES:
                with path.open("a", encoding="utf-8") as file:
                    file.writelines(",".join(map(str, row)) + "\n" for row in one(seed, size, schools, times))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
