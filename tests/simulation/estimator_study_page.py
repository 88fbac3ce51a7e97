"""docs/methods/simulation-study.md from the stored results of `estimator_study.py`: no number is typed by hand."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from estimator_study import ANALYSES, BY_NAME, is_failing
from worlds import SIZE, WORLDS

from evalkit.estimators import ESTIMATORS

UNITS = {"rate": (180, "days a year"), "threshold": (180, "days a year"), "level": (180, "days a year"),
         "chronic": (100, "points"), "log_ratio": (100, "log points")}
PANEL = ("callaway_santanna", "did2s", "sun_abraham", "sun_abraham_cr2", "twfe", "twfe_cr2", "panel_poisson")
DESIGN_WORDS = {
    "chosen_on_need": "240 students of 6 schools, mentored on last year's rate (few clusters: four of eight "
                      "whole schools)",
    "lottery": "240 students, half of each school drawn (few clusters: four of eight whole schools)",
    "threshold": "800 students, a mentor from 13 % absent last year on",
    "months_of_students": "144 students, nine months, starts in month 3, 5 or 7 (few clusters: two schools each in "
                          "month 3 and 5, four never)",
    "session_days": "40 students of four schools, 40 days, sessions on a third of the days",
    "series_of_schools": "twelve schools (few clusters: four), 36 months with a season, plan changes in month 19, 22 "
                         "or 25"}

QUIET: dict[tuple[str, str], str] = {}
"""Failing lines whose check objects in fewer than `SEEN` of the draws, with the reason."""
_CHOSEN = "no series can show that the month of the change was not chosen for the bad months before it"
BY_DESIGN: dict[tuple[str, str], str] = {
    ("interrupted_series", "null_regression"): _CHOSEN,
    ("interrupted_series_alone", "null_regression"): _CHOSEN,
    ("panel_poisson", "null_regression"):
        "144 students cannot show a dip before the start as large as the effect",
    ("twfe", "cohort"):
        "a tenth or more of the weight lies on comparisons with students already mentored",
    ("panel_poisson", "cohort"):
        "a tenth or more of the weight lies on comparisons with students already mentored",
    ("session_day", "spillover"):
        "40 students cannot show a carry-over into the next day of half the effect"}
"""Failing lines that a caution by design answers for, with its reason: it objects whatever these data say."""
SEEN = 0.75


def expected_check(analysis: str, world: str) -> str:
    """The check whose business this failure is."""
    if analysis in ("difference_raw", "did_selected") and world != "few_clusters":
        return "regression_to_the_mean"
    if world == "spillover":
        return "spillover"
    if world == "few_clusters":
        return "school_clusters"
    if BY_NAME[analysis].estimator in ("twfe", "panel_poisson") and world in ("growing", "cohort"):
        return "specification_curve"
    if analysis in PANEL or analysis.startswith("interrupted"):
        return "pre_trend"
    return "regression_to_the_mean"


def why(analysis: str, world: str) -> str:
    """The reason for a failure, in a sentence."""
    if analysis == "difference_raw" and world != "few_clusters":
        return "mentored students were absent more to begin with, and nothing takes that out"
    if analysis == "did_selected" and world != "few_clusters":
        return "the year mentors were chosen on was unusually bad; told so, evalkit refuses this estimate"
    if world == "spillover":
        return ("half of a session's effect lasts into the next day, which is among the days compared with"
                if analysis == "session_day" else "brothers and sisters in the comparison gain too, so the gap narrows")
    if world == "few_clusters":
        return ("the standard error takes matched sets as independent where whole schools were chosen"
                if analysis == "regression_adjusted_by_set" else "eight schools are few for this standard error")
    if world == "null_regression":
        return ("the worst recent months bring the plan change, and the series then returns by itself"
                if analysis.startswith("interrupted") else
                "a bad month brings the mentor, and the month after is better by itself")
    if world in ("growing", "cohort") and expected_check(analysis, world) == "specification_curve":
        return "late starters are compared with students already mentored, whose effect is still growing or differs"
    return "the interval is too narrow in a study this small"


def page(rows: pd.DataFrame, about: dict[str, Any]) -> str:
    """The whole page."""
    parts = [_head(rows, about), _worlds(rows), _fails(rows), _alarms(rows),
             *(_table(name, rows) for name in ESTIMATORS), _not_here(), _looks()]
    return "\n".join(parts)


def _head(rows: pd.DataFrame, about: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {about[name]}" for name in ("evalkit", "python", "numpy", "pandas", "scipy"))
    return "\n".join([
        "# Simulation study of the estimators", "",
        "Every estimator of `evalkit list estimators` on made data whose true effect is known exactly, through the "
        "public functions `ek.choose_comparison`, `ek.estimate` and `ek.run_checks`. Bias is the mean estimate less "
        "the truth; coverage the share of 95 % intervals that hold the truth; the last column of each table the share "
        "of draws with p below 5 %: the size where the truth is no effect, else the power. Figures after ± are two "
        "Monte Carlo standard errors.", "",
        f"Made by `{about['command']}`, then `summarize` and `page` (each draw has its own seed, {about['seeds']}; "
        f"{_range(rows['draws'])} draws a line; checks on a part of "
        f"them, the table below says of how many; {versions}). "
        "Stored: `tests/simulation/estimator_study.csv`; a test makes a slice again."
        + (f" The checks have changed since: their verdicts, and nothing else, are from `{about['verdicts']}`, then "
           "`checks`." if "verdicts" in about else ""), "",
        *(["**Fewer than the 1,000 draws that were planned**: every figure is as sure as its ± says, no surer. The "
           "same command goes on from where it stopped.", ""] if rows["draws"].min() < 1000 else [])])


def _worlds(rows: pd.DataFrame) -> str:
    made = dict.fromkeys(a.design for a in ANALYSES)
    return "\n".join([
        "## Worlds", "",
        f"The planted effect is {SIZE * 180:.1f} days of a 180-day year (twice that on session days).", "",
        "| world | what is true |", "|---|---|",
        *(f"| {world.name} | {world.label} |" for world in WORLDS if world.name in set(rows["world"])), "",
        "| data | who |", "|---|---|", *(f"| {design} | {DESIGN_WORDS[design]} |" for design in made), ""])


def _failing(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[[is_failing(row) for row in rows.itertuples()]]


def _fails(rows: pd.DataFrame) -> str:
    lines = [_failure(row) for row in _failing(rows).itertuples()]
    return "\n".join([
        "## Where an estimator fails, and whether a check says so", "",
        "Failing: the interval holds the truth in clearly fewer than 93 % of draws, or the bias is above a fifth of "
        "the estimate's spread (and three Monte Carlo errors). \"Objects\": the share of draws in which the check said "
        "caution or fail; a check that could not be made counts as silent here.", "",
        "| analysis | world | bias | coverage | why | check | objects |", "|---|---|---|---|---|---|---|", *lines, "",
        *_quiet(rows), *_by_design(rows)])


def _quiet(rows: pd.DataFrame) -> list[str]:
    if not QUIET:
        return [f"Every failing line is seen by its check in at least {SEEN:.0%} of the draws.", ""]
    return [f"Seen by their check in fewer than {SEEN:.0%} of the draws, so a reader must know it:", "",
            *(f"* `{analysis}` in {world} (objects in {share:.0%}): {QUIET[analysis, world]}."
              for (analysis, world), share in objections(rows).items() if share < SEEN), ""]


def _by_design(rows: pd.DataFrame) -> list[str]:
    """Cautions that say what the data cannot show; how often the same check objects where the analysis holds."""
    failing, found = {(row.analysis, row.world) for row in _failing(rows).itertuples()}, []
    for (analysis, world), why_so in BY_DESIGN.items():
        check = expected_check(analysis, world)
        shares = [share for row in rows[rows["analysis"] == analysis].itertuples()
                  if (row.analysis, row.world) not in failing
                  and (share := json.loads(row.objections).get(check)) is not None]
        found.append(f"* `{analysis}` in {world}: `{check}` objects in {objections(rows)[analysis, world]:.0%}, and in "
                     f"{_mean(shares)} of the draws of the worlds where `{analysis}` holds: {why_so}.")
    return ["Answered by a caution by design: it says that this failure cannot be ruled out, not that it is there, and "
            "it stands where all is well too:", "", *found, ""]


def objections(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """How often the check objects whose business it is, of each failing line (0 where it could not be made)."""
    failing = [row for row in rows.itertuples() if is_failing(row)]
    return {(str(row.analysis), str(row.world)):
            json.loads(row.objections).get(expected_check(row.analysis, row.world), 0.0) for row in failing}


def _failure(row: Any) -> str:
    check, shares = expected_check(row.analysis, row.world), json.loads(row.objections)
    others = [f"{name} {share:.0%}" for name, share in shares.items() if name != check and share >= 0.5]
    seen = f"{shares[check]:.0%} of {row.checked}" if check in shares else "not made"
    return (f"| {row.analysis} | {row.world} | {_number(row, 'bias')} | {row.coverage:.1%} "
            f"| {why(row.analysis, row.world)} | {check} | {seen}{'; also ' + ', '.join(others) if others else ''} |")


def _range(draws: pd.Series) -> str:
    least, most = int(draws.min()), int(draws.max())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _number(row: Any, name: str) -> str:
    scale, unit = UNITS[BY_NAME[row.analysis].truth]
    return f"{scale * getattr(row, name):+.2f} {unit}"


def _alarms(rows: pd.DataFrame) -> str:
    """How often each check objects where its estimator holds: what a careful reader pays for being warned."""
    failing = {(row.analysis, row.world) for row in _failing(rows).itertuples()}
    found: dict[str, list[tuple[bool, float]]] = {}
    for row in rows.itertuples():
        for name, share in json.loads(row.objections).items():
            found.setdefault(name, []).append(((row.analysis, row.world) in failing, share))
    lines = []
    for name, shares in found.items():
        hold, fail = ([share for failed, share in shares if failed is which] for which in (False, True))
        lines.append(f"| {name} | {_mean(hold)} ({len(hold)} lines) | {_mean(fail)} ({len(fail)} lines) |")
    return "\n".join([
        "## How often checks object where all is well", "",
        "| check | mean share objecting where the estimator holds | where it fails |", "|---|---|---|", *lines, "",
        "By design a caution says what a study could not see: `pre_trend` whenever a study this small could not have "
        "seen a drift (in panels and series: a dip just before the start) as large as the effect, and always for a "
        "series of schools; `specification_curve` whenever a tenth of the weight of a two-way estimate lies on "
        "comparisons with students already mentored; `spillover` of session days whenever a carry-over of half the "
        "effect could not have been seen; `school_clusters` under four degrees of freedom and, for panels, under ten "
        "schools; `regression_to_the_mean` whenever an estimate does not adjust for the earlier rate.", ""])


def _mean(shares: list[float]) -> str:
    return f"{sum(shares) / len(shares):.0%}" if shares else "-"


def _table(estimator: str, rows: pd.DataFrame) -> str:
    parts = [f"## {ESTIMATORS[estimator].label} (`{estimator}`)", ""]
    for analysis in (a for a in ANALYSES if a.estimator == estimator):
        scale, unit = UNITS[analysis.truth]
        lines = [_line(row, scale) for row in rows[rows["analysis"] == analysis.name].itertuples()]
        words = f": {analysis.label}" if analysis.label else ""
        never = "".join(f" Not in {world}: {reason}." for world, reason in analysis.never.items())
        parts += [f"`{analysis.name}`{words}. Data: {analysis.design}; figures in {unit}.{never}", "",
                  "| world | draws (no estimate) | truth | bias | spread | mean standard error | coverage | p < 5 % |",
                  "|---|---|---|---|---|---|---|---|", *lines, ""]
    return "\n".join(parts)


def _line(row: Any, scale: float) -> str:
    share = f"{row.rejected:.1%} " + ("(size)" if abs(row.truth) < 1e-12 else "(power)")
    return (f"| {row.world}{' **fails**' if is_failing(row) else ''} | {row.draws} ({row.no_estimate}) | "
            f"{scale * row.truth:+.2f} | {scale * row.bias:+.2f} ± {2 * scale * row.bias_mc:.2f} | "
            f"{scale * row.spread:.2f} | {scale * row.standard_error:.2f} | {row.coverage:.1%} ± "
            f"{2 * row.coverage_mc:.1%} | {share} |")


def _not_here() -> str:
    return "\n".join([
        "## What is not here", "",
        "Weighting and matching methods other than nearest 1:1 (their balance is proved against R); the landmark "
        "comparison through the whole line of files ([coverage](coverage.md)); hidden causes, which no estimator of a "
        "chosen group withstands and no check can see: `sensemakr`, `e_value` and `rosenbaum` say how strong one would "
        "have to be.", ""])


def _looks() -> str:
    return "\n".join([
        "## Looking every month", "",
        "Years without any effect, judged at every look: [monthly looks](monthly_looks.md). The confidence sequence "
        "keeps each direction and both together at or below 5 % in every kind of year there.", ""])
