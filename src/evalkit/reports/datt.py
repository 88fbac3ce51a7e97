"""A workbook in the shape of the Attendance Works tools (DATT, SATT): the data sheet and a sheet per question.

For the team only: the data sheet and the list name students by id.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.measures import band, breakdown
from evalkit.panel import has_days, student_panel
from evalkit.programme import book_of
from evalkit.render.sheets import workbook
from evalkit.reports.selection_facts import Selection
from evalkit.rules import UNITS_PER_DAY
from evalkit.selection import with_pooled_zip
from evalkit.vocabulary import grade_order
from evalkit.wording import grade_words

LEVELS = {"satisfactory": "Satisfactory", "at_risk": "At risk", "moderate": "Moderate chronic",
          "severe": "Severe chronic", "extreme": "Severe chronic"}
HEADS = (("severe", "Severe chronic"), ("moderate", "Moderate chronic"), ("chronic", "All chronic"),
         ("at_risk", "At risk"), ("satisfactory", "Satisfactory"))
SHEETS = {"grade_level": "A Grade", "race_ethnicity": "B Race or ethnicity", "disability_idea": "C Special education",
          "school": "E School", "sex": "F Gender", "english_learner": "G English learner",
          "econ_disadvantaged": "H Economic status", "zip": "I Zip code"}
DATA = ("Student ID", "School", "Grade", "Gender", "Race or ethnicity", "English learner", "Special education",
        "Economic disadvantage", "Zip code", "Days enrolled", "Days present", "Excused days", "Unexcused days",
        "Suspended days", "Days absent", "Percent absent", "Attendance level", "School ID", "Period start",
        "Period end")


def datt_data(study, students: pd.Series | None = None) -> pd.DataFrame:
    """The data sheet: a row per student, the year up to as_of. Days absent = excused + unexcused + suspended days.

    students: keep these only. With totals only the three kinds of days are blank. Percent absent is 0 to 100. The last
    three columns are evalkit's: with them the sheet can be read again as attendance_total (docs/how-to/datt.md).
    """
    year = student_panel(study, book=book_of(study) if has_days(study) else None)
    year = year[year["enrolled_units"].notna()]
    year = year if students is None else year[year["student_id"].isin(students)]
    facts = study.table("student").drop_duplicates("student_id")
    rows = year.merge(facts, on="student_id", how="left").sort_values(["school_id", "student_id"], ignore_index=True)
    enrolled, absent = (rows[name].astype("float64") / UNITS_PER_DAY for name in ("enrolled_units", "absent_units"))
    excused, suspended = _days(rows, "excused_units"), _days(rows, "suspended_units")
    values = {
        "Student ID": rows["student_id"], "School": [study.school_name(s) for s in rows["school_id"]],
        "Grade": rows["grade_level"].map(grade_words), "Gender": rows["sex"],
        "Race or ethnicity": rows["race_ethnicity"],
        **{head: rows[name].map({True: "Yes", False: "No"}) for head, name in (
            ("English learner", "english_learner"), ("Special education", "disability_idea"),
            ("Economic disadvantage", "econ_disadvantaged"))},
        "Zip code": rows["zip5"], "Days enrolled": enrolled, "Days present": enrolled - absent,
        "Excused days": excused, "Unexcused days": absent - excused - suspended, "Suspended days": suspended,
        "Days absent": absent, "Percent absent": 100 * absent / enrolled.where(enrolled > 0),
        "Attendance level": band(rows, rules=study.rules).map(LEVELS), "School ID": rows["school_id"],
        "Period start": f"{study.school_year - 1}-07-01", "Period end": f"{study.as_of:%Y-%m-%d}"}
    return pd.DataFrame(values)[list(DATA)]


def _days(rows: pd.DataFrame, name: str) -> pd.Series:
    if name not in rows:
        return pd.Series(float("nan"), index=rows.index)
    return rows[name].astype("float64") / UNITS_PER_DAY


def datt_sheet(frame: pd.DataFrame, by: str, label: str, *, rules: Any) -> pd.DataFrame:
    """One question's sheet: NUMBER and PERCENT of each level in the tools' order, the total at the end.

    frame: a row per student with `by`, enrolled_units, absent_units. Percents are 0 to 100.
    """
    table = breakdown(frame, by, rules=rules)
    if by == "grade_level":
        order = {**grade_order(), "unknown": 98, "all": 99}
        table = table.sort_values(by, key=lambda codes: codes.map(order), ignore_index=True)
    columns: dict[str, Any] = {label: ["Total" if value == "all" else value for value in table[by]]}
    for name, head in HEADS:
        columns |= {f"NUMBER {head}": table[f"n_{name}"], f"PERCENT {head}": 100 * table[f"share_{name}"]}
    return pd.DataFrame(columns | {"Total": table["n_students"]})


def datt_sheets(study, found: Selection) -> dict[str, pd.DataFrame]:
    """Sheet name -> frame: Data, then A to I as far as the student table goes, with D the list of students."""
    data = datt_data(study, found.scored["student_id"])
    rows = found.scored.assign(school=[study.school_name(s) for s in found.scored["school_id"]],
                               zip=with_pooled_zip(found.scored))
    rows = rows.assign(**{name: rows[name].astype("Int64") for name in ("enrolled_units", "absent_units")})
    for name in ("english_learner", "disability_idea", "econ_disadvantaged"):
        rows[name] = rows[name].map({True: "Yes", False: "No"})
    sheets = {"Data": data}
    for by, title in SHEETS.items():
        if rows[by].notna().any():
            sheets[title] = datt_sheet(rows, by, title[2:], rules=study.rules)
    chronic = data["Attendance level"].isin(["Moderate chronic", "Severe chronic"])
    sheets["D Students"] = data[chronic].sort_values(["Percent absent", "Student ID"], ascending=[False, True],
                                                     ignore_index=True)
    return dict(sorted(sheets.items(), key=lambda item: (item[0] != "Data", item[0])))


def workbook_of(study, found: Selection) -> bytes:
    """The workbook as a file's bytes; the same study gives the same bytes."""
    return workbook(datt_sheets(study, found))


__all__ = ["datt_data", "datt_sheet", "datt_sheets", "workbook_of"]
