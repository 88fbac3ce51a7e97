"""Promise 4: over thousands of mutated small files every row is accounted for, recounted from outside; no traceback."""

from __future__ import annotations

import csv
import io
import os
import random
import time
from pathlib import Path

import pytest

from evalkit.errors import UserError
from evalkit.study import open_study

N = int(os.environ.get("EVALKIT_MUTATIONS", "400"))

STUDENTS = [["student_id", "grade_level", "english_learner"], *[[f"00{i:03d}", "03", "no"] for i in range(1, 31)]]
SPANS = [
    ["student_id", "school_id", "school_year", "entry_date", "exit_date"],
    *[[f"00{i:03d}", "0042", "2025", "2024-09-03", ""] for i in range(1, 31)],
]
DAYS = [f"2024-09-{d:02d}" for d in (3, 4, 5, 6, 9, 10, 11, 12, 13, 16, 17, 18, 19, 20)]
CALENDAR = [
    ["school_id", "calendar_code", "date", "day_type", "is_instructional"],
    *[["0042", "R", day, "instructional", "true"] for day in DAYS],
]
EVENTS = [
    ["student_id", "school_id", "date", "code_local", "absent_days"],
    *[[f"00{i:03d}", "0042", DAYS[i % len(DAYS)], "A", "1"] for i in range(1, 31)],
]
CODES = [
    [
        "code_local",
        "description",
        "status",
        "counts_absent",
        "counts_enrolled",
        "is_tardy",
        "is_excused",
        "is_suspension",
    ],
    ["A", "Absent", "UnexcusedAbsence", "1", "yes", "no", "no", "no"],
]
ASSIGNED = [
    ["student_id", "mentor_id", "begin_date", "end_date"],
    *[[f"00{i:03d}", "M1", "2024-09-05", ""] for i in range(1, 6)],
]
BASE = {
    "student": STUDENTS,
    "enrollment": SPANS,
    "calendar": CALENDAR,
    "attendance_event": EVENTS,
    "code_table": CODES,
    "assignment": ASSIGNED,
}
CELLS = [
    "",
    " ",
    "NA",
    "None",
    "-1",
    "2",
    "1.5",
    "1,5",
    "1e9",
    "abc",
    "=1+1",
    '="00001"',
    "2024-13-40",
    "09/03/2024",
    "13/09/2024",
    "9/5/24",
    "9999-12-31",
    "1/0/1900",
    "45540",
    "2030-01-01",
    "\u202eabc",
    "a\u200bb",
    "A\nB",
    'say "x"',
    "é",
    "0004",
    "*",
    "<5",
    "-9999",
    "Total",
    "99%",
    "x" * 500,
    "\x07",
    "2024-09-07",
    "yes",
    "A",
    "Z",
    "2025-26",
    "0042 ",
]


def _mutated(rng: random.Random) -> tuple[dict[str, list[list[str]]], dict[str, bytes]]:
    tables = {name: [list(row) for row in rows] for name, rows in BASE.items()}
    raw: dict[str, bytes] = {}
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(list(tables))
        rows = tables[name]
        at = rng.randrange(len(rows))
        kind = rng.choice(
            ["cell", "cell", "cell", "repeat", "drop", "short", "long", "blank", "footer", "title", "shuffle", "bytes"]
        )
        if kind == "cell":
            rows[at][rng.randrange(len(rows[at]))] = rng.choice(CELLS) if rows[at] else ""
        elif kind == "repeat":
            rows.insert(rng.randrange(1, len(rows) + 1), list(rows[at]))
        elif kind == "drop" and len(rows) > 1:
            rows.pop(at)
        elif kind == "short":
            rows[at] = rows[at][: rng.randrange(len(rows[at]) + 1)]
        elif kind == "long":
            rows[at] = [*rows[at], rng.choice(["", "extra"])]
        elif kind == "blank":
            rows.insert(rng.randrange(1, len(rows) + 1), [""] * rng.randrange(4))
        elif kind == "footer":
            rows.append([rng.choice(["Records: 30", "Total", "Printed 2/3/2025"]), *([""] * rng.randrange(3))])
        elif kind == "title":
            rows.insert(0, ["Attendance report"])
        elif kind == "shuffle":
            rows[1:] = rng.sample(rows[1:], len(rows) - 1)
        else:
            raw[name] = rng.choice(
                [b"", b"\x00\x01\x02", b"\xff\xfe\x00", b"student_id", b'"', b"\x81\x8d", b"\n\n\n", b"a,b\n1,2\n"]
            )
    return tables, raw


def _write(folder: Path, tables: dict[str, list[list[str]]], raw: dict[str, bytes]) -> None:
    for name, rows in tables.items():
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        (folder / f"{name}.csv").write_bytes(raw.get(name, text.getvalue().encode()))
    (folder / "study.toml").write_text(
        '[study]\nname = "m"\nschool_year = 2025\n[rules]\nmax_set_aside = 0.5\n', encoding="utf-8"
    )


def _rows_outside(path: Path) -> int:
    """Rows counted without evalkit: lines with any filled cell, the head row not counted."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return sum(any(cell.strip() for cell in row) for row in csv.reader(file)) - 1


def _used(study) -> dict[str, int]:
    """Rows in use by table, from the account."""
    found: dict[str, int] = {}
    for entry in study.account.to_dict()["files"]:
        found[entry["table"]] = found.get(entry["table"], 0) + entry["loaded"] + entry["repaired"]
    return found


@pytest.mark.parametrize("block", range(8))
def test_every_row_has_one_fate(block: int, tmp_path: Path) -> None:
    opened = 0
    for number in range(N // 8):
        rng = random.Random(1_000_003 * block + number)
        folder = tmp_path / f"{number}"
        folder.mkdir()
        _write(folder, *_mutated(rng))
        begun = time.monotonic()
        try:
            study = open_study(folder)
        except UserError as problem:
            assert problem.exit_code in (1, 2)
            assert len(problem.screen().splitlines()) <= 20
            continue
        assert time.process_time() - begun < 10, "promise 13: hostile input is bounded"
        opened += 1
        for entry in study.account.to_dict()["files"]:
            assert entry["rows_read"] == entry["loaded"] + entry["repaired"] + entry["quarantined"] + entry["duplicate"]
            assert entry["rows_read"] == _rows_outside(folder / entry["file"]), (block, number, entry)
        for name, used in _used(study).items():
            held = study._all.tables.get(name)
            assert (0 if held is None else len(held)) == used, (block, number, name)
            assert len(study.table(name)) <= used
    assert opened > N // 8 // 5, "too few studies opened for the test to mean anything"
