"""A made district as a study folder: one csv per table, study.toml, and the truth in a folder of its own."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit import files
from evalkit.simulate.district import District, Truth

_PLAN = """
[[analysis]]
id = "main"
comparison = "within_school"
outcome = "absence_rate"
estimator = "regression_adjusted"
estimand = "ATT"
method = "nearest"
distance = "logit"
baseline = "landmark"
exact = ["school_id"]
covariates = ["prior_absence_rate", "pre_absence_rate", "grade_level", "english_learner", "disability_idea",
              "econ_disadvantaged"]
ratio = 2
replace = false
caliper = 0.1
order = "largest"
standard_errors = "CR2"
eligible = "all"
clock = "begin"
later_assigned = "censor"
seed = 20260
"""


def write_study(
    folder: Path,
    district: District,
    *,
    name: str = "Made district",
    mentor_term: str = "Success Mentor",
    truth: Truth | None = None,
    is_sample: bool = False,
) -> Path:
    """Write `district` to `folder` as a study: csv per table, study.toml with one planned analysis, truth/ beside.

    The folder appears whole or not at all; the truth is never read by an analysis.
    """
    truth = truth or district.truth
    with files.whole_folder(Path(folder)) as work:
        for table, frame in district.items():
            if len(frame):  # a file with column names only would be refused: a small district has no row of some tables
                files.write_text(work / f"{table}.csv", _csv(frame), private=table == "identity")
        files.write_text(work / "study.toml", _settings(name, mentor_term, truth.summary, is_sample))
        files.write_text(work / "truth" / "truth.toml", truth_toml(truth))
        files.write_text(work / "truth" / "students.csv", _csv(truth.students))
    return Path(folder)


def _csv(frame: pd.DataFrame) -> str:
    """As text: ISO dates, blanks for what is missing, true/false."""
    shown = frame.copy()
    for column in shown:
        if pd.api.types.is_datetime64_any_dtype(shown[column]):
            shown[column] = shown[column].dt.strftime("%Y-%m-%d")
        elif pd.api.types.is_bool_dtype(shown[column]):
            shown[column] = shown[column].map({True: "true", False: "false"})
    buffer = io.StringIO()
    shown.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()


def _settings(name: str, mentor_term: str, summary: dict[str, Any], is_sample: bool) -> str:
    return (
        f'[study]\nname = "{name}"\nschool_year = {summary["school_year"]}\nmentor_term = "{mentor_term}"\n'
        'language = "en"\n' + ("is_sample = true\n" if is_sample else "") + "\n"
        '[rules]\npreset = "attendance_works"\n\n[privacy]\nmin_cell = 10\n' + _PLAN
    )


def truth_toml(truth: Truth) -> str:
    """The planted truth as toml: settings, the effect, and each planted pattern."""
    lines = ["# What was planted in this made district. No analysis reads this file.", "[effect]"]
    lines += [f"{key} = {_toml(value)}" for key, value in truth.summary.items()]
    for row in truth.planted:
        lines += ["", "[[pattern]]", *(f"{key} = {_toml(value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float):
        return "nan" if value != value else f"{value:.9g}" if value % 1 else f"{value:.1f}"
    return str(value)
