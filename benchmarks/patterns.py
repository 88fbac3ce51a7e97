"""How long the search for patterns takes and what it needs, by size. Run: .venv/bin/python benchmarks/patterns.py [N
...]

Everything the notebook searches: patterns, subgroups, late mornings ("search"), and with the lists of students ("all").
Each size runs in a process of its own; the district is made first and its memory counted too (an upper bound).
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZES = (7_500, 15_000, 30_000, 60_000)


def one(n_students: int) -> None:
    import resource

    sys.path.insert(0, str(ROOT / "tests" / "simulation"))
    from patterns_null import frames

    from evalkit.patterns import n_searched, search_grid
    from evalkit.patterns.fading import fading_students, missed_by_student
    from evalkit.simulate import PATTERNS, simulate_district

    district = simulate_district(
        n_students=n_students,
        n_schools=max(6, n_students // 600),
        seed=1,
        planted=PATTERNS,
        records=False,
        history=False,
    )
    begin = time.perf_counter()
    grid, absences, periods = frames(district)
    built = time.perf_counter()
    cpu = time.process_time()
    table = search_grid(grid, absences, periods)
    searched = time.process_time() - cpu
    fading_students(grid)
    missed_by_student(grid, periods)
    end, cpu = time.perf_counter(), time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"| {n_students:,} | {len(grid.dates)} | {n_searched(table):,} | {built - begin:.1f} s | {end - built:.1f} s "
        f"| {searched:.1f} s | {cpu:.1f} s | {peak:.2f} GB |",
        flush=True,
    )


def main(sizes: list[int]) -> None:
    print(
        "| students | school days | searched | grid, wall | all, wall | search, CPU | all, CPU "
        "| peak memory, district included |\n|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    for size in sizes:
        subprocess.run([sys.executable, __file__, "--one", str(size)], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]))
    else:
        main([int(size) for size in sys.argv[1:]] or list(SIZES))
