"""Values as readers see them: true minus, commas, one number of decimals, words for what is missing."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from evalkit import tables
from evalkit.errors import UsageError


@pytest.mark.parametrize(("value", "kind", "shown"), [
    (1234567, "integer", "1,234,567"), (np.int64(12), "integer", "12"), (-3, "integer", "−3"), (0, "integer", "0"),
    (-0.04, "decimal1", "0.0"), (2.345, "decimal2", "2.35"), (-1.5, "signed1", "−1.5"), (1.5, "signed1", "+1.5"),
    (0.04, "signed1", "0.0"), (-0.004, "signed2", "0.00"), (3, "signed0", "+3"), (0.23, "percent", "23"),
    (0.2296, "percent1", "23.0"), (1, "percent", "100"), (0.0004, "p_value", "<0.001"), (0.0341, "p_value", "0.034"),
    (float("nan"), "decimal1", "–"), (None, "text", "–"), (pd.NA, "integer", "–"), (pd.NaT, "date", "–"),
    (float("inf"), "decimal1", "–"), ("about 0", "decimal1", "about 0"), ("Done", "status", "Done"),
    (pd.Timestamp("2026-01-30"), "date", "January 30, 2026"), ("2026-01-30", "date", "January 30, 2026"),
    (dt.date(2026, 6, 1), "date", "June 1, 2026"), ("soon", "date", "soon"), ("0003", "text", "0003"),
])
def test_cell(value: object, kind: str, shown: str) -> None:
    assert tables.cell(value, kind) == shown


def test_dates_follow_the_language() -> None:
    assert tables.cell("2026-01-30", "date", "es") == "30 de enero de 2026"


def test_intervals_and_percents() -> None:
    assert tables.interval(0.9, 5.3) == "0.9 to 5.3"
    assert tables.interval(-2.2, 4.6, signed=True) == "−2.2 to +4.6"
    assert tables.interval(0.142, 0.176, 1, share=True) == "14.2 to 17.6"
    assert tables.interval(None, 2) == "–" and tables.percent(0.2296, 1) == "23.0%" and tables.percent(None) == "–"


def test_an_unknown_kind_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="decimal1"):
        tables.cell(1, "decimal")


@pytest.mark.parametrize(("text", "shown"), [
    ("abc\u202egnp.exe", "abcgnp.exe"), ("zero\u200bwidth", "zerowidth"), ("\x1b[31mred\x07", "[31mred"),
    ("a\tb\r\nc", "a b\nc"), ("e\u0301", "é"), ("\u2066x\u2069", "x"), ("\ufeffid", "id"), ("José Ñ", "José Ñ"),
])
def test_plain_takes_out_what_cannot_be_seen(text: str, shown: str) -> None:
    assert tables.plain(text) == shown
