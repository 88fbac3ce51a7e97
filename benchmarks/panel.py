"""Panel against DuckDB's bare scan of the same parquet file, in the same run. Ratios travel, seconds do not.

    python benchmarks/panel.py --days 1.1 --days 11.4 --repeat 3

Makes a seeded every-day file of about so many million student-days (string ids, dates, codes), then measures in child
processes, one at a time: the scan (read every column, one trivial aggregate each) and the panel (open_days + a row per
student and school and month), with the peak memory of each process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

N_DAYS, SEED = 180, 20260
CHILD_MARK = "RESULT "


def make_file(folder: Path, million: float, form: str) -> Path:
    """Write the event file: every student-day (form every_day) or only the absent ones (form exceptions)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"events_{form}_{million}.parquet"
    n_students, rng = round(million * 1e6 / N_DAYS), np.random.default_rng(SEED)
    dates = school_dates()
    with pq.ParquetWriter(path, pa.schema([("student_id", pa.string()), ("school_id", pa.string()),
                                           ("date", pa.timestamp("us")), ("code_local", pa.string())])) as writer:
        for first in range(0, n_students, 5_000):
            students = np.arange(first, min(first + 5_000, n_students))
            rate = rng.beta(1.2, 14, len(students))
            absent = rng.random((len(students), N_DAYS)) < rate[:, None]
            who, when = np.nonzero(absent if form == "exceptions" else np.ones_like(absent))
            order = rng.permutation(len(who))
            who, when = who[order], when[order]
            kind = np.where(absent[who, when], rng.integers(1, 3, len(who)), 0)
            writer.write_table(pa.table({
                "student_id": np.char.zfill(students.astype(str), 9)[who],
                "school_id": np.char.zfill((students // 500).astype(str), 4)[who], "date": dates[when],
                "code_local": np.array(["P", "AE", "AU"])[kind]}, schema=writer.schema))
    return path


def school_dates():
    import numpy as np
    import pandas as pd

    return pd.bdate_range("2025-08-25", periods=N_DAYS).to_numpy().astype("datetime64[us]").astype(np.dtype("<M8[us]"))


def make_study(path: Path, million: float):
    """A stand-in with the attributes of a Study: spans (4 % change school), a calendar per school, three codes."""
    import numpy as np
    import pandas as pd

    from evalkit.rules import Rules

    n = round(million * 1e6 / N_DAYS)
    ids = pd.Series(np.char.zfill(np.arange(n).astype(str), 9), dtype="str")
    schools = pd.Series(np.char.zfill((np.arange(n) // 500).astype(str), 4), dtype="str")
    spans = pd.DataFrame({"student_id": ids, "school_id": schools, "school_year": "2026",
                          "entry_date": pd.Timestamp("2025-08-25"), "exit_date": pd.NaT})
    names = sorted(schools.unique())
    calendar = pd.DataFrame({"school_id": np.repeat(names, N_DAYS), "date": np.tile(school_dates(), len(names)),
                             "is_instructional": True}).astype({"school_id": "str"})
    codes = pd.DataFrame({"code_local": ["P", "AE", "AU"], "status": ["Present", "ExcusedAbsence", "UnexcusedAbsence"],
                          "counts_absent_units": [0, 120_000, 120_000]}).astype({"code_local": "str", "status": "str"})

    class Stand:
        tables = {"attendance_event": path, "enrollment": spans, "calendar": calendar, "code_table": codes}  # noqa: RUF012
        rules, as_of, school_year = Rules(), pd.Timestamp("2026-06-30"), 2026
        complete_through = dict.fromkeys(names, pd.Timestamp("2026-06-30"))

    return Stand()


def peak_mb() -> float:
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(job: str, path: Path, million: float) -> None:
    """One measured job in this process; prints one line of JSON. Imports and the stand-in's tables are not timed: what
    a first call imports on its way is had by a panel of a few rows, and by a first query for the scan."""
    import duckdb

    from evalkit import panel

    study = make_study(path, million) if job != "scan" else None
    if study is None:
        duckdb.connect().execute("select 1").fetchone()
    else:
        with tempfile.TemporaryDirectory() as folder:
            run_panel(panel, make_study(make_file(Path(folder), 0.002, "every_day"), 0.002), job)
    began, cpu = time.perf_counter(), time.process_time()
    answer = bare_scan(path) if job == "scan" else run_panel(panel, study, job)
    print(CHILD_MARK + json.dumps({"seconds": time.perf_counter() - began, "peak_mb": peak_mb(),
                                    "cpu": time.process_time() - cpu, "answer": answer}))


def bare_scan(path: Path) -> list:
    """DuckDB reads every column once, one trivial aggregate on each (none that the file's statistics could answer)."""
    import duckdb

    sql = ("select count(*), sum(length(student_id)), sum(length(school_id)), sum(length(code_local)), sum(day(date)) "
           "from read_parquet(?)")
    return [str(value) for value in duckdb.connect().execute(sql, [str(path)]).fetchone()]


def run_panel(panel, study, engine: str) -> list:
    book = panel.open_days(study, engine=engine)
    students, months = panel.student_panel(study, book=book), panel.month_panel(study, book=book)
    return [len(students), len(months), int(months["enrolled_units"].sum()), int(months["absent_units"].sum())]


def measure(job: str, path: Path, million: float) -> dict:
    command = [sys.executable, __file__, "--child", job, "--file", str(path), "--days", str(million)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(next(line for line in out.splitlines() if line.startswith(CHILD_MARK))[len(CHILD_MARK):])


def compare(million: float, form: str, repeat: int, engines: list[str]) -> None:
    """Interleave the jobs, so that a busy minute hits all; print medians (wall, CPU), ratios and peaks."""
    with tempfile.TemporaryDirectory() as folder:
        path = make_file(Path(folder), million, form)
        runs: dict[str, list[dict]] = {job: [] for job in ["scan", *engines]}
        for _ in range(repeat):
            for job in runs:
                runs[job].append(measure(job, path, million))
        size = path.stat().st_size / 1e6
    assert len({str(runs[job][0]["answer"]) for job in engines}) == 1, "the engines disagree"
    middle = {job: {what: statistics.median(run[what] for run in found) for what in ("seconds", "cpu")}
              for job, found in runs.items()}
    for job, now in middle.items():
        wall, cpu = (now[what] / middle["scan"][what] for what in ("seconds", "cpu"))
        peak = max(run["peak_mb"] for run in runs[job])
        print(f"| {million:g} M, {form} ({size:.1f} MB) | {job} | {now['seconds']:.2f} s | {wall:.1f}x | "
              f"{now['cpu']:.2f} s | {cpu:.1f}x | {peak / 1024:.2f} GB |", flush=True)


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--days", type=float, action="append", help="million student-days")
    reader.add_argument("--form", action="append", choices=["every_day", "exceptions"])
    reader.add_argument("--engine", action="append", choices=["duckdb", "polars"])
    reader.add_argument("--repeat", type=int, default=3)
    reader.add_argument("--child")
    reader.add_argument("--file", type=Path)
    asked = reader.parse_args()
    if asked.child:
        child(asked.child, asked.file, asked.days[0])
        return
    for million in asked.days or [1.1]:
        for form in asked.form or ["every_day"]:
            compare(million, form, asked.repeat, asked.engine or ["duckdb", "polars"])


if __name__ == "__main__":
    main()
