"""Staggered starts, 50,000 students x 10 months, 999 draws clustered by school: evalkit against csdid and R's did.

    python benchmarks/staggered.py [--students 50000] [--repeat 3] [--peer PYTHON]

--peer: the python of an environment with csdid (kept out of ours: it would be a dependency for one table). Each run is
a process of its own on the same file; medians, wall and CPU seconds, peak memory above the data. R's did runs too where
Rscript and the package are at hand. What cannot be run is printed as recorded, and said to be.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

RECORDED = ("Recorded on other hardware (docs/methods): csdid 0.4.3 1.0 s unconditional, 0.9 s doubly robust, 0.54 to "
            "0.66 GB; R did 2.3.0 8.6 and 9.0 s.")

OURS = """
import json, resource, sys, time
import pandas as pd
from evalkit.estimators import estimate
rows = pd.read_csv(sys.argv[1])
import evalkit.estimators.callaway_santanna
floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
wall, cpu = time.perf_counter(), time.process_time()
found = estimate(rows, estimator="callaway_santanna", outcome="y", time="month", clustered_by="school_id",
                 covariates=sys.argv[2].split(",") if sys.argv[2] else [], standard_errors="bootstrap", draws=999)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"value": found.value, "error": found.standard_error, "wall": wall, "cpu": cpu,
                  "memory": (peak - floor) / 1e6}))
"""

THEIRS = """
import json, resource, sys, time
import numpy as np
import pandas as pd
from csdid.att_gt import ATTgt
rows = pd.read_csv(sys.argv[1])
rows["id"] = rows["student_id"].astype("category").cat.codes
rows["school"] = rows["school_id"].astype("category").cat.codes
formula = "y~" + (sys.argv[2].replace(",", "+") or "1")
floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
wall, cpu = time.perf_counter(), time.process_time()
model = ATTgt(yname="y", tname="month", idname="id", gname="first_treated", data=rows, control_group="nevertreated",
              xformla=formula, clustervar="school", cband=False, biters=999)
found = model.fit(est_method="dr", bstrap=True).aggte(typec="simple", bstrap=True, cband=False).atte
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"value": float(np.ravel(found["overall_att"])[0]),
                  "error": float(np.ravel(found["overall_se"])[0]), "wall": wall, "cpu": cpu,
                  "memory": (peak - floor) / 1e6}))
"""


R_DID = """
suppressMessages(library(did))
given <- commandArgs(TRUE)
d <- read.csv(given[1])
d$school <- as.integer(factor(d$school_id))
formula <- if (length(given) > 1) as.formula(paste("~", gsub(",", "+", given[2]))) else ~1
floor <- sum(gc(reset = TRUE)[, 6])
start <- proc.time()
m <- att_gt("y", "month", "student_id", "first_treated", xformla = formula, data = d, control_group = "nevertreated",
            est_method = "dr", clustervars = c("student_id", "school"), bstrap = TRUE, biters = 999, cband = FALSE)
z <- aggte(m, "simple", bstrap = TRUE, biters = 999, cband = FALSE)
used <- proc.time() - start
cat(sprintf('{"value": %.10f, "error": %.10f, "wall": %f, "cpu": %f, "memory": %f}', z$overall.att, z$overall.se,
            used[3], sum(used[c(1, 2, 4, 5)], na.rm = TRUE), (sum(gc()[, 6]) - floor) / 1000))
"""


def make_panel(n: int, seed: int = 20260) -> pd.DataFrame:
    """Students of 100 schools, five cohorts, an effect that grows, two covariates."""
    rng = np.random.default_rng(seed)
    school = rng.integers(0, 100, n)
    before, frl = rng.beta(2, 20, n), rng.integers(0, 2, n)
    first = rng.choice([0, 3, 4, 5, 6, 7], n, p=[0.75, 0.05, 0.05, 0.05, 0.05, 0.05])
    rows = pd.DataFrame({"student_id": np.repeat(np.arange(n), 10), "month": np.tile(np.arange(1, 11), n)})
    for name, values in (("school_id", school), ("first_treated", first), ("before", before), ("frl", frl)):
        rows[name] = np.repeat(values, 10)
    since = np.where((rows["first_treated"] > 0), np.maximum(rows["month"] - rows["first_treated"] + 1, 0), 0)
    noise = 0.05 * rng.standard_normal(len(rows)) + np.repeat(0.03 * rng.standard_normal(n), 10)
    rows["y"] = 0.05 + rows["before"] + 0.002 * rows["month"] - 0.004 * since + noise
    return rows


def has_did() -> bool:
    if shutil.which("Rscript") is None:
        return False
    return subprocess.run(["Rscript", "-e", "library(did)"], capture_output=True, check=False).returncode == 0


def timed(program: str, code: str, data: Path, covariates: str, repeat: int) -> dict[str, float]:
    """Medians over `repeat` processes."""
    runs = []
    switch = "-e" if program == "Rscript" else "-c"
    for _ in range(repeat):
        given = [str(data), *([covariates] if covariates or switch == "-c" else [])]
        done = subprocess.run([program, switch, code, *given], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        runs.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peer", default="")
    asked = parser.parse_args()
    with_did = has_did()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "panel.csv"
        make_panel(asked.students).to_csv(data, index=False)
        print(f"| {asked.students:,} x 10, 999 draws by school | att | se | wall s | CPU s | memory GB |")
        print("|---|---|---|---|---|---|")
        for kind, covariates in (("unconditional", ""), ("doubly robust", "before,frl")):
            found = {"evalkit": timed(sys.executable, OURS, data, covariates, asked.repeat)}
            if asked.peer:
                found["csdid"] = timed(asked.peer, THEIRS, data, covariates, asked.repeat)
            if with_did:
                found["R did"] = timed("Rscript", R_DID, data, covariates, asked.repeat)
            for name, one in found.items():
                print(f"| {name}, {kind} | {one['value']:.6f} | {one['error']:.6f} | {one['wall']:.2f} | "
                      f"{one['cpu']:.2f} | {one['memory']:.2f} |")
    print("All in this run, each process alone, medians." if asked.peer and with_did else RECORDED)


if __name__ == "__main__":
    main()
