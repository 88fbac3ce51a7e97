"""What an attendance code means under the rules: one row per code (and school, where districts differ)."""

from __future__ import annotations

import pandas as pd

from evalkit.panel.calendar import column_of, units_of
from evalkit.rules import Rules

COLUMNS = ["code_local", "code_row", "code_status", "code_units", "code_out", "code_tardy", "code_excused",
           "suspension", "pattern"]
_HOME = r"home\W*bound|hospital|home\W+instruction"


def read_codes(table: pd.DataFrame, schools: pd.DataFrame, rules: Rules, *, school_year: int) -> pd.DataFrame:
    """The code table as the panel uses it; `school_id` is a column only where districts have tables of their own."""
    rows = _of_year(table, school_year).reset_index(drop=True)
    status, text = column_of(rows, "status").fillna(""), column_of(rows, "description").fillna("").str.lower()
    codes = pd.DataFrame({
        "code_local": column_of(rows, "code_local").fillna(""), "code_status": status,
        "code_units": units_of(rows, "counts_absent"),
        "code_tardy": _flag(rows, "is_tardy") | status.eq("Tardy"),
        "code_excused": _flag(rows, "is_excused") | status.eq("ExcusedAbsence"),
        "pattern": column_of(rows, "pattern")})
    home = text.str.contains(_HOME) & (rules.homebound == "include")
    enrolled = column_of(rows, "counts_enrolled", "boolean").fillna(True).astype(bool)
    codes["code_out"] = (~enrolled | status.eq("NotExpected")) & ~home
    codes["code_status"] = status.mask(home & status.eq("NotExpected"), "")
    codes["suspension"] = _suspension(rows, codes, text)
    codes["district_id"] = column_of(rows, "district_id").fillna("")
    return _per_school(codes, schools)


def _of_year(table: pd.DataFrame, school_year: int) -> pd.DataFrame:
    """The rows of the year; a code without a row of that year keeps its latest earlier one, else the earliest."""
    year = pd.to_numeric(column_of(table, "school_year"), errors="coerce")
    distance = (school_year - year).where(year <= school_year, 10_000 + year - school_year).fillna(0)
    keys = [column for column in ("district_id", "code_local") if column in table]
    order = distance.sort_values(kind="stable").index
    return table.loc[order].drop_duplicates(keys).sort_index()


def _flag(rows: pd.DataFrame, column: str) -> pd.Series:
    return column_of(rows, column, "boolean").fillna(False).astype(bool)


def _suspension(rows: pd.DataFrame, codes: pd.DataFrame, text: pd.Series) -> pd.Series:
    """out (of school), in (school) or blank. In-school: says so, or the code does not count as absent."""
    is_suspension = _flag(rows, "is_suspension")
    said = text.str.contains(r"\bin\W*school\b|\biss\b") | codes["pattern"].eq("present_iss")
    inside = said | codes["code_status"].eq("Present") | codes["code_units"].fillna(1).eq(0)
    return pd.Series("", index=rows.index, dtype="str").mask(is_suspension, "out").mask(is_suspension & inside, "in")


def _per_school(codes: pd.DataFrame, schools: pd.DataFrame) -> pd.DataFrame:
    """One table serves all; where several stand in it, a school takes its own district's rows before the shared ones.

    Shared: rows without a district, as those of [codes] in study.toml. Last, as in `sources.codes`, any other's.
    """
    if codes["district_id"].nunique() <= 1 or not len(schools):
        whole = codes.sort_values("district_id", kind="stable").drop_duplicates("code_local").sort_index()
        return whole.assign(code_row=range(len(whole)))[COLUMNS]
    home = pd.DataFrame({"school_id": schools["school_id"], "home": column_of(schools, "district_id").fillna("")})
    whole = home.merge(codes, how="cross")
    rank = pd.Series(2, index=whole.index).mask(whole["district_id"] == "", 1)
    rank = rank.mask(whole["district_id"] == whole["home"], 0)
    whole = whole.loc[rank.sort_values(kind="stable").index].drop_duplicates(["school_id", "code_local"]).sort_index()
    return whole.assign(code_row=range(len(whole)))[["school_id", *COLUMNS]]
