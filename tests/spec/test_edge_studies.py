"""Studies at the edge: one student, nobody mentored, only totals and no log. A page that reads, or a plain refusal."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "attack"))
from told import district, told

from evalkit.errors import UserError

REPORTS = ("monthly_review", "data_check", "student_selection", "celebration", "program_profile",
           "barrier_patterns")
ODD = r"\b1 (students|mentors) (have|had|stood|greeted)\b|\b0 (students|mentors) (had|greeted|stood)\b"
HIDDEN_IN_WORDS = r"hidden of|hidden students|hidden are filled|for hidden|hidden on the same|This year hidden"


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write(folder: Path, table: str, kept: list[dict[str, str]], names: list[str]) -> None:
    with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(kept)


def keep_tables(folder: Path, *names: str) -> None:
    for file in folder.glob("*.csv"):
        if file.stem not in names:
            file.unlink()


def one_student(folder: Path) -> None:
    """Every table cut to one mentored student."""
    student = rows(folder, "assignment")[0]["student_id"]
    for file in folder.glob("*.csv"):
        found = rows(folder, file.stem)
        if found and "student_id" in found[0]:
            write(folder, file.stem, [row for row in found if row["student_id"] == student], list(found[0]))


def nobody_mentored(folder: Path) -> None:
    keep_tables(folder, "student", "enrollment", "calendar", "attendance_event", "code_table", "prior_year", "school")
    text = (folder / "study.toml").read_text(encoding="utf-8")
    text = text.replace("is_sample = true", "is_sample = true\nno_mentors_yet = true")
    (folder / "study.toml").write_text(text, encoding="utf-8")


def totals_no_log(folder: Path) -> None:
    """Totals to the end of January, mentors and their students, and nothing of what mentors did."""
    found = [row for row in rows(folder, "enrollment") if row["school_year"] == "2026"]
    keep_tables(folder, "student", "prior_year", "mentor", "assignment", "school")
    total = [{"student_id": row["student_id"], "school_id": row["school_id"], "period_start": "2025-09-08",
              "period_end": "2026-01-30", "days_enrolled": "96", "days_absent": str(place % 20)}
             for place, row in enumerate(found)]
    write(folder, "attendance_total", total, list(total[0]))


def daily_no_log(folder: Path) -> None:
    keep_tables(folder, "student", "enrollment", "calendar", "attendance_event", "code_table", "mentor", "assignment")


EDGES = {"one student": one_student, "nobody mentored": nobody_mentored, "totals, no log": totals_no_log,
         "daily, no log": daily_no_log}


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for place, (name, cut) in enumerate(EDGES.items()):
        found[name] = district(tmp_path_factory.mktemp("edge") / f"e{place}", 60, 2, 7)
        cut(found[name])
    return found


@pytest.mark.parametrize("audience", ["team", "partner"])
@pytest.mark.parametrize("edge", list(EDGES))
def test_every_report_reads_or_refuses_in_plain_words(studies, edge: str, audience: str) -> None:
    """No error of ours (exit code 4): mentors without a log, quotes without a table of them, an empty roll stopped."""
    for report in REPORTS:
        try:
            page = told(report, studies[edge], "2026-01", audience).text
        except UserError as refused:
            assert refused.exit_code == 1 and "What to do:" in refused.screen()
            continue
        assert not re.search(ODD, page), (report, re.search(ODD, page))
        assert not re.search(HIDDEN_IN_WORDS, page), (report, re.search(HIDDEN_IN_WORDS, page))


def test_a_partner_reads_no_label_of_the_one_student(studies) -> None:
    """By sex: "Male, hidden". A table that shows no number kept the labels of its rows, on the page and in its file."""
    copy = told("student_selection", studies["one student"], "2026-01", "partner")
    student = rows(studies["one student"], "student")[0]
    assert not {stem for stem in copy.tables if stem.startswith("by_")}
    assert not re.search(rf"\b{student['sex']}\b", copy.text + json.dumps(copy.results))


def test_one_impact_study_refuses(studies) -> None:
    with pytest.raises(UserError) as refused:
        told("impact_study", studies["one student"], "2026-01", "team")
    assert refused.value.exit_code == 1
