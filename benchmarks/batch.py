"""CPU seconds a school of `evalkit batch monthly_review`, in districts of many small schools: does it grow with them?

    python benchmarks/batch.py --schools 40 160 --made 4

A simulated district of 30 students a school; one process makes the reviews of `--made` schools. The first school pays
for reading the study (and is told apart); a school after it should cost the same however many schools there are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from evalkit import batch
from evalkit.simulate import simulate_district, write_study

MONTH = "2025-11"


def measure(folder: Path, schools: int, made: int) -> str:
    """A row: schools, CPU seconds of the first school, mean of the others, and what 1,600 would take at that rate."""
    study = folder / f"schools{schools}"
    write_study(study, simulate_district(n_students=30 * schools, n_schools=schools, effect_days=-4, seed=7))
    seconds = []
    for school in _ids(study)[:made]:
        begun = time.process_time()
        outcome = batch.make_school("monthly_review", str(study), {"month": MONTH}, str(folder / "out"), school)
        assert outcome.state == batch.MADE, outcome.problem
        seconds.append(time.process_time() - begun)
    rest = sum(seconds[1:]) / len(seconds[1:])
    return f"| {schools} | {30 * schools:,} | {seconds[0]:.1f} | {rest:.1f} | {1600 * rest / 3600:.1f} h |"


def _ids(study: Path) -> list[str]:
    lines = (study / "school.csv").read_text(encoding="utf-8").splitlines()
    return sorted(line.split(",")[lines[0].split(",").index("school_id")].strip('"') for line in lines[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schools", type=int, nargs="+", default=[40, 160])
    parser.add_argument("--made", type=int, default=4)
    asked = parser.parse_args()
    print("| schools | students | first school, CPU s | each further school, CPU s | 1,600 schools at that rate |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for schools in asked.schools:
            print(measure(Path(place), schools, asked.made), flush=True)


if __name__ == "__main__":
    main()
