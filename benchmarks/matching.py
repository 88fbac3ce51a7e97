"""Matching speed: 1:3, caliper, exact school x grade, balance included, against a plain numpy floor in the same run.

python benchmarks/matching.py [SIZES ...] [--write]   (default 10000 100000; --write updates the page speed.md)

The floor fits the same logit by Newton steps and matches greedily on arrays, with nothing checked, described or
balanced; its pairs must be ours. MatchIt runs beside it on the same rows (matchit and its summary, the balance table)
where Rscript and the package are at hand, up to --peer-most students; otherwise its recorded ratio is printed, and
said to be recorded.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
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
RATIO = {10_000: 32, 100_000: 89}
"""How many times evalkit's processor seconds MatchIt 4.7.2 took, balance included, when both were last run together."""
PEER = """
suppressMessages(library(MatchIt))
given <- commandArgs(TRUE)
d <- read.csv(given[1], colClasses = c(student_id = "character", school_id = "character", grade_level = "character"))
for (n in c("english_learner", "disability_idea", "econ_disadvantaged")) d[[n]] <- as.integer(d[[n]] == "True")
d$treated <- as.integer(d$treated == "True")
rownames(d) <- seq_len(nrow(d)) - 1
start <- proc.time()
m <- suppressWarnings(matchit(treated ~ prior_absence_rate + pre_absence_rate + english_learner + disability_idea +
  econ_disadvantaged + prior_score, data = d, method = "nearest", distance = "glm", link = "linear.logit",
  caliper = .2, exact = ~ school_id + grade_level, ratio = 3))
matched <- proc.time()
balance <- summary(m)
done <- proc.time()
mm <- m$match.matrix
pairs <- data.frame(t = rep(rownames(mm), ncol(mm)), c = as.vector(mm))
write.csv(pairs[!is.na(pairs$c), ], given[2], row.names = FALSE)
cat(sum((matched - start)[1:2]), sum((done - matched)[1:2]), as.character(packageVersion("MatchIt")))
"""


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


def measure_peer(n: int) -> dict[str, object] | None:
    """MatchIt on the same rows in a process of its own; None where it cannot be run."""
    if shutil.which("Rscript") is None:
        return None
    frame = made_students(n)
    made = ours(frame)
    mine = set(zip(made.pairs["treated_row"].tolist(), made.pairs["partner_row"].tolist(), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        rows, pairs = Path(folder) / "rows.csv", Path(folder) / "pairs.csv"
        frame.to_csv(rows, index=False)
        done = subprocess.run(["Rscript", "-e", PEER, str(rows), str(pairs)], capture_output=True, text=True,
                              check=False)
        if done.returncode:
            return None
        theirs = pd.read_csv(pairs)
    match, balance, version = done.stdout.split()
    found = set(zip(theirs["t"].tolist(), theirs["c"].tolist(), strict=True))
    return {"match": float(match), "balance": float(balance), "version": version, "same": len(mine & found),
            "pairs": len(found), "peak_gb": peak_gb(children=True)}


def peak_gb(*, children: bool = False) -> float:
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    scale = 1e9 if sys.platform == "darwin" else 1e6
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss / scale


def table(rows: list[dict[str, float]], peers: dict[int, dict[str, object]]) -> str:
    heads = ("students", "treated", "evalkit, balance included", "numpy floor, no balance", "ratio", "peak memory",
             "pairs as the floor", "MatchIt")
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|---|---|---|---|---|"]
    for r in rows:
        said = peer_said(int(r["n"]), r["ours"], peers.get(int(r["n"])))
        lines.append(f"| {r['n']:,} | {r['treated']:,} | {r['ours']:.2f} s | {r['floor']:.2f} s | "
                     f"{r['ours'] / r['floor']:.1f} | {r['peak_gb']:.2f} GB | {r['same']:,} of {r['pairs']:,} | "
                     f"{said} |")
    return "\n".join(lines)


def peer_said(n: int, ours_s: float, peer: dict[str, object] | None) -> str:
    """What MatchIt took in this run, else what was recorded for it."""
    if peer is None:
        stored = RECORDED.get(n)
        if stored is None:
            return "not run here; recorded: not finished in 300 s"
        return (f"not run here; recorded: {RATIO[n]} times evalkit (elsewhere {stored[0]} s + {stored[1]} s balance "
                f"beside a floor of {stored[2]} s)")
    total = float(str(peer["match"])) + float(str(peer["balance"]))
    return (f"{peer['version']} in this run: {peer['match']:.1f} s + {peer['balance']:.1f} s balance, "
            f"{total / ours_s:.0f} times evalkit; {peer['peak_gb']:.2f} GB; "
            f"{peer['same']:,} of {peer['pairs']:,} pairs the same")


def alone(n: int, who: str) -> dict:
    """A process of its own, so that peak memory is of that size alone."""
    out = subprocess.run([sys.executable, __file__, str(n), "--one", who], capture_output=True, text=True, check=True,
                         env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    return ast.literal_eval(out.stdout.strip().splitlines()[-1].replace("nan", "None"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--peer-most", type=int, default=100_000, help="largest size MatchIt is run at")
    parser.add_argument("--one", choices=["ours", "peer"], help="one size, as a row for the parent process")
    given = parser.parse_args()
    if given.one:
        print((measure if given.one == "ours" else measure_peer)(given.sizes[0]))
        return
    rows = [alone(n, "ours") for n in given.sizes]
    found = {n: alone(n, "peer") for n in given.sizes if n <= given.peer_most}
    made = table(rows, {n: peer for n, peer in found.items() if peer})
    print(made)
    if given.write:
        page = Path(__file__).parents[1] / "docs" / "methods" / "comparison" / "speed.md"
        head = page.read_text(encoding="utf-8").split("<!-- measured -->")[0]
        write_text(page, head + "<!-- measured -->\n" + made + "\n")


if __name__ == "__main__":
    main()
