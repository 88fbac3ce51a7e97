"""Bias, coverage and size of every estimator in worlds whose truth is known, and whether the checks see it fail.

    python tests/simulation/estimator_study.py run --draws 1000 --raw estimator-study.csv --seconds 3000
    python tests/simulation/estimator_study.py summarize --raw estimator-study.csv
    python tests/simulation/estimator_study.py page
    python tests/simulation/estimator_study.py run --every 20 --only-checked --draws 360 --raw checks.csv
    python tests/simulation/estimator_study.py checks --raw checks.csv

`run` appends a row per world, analysis and draw and goes on where it stopped (`--designs`, `--worlds` restrict it);
every row comes from its own seed. `summarize` writes tests/simulation/estimator_study.csv and its json of versions;
`page` writes docs/methods/simulation-study.md from those two. The checks are run on every twentieth draw (`--every`);
after a change of a check, `run --only-checked` makes those draws alone and `checks` puts their verdicts, and nothing
else, into the stored summary.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
from worlds import CUTOFF, WORLDS, Draw, World, draw

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SUMMARY, ABOUT = HERE / "estimator_study.csv", HERE / "estimator_study.json"
PAGE = ROOT / "docs" / "methods" / "simulation-study.md"
EVERY = 20
"""Checks are run on seeds that this divides, unless `run` is told otherwise."""
CHECKED = ("regression_to_the_mean", "placebo_date", "pre_trend", "school_clusters", "spillover",
           "specification_curve")
FIELDS = ("world", "analysis", "seed", "truth", "value", "standard_error", "ci_low", "ci_high", "p_value", "reason",
          "checks")


@dataclass(frozen=True)
class Analysis:
    """One way of using one estimator. truth: which of the draw's truths it is about; comparison: matched or all."""

    name: str
    label: str
    estimator: str
    design: str
    truth: str
    options: dict[str, Any] = field(default_factory=dict)
    comparison: str = "all"
    school_options: dict[str, Any] = field(default_factory=lambda: {"clustered_by": "school_id"})
    only: tuple[str, ...] = ()
    never: dict[str, str] = field(default_factory=dict)
    """world -> why this analysis does not apply there"""


_PRIOR = {"covariates": ("prior_absence_rate",)}
_PANEL = {"first_treated": "first_treated"}
_SERIES = {"unit_id": "school_id", "season": "month_of_year"}
_NO_HOUSEHOLDS = {"spillover": "a series of schools has no households"}
ANALYSES = (
    Analysis("regression_adjusted", "matched 1:1, adjusted for last year", "regression_adjusted", "chosen_on_need",
             "rate", comparison="matched"),
    Analysis("regression_adjusted_by_set", "the same, schools ignored in the standard error", "regression_adjusted",
             "chosen_on_need", "rate", comparison="matched", school_options={"clustered_by": "subclass"},
             only=("few_clusters",)),
    Analysis("difference", "matched 1:1, not adjusted", "difference", "chosen_on_need", "rate", comparison="matched"),
    Analysis("difference_raw", "everyone, not matched, not adjusted", "difference", "chosen_on_need", "rate",
             {"standard_errors": "HC2"}, school_options={"standard_errors": "CR2", "clustered_by": "school_id"}),
    Analysis("did", "change since the year before last", "did", "chosen_on_need", "rate",
             {"before": "older_rate", "selected_on": ("prior_absence_rate",)}),
    Analysis("did_selected", "change since the year mentors were chosen on, not told so", "did", "chosen_on_need",
             "rate", {"before": "prior_absence_rate"}),
    Analysis("poisson", "matched 1:1, adjusted for last year", "poisson", "chosen_on_need", "rate",
             {"outcome": "absent_days"}, comparison="matched"),
    Analysis("logistic", "matched 1:1, adjusted for last year", "logistic", "chosen_on_need", "chronic",
             {"outcome": "is_chronic"}, comparison="matched"),
    Analysis("callaway_santanna", "never mentored as comparison", "callaway_santanna", "months_of_students", "rate",
             _PANEL),
    Analysis("did2s", "", "did2s", "months_of_students", "rate", _PANEL),
    Analysis("sun_abraham", "", "sun_abraham", "months_of_students", "rate", _PANEL),
    Analysis("twfe", "", "twfe", "months_of_students", "rate", _PANEL),
    Analysis("sun_abraham_cr2", "CR2 by school", "sun_abraham", "months_of_students", "rate",
             {"standard_errors": "CR2", **_PANEL}, only=("few_clusters",)),
    Analysis("twfe_cr2", "CR2 by school", "twfe", "months_of_students", "rate", {"standard_errors": "CR2", **_PANEL},
             only=("few_clusters",)),
    Analysis("panel_poisson", "", "panel_poisson", "months_of_students", "log_ratio",
             {"outcome": "absent_days", **_PANEL}),
    Analysis("session_day", "", "session_day", "session_days", "rate", school_options={}),
    Analysis("randomized", "adjusted for last year", "randomized", "lottery", "rate",
             {"block": "school_id", "draws": 199, **_PRIOR},
             school_options={"clustered_by": "school_id", "standard_errors": "CR2", "block": None}),
    Analysis("discontinuity", "data-driven bandwidth", "discontinuity", "threshold", "threshold",
             {"score": "score", "cutoff": CUTOFF}, school_options={}),
    Analysis("interrupted_series", "with schools that did not change", "interrupted_series", "series_of_schools",
             "level", {"unit_id": "school_id"}, school_options={}, never=_NO_HOUSEHOLDS),
    Analysis("interrupted_series_alone", "only schools that changed, seasonal terms", "interrupted_series",
             "series_of_schools", "level", _SERIES, comparison="changed", school_options={}, never=_NO_HOUSEHOLDS),
)
BY_NAME = {analysis.name: analysis for analysis in ANALYSES}


def cells(worlds: tuple[str, ...] = (), designs: tuple[str, ...] = ()) -> Iterator[tuple[World, str, list[Analysis]]]:
    """World and design with the analyses that apply there: one draw serves them all."""
    for world in WORLDS:
        for design in dict.fromkeys(analysis.design for analysis in ANALYSES):
            found = [a for a in ANALYSES if a.design == design and applies(a, world.name)]
            if found and (not worlds or world.name in worlds) and (not designs or design in designs):
                yield world, design, found


def applies(analysis: Analysis, world: str) -> bool:
    return world not in analysis.never and (not analysis.only or world in analysis.only)


def one_draw(world: World, design: str, analyses: list[Analysis], seed: int, *,
             checks: bool | None = None) -> list[dict[str, Any]]:
    """Every analysis of one draw, a row each."""
    made = draw(world, design, seed)
    matched = _matched(made, world) if any(a.comparison == "matched" for a in analyses) else None
    with_checks = seed % EVERY == 0 if checks is None else checks
    return [{"world": world.name, "analysis": a.name, "seed": seed, **_analyse(a, world, made, matched, with_checks)}
            for a in analyses]


def _matched(made: Draw, world: World) -> Any:
    import evalkit as ek
    from evalkit.errors import UserError

    exact = () if world.whole_schools else ("school_id",)
    try:
        return ek.choose_comparison(made.rows, treated="treated", exact=exact, caliper=0.25, **_PRIOR)
    except UserError as refusal:
        return refusal


def _analyse(analysis: Analysis, world: World, made: Draw, matched: Any, checks: bool) -> dict[str, Any]:
    import evalkit as ek
    from evalkit.errors import UserError

    options = {**analysis.options, **(analysis.school_options if world.whole_schools else {}),
               "estimator": analysis.estimator}
    panel, comparison = made.rows, None
    if analysis.comparison == "matched":
        if isinstance(matched, UserError):
            return {"reason": matched.what}
        panel, comparison = None, matched
    if analysis.comparison == "changed":
        panel = panel[panel["first_treated"].notna()]
    try:
        found = ek.estimate(panel, comparison, **options)
    except UserError as refusal:
        return {"reason": refusal.what}
    return {"truth": _truth(analysis, made, comparison), "value": found.value, "standard_error": found.standard_error,
            "ci_low": found.ci_low, "ci_high": found.ci_high, "p_value": found.p_value, "reason": found.reason,
            "checks": json.dumps(_verdicts(analysis, made, comparison, found)) if checks else ""}


def _truth(analysis: Analysis, made: Draw, comparison: Any) -> float:
    """Of exactly the students the estimate is about: the matched treated, all treated, or all of the lottery."""
    planted = made.truth[analysis.truth]
    if np.ndim(planted) == 0:
        return float(planted)
    if analysis.estimator == "randomized":
        return float(planted.mean())
    frame = made.rows.assign(weight=1.0) if comparison is None else comparison.students
    treated = frame[frame["treated"] == 1]
    return float(np.average(planted[treated["student_id"].to_numpy()], weights=treated["weight"]))


def _verdicts(analysis: Analysis, made: Draw, comparison: Any, found: Any) -> dict[str, str]:
    """Verdicts with a number behind them; a check that could not be made catches nothing."""
    from evalkit.checks import run_checks

    source = made.units if made.units is not None else made.rows
    results = run_checks(source, comparison, found, which=CHECKED, **made.given)
    return {one.name: one.verdict for one in results if one.value is not None}


def run(draws: int, raw: Path, *, first: int = 1, seconds: float = 1e9, worlds: tuple[str, ...] = (),
        designs: tuple[str, ...] = (), every: int = EVERY, only_checked: bool = False) -> None:
    """Append draws to `raw`, all worlds and designs of one seed before the next, until done or CPU time is up."""
    warnings.simplefilter("ignore")
    known = pd.read_csv(raw, usecols=["world", "analysis", "seed"]) if raw.exists() else pd.DataFrame()
    done = set(known.itertuples(index=False, name=None))
    started = time.process_time()
    with raw.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        if known.empty:
            writer.writeheader()
        for seed in range(first, first + draws):
            if only_checked and seed % every:
                continue
            for world, design, analyses in cells(worlds, designs):
                left = [a for a in analyses if (world.name, a.name, seed) not in done]
                if left:
                    writer.writerows(one_draw(world, design, left, seed, checks=seed % every == 0))
            file.flush()
            if time.process_time() - started > seconds:
                return


FIRST = 3
"""Seeds whose mean value is stored, so that a few draws made again must give exactly the stored number."""


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per world and analysis: bias, spread, coverage, share of p below 5 %, and shares of checks that object."""
    rows = rows.drop_duplicates(["world", "analysis", "seed"], keep="last")
    groups = rows.groupby(["world", "analysis"], sort=False)
    found = [_cell(world, analysis, part) for (world, analysis), part in groups]
    order = [world.name for world in WORLDS], list(BY_NAME)
    return pd.DataFrame(found).sort_values(
        ["analysis", "world"], key=lambda column: column.map({name: place for names in order
                                                              for place, name in enumerate(names)}),
        ignore_index=True)


def _cell(world: str, analysis: str, rows: pd.DataFrame) -> dict[str, Any]:
    known = rows[rows["ci_low"].notna()]
    error = known["value"] - known["truth"]
    n = max(len(known), 1)
    covered = ((known["ci_low"] <= known["truth"]) & (known["truth"] <= known["ci_high"])).mean()
    first = known.loc[known["seed"] <= FIRST, "value"]
    return {"world": world, "analysis": analysis, "draws": len(rows), "no_estimate": len(rows) - len(known),
            "truth": known["truth"].mean(), "bias": error.mean(), "bias_mc": error.std() / n**0.5,
            "spread": error.std(), "standard_error": known["standard_error"].mean(), "coverage": covered,
            "coverage_mc": (covered * (1 - covered) / n) ** 0.5, "rejected": (known["p_value"] < 0.05).mean(),
            "first_draws": first.mean() if len(first) == FIRST else np.nan, **_objections(rows)}


def _objections(rows: pd.DataFrame) -> dict[str, Any]:
    """Draws with checks, the share in which any check objects, and the share by check (json)."""
    made = [json.loads(text) for text in rows["checks"].dropna() if text]
    by_name = {name: [one[name] != "pass" for one in made if name in one] for name in CHECKED}
    shares = {name: round(float(np.mean(flags)), 3) for name, flags in by_name.items() if flags}
    return {"checked": len(made), "objections": json.dumps(shares)}


def is_failing(row: Any) -> bool:
    """Fails: coverage below 92 %, or a bias above a fifth of the spread, by more than chance alone explains."""
    low_coverage = row.coverage + 2 * row.coverage_mc < 0.93
    biased = abs(row.bias) > 0.2 * row.spread and abs(row.bias) > 3 * row.bias_mc
    return bool(low_coverage or biased)


def store(raw: list[Path], seconds: float | None) -> None:
    """Summary and versions beside this script."""
    from importlib.metadata import version

    rows = pd.concat([pd.read_csv(file) for file in raw], ignore_index=True)
    summarize(rows).to_csv(SUMMARY, index=False, float_format="%.6g", lineterminator="\n")
    about = {"command": "python tests/simulation/estimator_study.py run --draws 1000 --raw estimator-study.csv",
             "seeds": f"1 to {int(rows['seed'].max())}", "rows": len(rows), "python": platform.python_version(),
             **{name: version(name) for name in ("evalkit", "numpy", "pandas", "scipy")}}
    if seconds:
        about["cpu_seconds"] = round(seconds)
    ABOUT.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def store_checks(raw: list[Path]) -> int:
    """Verdicts of new draws into the stored summary, line by line; the estimates of all draws stay. Lines changed."""
    rows = pd.concat([pd.read_csv(file) for file in raw], ignore_index=True)
    rows = rows.drop_duplicates(["world", "analysis", "seed"], keep="last")
    stored = pd.read_csv(SUMMARY).astype({"objections": "object"})
    place = {(row.world, row.analysis): row.Index for row in stored.itertuples()}
    for cell, part in rows.groupby(["world", "analysis"], sort=False):
        for name, value in _objections(part).items():
            stored.loc[place[cell], name] = value
    stored.to_csv(SUMMARY, index=False, float_format="%.6g", lineterminator="\n")
    about = json.loads(ABOUT.read_text(encoding="utf-8"))
    about["verdicts"] = f"run --only-checked --draws {int(rows['seed'].max())} --raw checks.csv"
    ABOUT.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return int(rows.groupby(["world", "analysis"]).ngroups)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="what", required=True)
    runner = parts.add_parser("run")
    runner.add_argument("--draws", type=int, default=1000)
    runner.add_argument("--first", type=int, default=1)
    runner.add_argument("--raw", type=Path, required=True)
    runner.add_argument("--seconds", type=float, default=1e9)
    runner.add_argument("--every", type=int, default=EVERY)
    runner.add_argument("--only-checked", action="store_true")
    runner.add_argument("--worlds", nargs="*", default=())
    runner.add_argument("--designs", nargs="*", default=())
    summary = parts.add_parser("summarize")
    summary.add_argument("--raw", type=Path, nargs="+", required=True)
    summary.add_argument("--seconds", type=float)
    again = parts.add_parser("checks")
    again.add_argument("--raw", type=Path, nargs="+", required=True)
    parts.add_parser("page")
    asked = parser.parse_args()
    if asked.what == "run":
        run(asked.draws, asked.raw, first=asked.first, seconds=asked.seconds, worlds=tuple(asked.worlds),
            designs=tuple(asked.designs), every=asked.every, only_checked=asked.only_checked)
    elif asked.what == "checks":
        print(f"{store_checks(asked.raw)} lines have new verdicts")
    elif asked.what == "summarize":
        store(asked.raw, asked.seconds)
    else:
        from estimator_study_page import page

        PAGE.write_text(page(pd.read_csv(SUMMARY), json.loads(ABOUT.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
