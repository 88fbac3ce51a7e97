"""Matching speed: 1:3, caliper, exact school x grade, balance included, against a plain numpy floor in the same run.

python benchmarks/matching.py [SIZES ...] [--write]   (default 10000 100000; --write updates the page speed.md)

The floor fits the same logit by Newton steps and matches greedily on arrays, with nothing checked, described or
balanced; its pairs must be ours. MatchIt 4.7.2 is not run: its recorded seconds are printed as recorded, with the
ratio that was measured beside it on another machine.
"""

from __future__ import annotations

import argparse
import ast
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.comparison import choose_comparison
from evalkit.files import write_text

COVARIATES = ["prior_absence_rate", "pre_absence_rate", "english_learner", "disability_idea", "econ_disadvantaged",
              "prior_score"]
RECORDED = {10_000: (0.26, 0.25, 0.01), 100_000: (3.1, 6.9, 0.08)}
"""MatchIt's matchit() and summary() seconds and the numpy floor beside them, as the project recorded them."""


def made_students(n: int, seed: int = 20260) -> pd.DataFrame:
    """About 5 % treated, 500 students a school, 4 grades, a real propensity."""
    rng = np.random.default_rng(seed)
    prior, pre = rng.beta(1.3, 12, n), rng.beta(1.3, 12, n)
    frame = pd.DataFrame({
        "student_id": [f"{i:07d}" for i in rng.permutation(n)],
        "school_id": pd.Categorical.from_codes(rng.integers(0, max(4, n // 500), n),
                                               [f"S{i:04d}" for i in range(max(4, n // 500))]).astype("str"),
        "grade_level": rng.choice(["06", "07", "08", "09"], n), "prior_absence_rate": prior, "pre_absence_rate": pre,
        "english_learner": rng.random(n) < 0.2, "disability_idea": rng.random(n) < 0.15,
        "econ_disadvantaged": rng.random(n) < 0.5, "prior_score": rng.normal(500, 38, n)})
    chance = 1 / (1 + np.exp(4.2 - 5 * prior - 5 * pre - 0.3 * frame["econ_disadvantaged"]))
    return frame.assign(treated=rng.random(n) < chance)


def ours(frame: pd.DataFrame):
    return choose_comparison(frame.rename(columns={"treated": "mentored"}), treated="mentored", covariates=COVARIATES,
                             distance="logit", exact=["school_id", "grade_level"], ratio=3, caliper=0.2)


def floor(frame: pd.DataFrame) -> set[tuple[int, int]]:
    """Logit and greedy 1:3 matching on arrays, nothing else."""
    x = np.column_stack([np.ones(len(frame)), frame[COVARIATES].to_numpy(float)])
    x[:, 1:] = (x[:, 1:] - x[:, 1:].mean(0)) / x[:, 1:].std(0)
    t = frame["treated"].to_numpy()
    beta = np.zeros(x.shape[1])
    for _ in range(9):
        p = 1 / (1 + np.exp(-x @ beta))
        beta += np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x, x.T @ (t - p))
    score = x @ beta
    width = 0.2 * score.std(ddof=1)
    stratum = pd.factorize(frame["school_id"])[0] * 64 + pd.factorize(frame["grade_level"])[0]
    return _floor_greedy(score, stratum, t, width)


def _floor_greedy(score: np.ndarray, stratum: np.ndarray, t: np.ndarray, width: float) -> set[tuple[int, int]]:
    c, m = np.flatnonzero(~t), np.flatnonzero(t)
    c = c[np.lexsort((score[c], stratum[c]))]
    m = m[np.argsort(-score[m], kind="stable")]
    span = score.max() - score.min() + 1
    key = stratum * span * 4 + (score - score.min())  # strata far apart on one line: a caliper never crosses
    at = np.searchsorted(key[c], key[m], "right").tolist()
    line, mine, n = key[c].tolist(), key[m].tolist(), len(c)
    left, right = list(range(-1, n)), list(range(n + 1))

    def down(i: int) -> int:
        j = i + 1
        while left[j] != j - 1:
            left[j] = k = left[left[j] + 1]
            j = k + 1
        return j - 1

    def up(i: int) -> int:
        while right[i] != i:
            right[i] = i = right[right[i]]
        return i

    pairs, waiting = set(), range(len(m))
    for _ in range(3):
        again = []
        for i in waiting:
            a, b = down(at[i] - 1), up(at[i])
            below = mine[i] - line[a] if a >= 0 else np.inf
            above = line[b] - mine[i] if b < n else np.inf
            j = a if below <= above else b
            if min(below, above) <= width:
                left[j + 1], right[j] = j - 1, j + 1
                pairs.add((int(m[i]), int(c[j])))
                again.append(i)
        waiting = again
    return pairs


def timed(function, frame: pd.DataFrame, repeats: int) -> tuple[float, object]:
    """Median processor seconds (not the clock's: other work on the machine must not count) and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = function(frame)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), result


def measure(n: int) -> dict[str, float]:
    """One size in this process: medians of repeated runs."""
    frame = made_students(n)
    repeats = 5 if n <= 100_000 else 3
    floor_s, expected = timed(floor, frame, repeats)
    ours_s, made = timed(ours, frame, repeats)
    found = set(zip(made.pairs["treated_row"].tolist(), made.pairs["partner_row"].tolist(), strict=True))
    return {"n": n, "treated": int(frame["treated"].sum()), "ours": ours_s, "floor": floor_s,
            "same": len(found & expected), "pairs": len(expected), "peak_gb": peak_gb()}


def peak_gb() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    scale = 1e9 if sys.platform == "darwin" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def table(rows: list[dict[str, float]]) -> str:
    heads = ("students", "treated", "evalkit, balance included", "numpy floor, no balance", "ratio", "peak memory",
             "pairs as the floor", "MatchIt 4.7.2 (recorded elsewhere)")
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|---|---|---|---|---|"]
    for r in rows:
        stored = RECORDED.get(int(r["n"]))
        said = (f"{stored[0]} s + {stored[1]} s balance beside a floor of {stored[2]} s" if stored
                else "not finished in 300 s")
        lines.append(f"| {r['n']:,} | {r['treated']:,} | {r['ours']:.2f} s | {r['floor']:.2f} s | "
                     f"{r['ours'] / r['floor']:.1f} | {r['peak_gb']:.2f} GB | {r['same']:,} of {r['pairs']:,} | "
                     f"{said} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", action="store_true", help="one size, as a row for the parent process")
    given = parser.parse_args()
    if given.one:
        print(measure(given.sizes[0]))
        return
    rows = []
    for n in given.sizes:  # a process each, so that peak memory is of that size alone
        out = subprocess.run([sys.executable, __file__, str(n), "--one"], capture_output=True, text=True, check=True,
                             env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
        rows.append(ast.literal_eval(out.stdout.strip().splitlines()[-1].replace("nan", "None")))
    print(table(rows))
    if given.write:
        page = Path(__file__).parents[1] / "docs" / "methods" / "comparison" / "speed.md"
        head = page.read_text(encoding="utf-8").split("<!-- measured -->")[0]
        write_text(page, head + "<!-- measured -->\n" + table(rows) + "\n")


if __name__ == "__main__":
    main()
