"""A tiny study that opens, and one change at a time: for the tests of strict reading."""

from __future__ import annotations

from pathlib import Path

from evalkit.study import Study, open_study

TOML = '[study]\nname = "tiny"\nschool_year = 2025\n'
DAYS = [f"2024-09-{d:02d}" for d in (3, 4, 5, 6, 9, 10, 11, 12, 13)]
STUDENTS = ["0001", "0002", "0003", "0004"]
BASE = {
    "student": "student_id,grade_level\n" + "".join(f"{s},03\n" for s in STUDENTS),
    "enrollment": "student_id,school_id,school_year,entry_date,exit_date\n"
    + "".join(f"{s},0042,2025,2024-09-03,\n" for s in STUDENTS),
    "calendar": "school_id,calendar_code,date,day_type,is_instructional\n"
    + "".join(f"0042,R,{d},instructional,true\n" for d in DAYS)
    + "0042,R,2024-09-02,holiday,false\n",
    "attendance_event": "student_id,school_id,date,code_local,absent_days\n0001,0042,2024-09-04,A,1\n"
    "0002,0042,2024-09-05,A,0.5\n"
    "0003,0042,2024-09-13,T,\n",
    "code_table": "code_local,description,status,counts_absent,counts_enrolled,is_tardy,is_excused,is_suspension\n"
    "A,Absent,UnexcusedAbsence,1,true,false,false,false\nT,Tardy,Tardy,0,true,true,false,false\n",
    "assignment": "student_id,mentor_id,begin_date,end_date\n0001,M1,2024-09-05,\n",
}
TOTALS = {
    "student": BASE["student"],
    "attendance_total": "student_id,school_id,period_start,period_end,days_enrolled,days_absent\n"
    + "".join(f"{s},0042,2024-09-01,2024-09-30,20,2\n" for s in STUDENTS),
    "assignment": BASE["assignment"],
}
LOOSE = "[rules]\nmax_set_aside = 0.9\n"


def write(
    folder: Path,
    tables: dict[str, str | bytes | None] | None = None,
    *,
    toml: str = "",
    base: dict = BASE,
    head: str = TOML,
) -> Path:
    """A study folder: the base, some tables replaced (None leaves one out; a name with a dot is a file name)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**base, **(tables or {})}.items():
        path = folder / (name if "." in name else f"{name}.csv")
        if text is None:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "study.toml").write_text(head + toml, encoding="utf-8")
    return folder


def opened(
    folder: Path,
    tables: dict[str, str | bytes | None] | None = None,
    *,
    toml: str = "",
    base: dict = BASE,
    head: str = TOML,
) -> Study:
    return open_study(write(folder, tables, toml=toml, base=base, head=head))


def account(study: Study, table: str) -> dict:
    """The account of a table, all its files added up, reasons as a dict."""
    found = {"rows_read": 0, "loaded": 0, "repaired": 0, "quarantined": 0, "duplicate": 0}
    reasons: dict[str, int] = {}
    for entry in study.account.to_dict()["files"]:
        if entry["table"] == table:
            found = {key: found[key] + entry[key] for key in found}
            for item in entry["reasons"]:
                reasons[item["reason"]] = reasons.get(item["reason"], 0) + item["n"]
    return {**found, "reasons": reasons}
