"""csv and xlsx: what a spreadsheet program would run is stored as text; hidden cells are words; bytes repeat."""

from __future__ import annotations

import csv
import io
import zipfile

import openpyxl
import pandas as pd
import pytest

from evalkit.disclosure.types import Released
from evalkit.render import sheets

DANGEROUS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1", " =1", "＝1", "=HYPERLINK(\"http://x\",\"y\")", "－2"]
HARMLESS = ["a=b", "Ana", "1-2", "", "'quoted'", "http://example.org"]


def test_csv_guards_text_that_begins_like_a_formula() -> None:
    rows = list(csv.reader(io.StringIO(sheets.csv_text(pd.DataFrame({"=n": DANGEROUS + HARMLESS})))))
    assert rows[0] == ["'=n"]
    assert all(row[0].startswith("'") for row in rows[1:len(DANGEROUS) + 1])
    assert [row[0] if row else "" for row in rows[len(DANGEROUS) + 1:]] == HARMLESS


def test_csv_keeps_numbers_whole_and_missing_empty() -> None:
    frame = pd.DataFrame({"x": [1 / 3, None, -2.0], "n": pd.array([1, None, -5], dtype="Int64"),
                          "d": pd.to_datetime(["2026-01-30", None, "2025-09-01"])})
    assert sheets.csv_text(frame).splitlines()[1:] == ["0.3333333333333333,1,2026-01-30", ",,", "-2.0,-5,2025-09-01"]


def test_integer_column_labels_are_kept_and_hidden_cells_are_words() -> None:
    frame = pd.DataFrame({9: [12, None], 10: [None, 30]})
    hidden = pd.DataFrame({9: [False, True], 10: [False, False]})
    shown = sheets.csv_text(Released("t", frame, hidden, "rule", "partner"))
    assert shown.splitlines() == ["9,10", "12.0,", "hidden,30.0"]


def test_a_value_that_was_left_in_a_hidden_cell_is_not_written() -> None:
    frame, hidden = pd.DataFrame({"n": [3, 40]}), pd.DataFrame({"n": [True, False]})
    data = Released("t", frame, hidden, "rule", "partner")
    assert sheets.csv_text(data).splitlines() == ["n", "hidden", "40"]
    assert "3" not in {
        str(cell.value)
        for row in openpyxl.load_workbook(io.BytesIO(sheets.workbook({"t": data}))).active
        for cell in row
    }


def test_workbook_holds_strings_as_strings_and_no_formula_or_link() -> None:
    data = sheets.workbook({"t": pd.DataFrame({"text": DANGEROUS + HARMLESS, "n": range(len(DANGEROUS + HARMLESS))})})
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert {cell.data_type for cell in book.active["A"][1:] if cell.value is not None} == {"s"}
    assert {cell.data_type for cell in book.active["B"][1:]} == {"n"}
    files = zipfile.ZipFile(io.BytesIO(data))
    text = "".join(files.read(name).decode("utf-8", "replace") for name in files.namelist())
    assert "<f>" not in text and "hyperlink" not in text


def test_workbook_has_constant_metadata_and_repeats() -> None:
    named = {"a": pd.DataFrame({"x": [1]}), "A": pd.DataFrame({"x": [2]}), "b" * 50: pd.DataFrame({"x": ["z"]}),
             "x:/[1]": pd.DataFrame()}
    first, second = sheets.workbook(named), sheets.workbook(named)
    assert first == second
    files = zipfile.ZipFile(io.BytesIO(first))
    assert all(info.date_time[0] == 1980 for info in files.infolist())
    assert b"2000-01-01" in files.read("docProps/core.xml")
    titles = openpyxl.load_workbook(io.BytesIO(first)).sheetnames
    assert len({title.lower() for title in titles}) == 4 and all(len(title) <= 31 for title in titles)


@pytest.mark.parametrize("value", [float("nan"), None, pd.NA, pd.NaT])
def test_every_kind_of_missing_is_an_empty_cell(value: object) -> None:
    assert sheets.csv_text(pd.DataFrame({"x": pd.Series([value, "a"], dtype=object)})).splitlines()[1] in ("", '""')
