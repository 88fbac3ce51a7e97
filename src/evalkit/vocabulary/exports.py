"""How strangers' exports usually spell columns and codes, as rows: for `evalkit new`, always to be confirmed."""

from __future__ import annotations

import re
from functools import cache

from evalkit.vocabulary import plain, rows_of_file


@cache
def column_names() -> dict[str, dict[str, tuple[str, bool]]]:
    """table -> a column's usual spelling in exports, made plain -> (canonical column, sure).

    sure is False for a spelling that can mean other things too (marked ? in the file).
    """
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for row in rows_of_file("column_names.csv", "table,column,aliases", "table,column"):
        of_table = found.setdefault(row["table"], {})
        for spelling in (row["column"], *row.several("aliases")):
            sure = not spelling.endswith("?")
            of_table.setdefault(plain(spelling), (row["column"], sure))
    return found


@cache
def code_words() -> tuple[tuple[re.Pattern[str], str], ...]:
    """(what a code's description holds, the word of [codes]) in the order to ask; for `evalkit new`."""
    rows = rows_of_file("code_words.csv", "in_description,meaning", "in_description")
    return tuple((re.compile(row["in_description"], re.I), row["meaning"]) for row in rows)


@cache
def usual_codes() -> dict[str, str]:
    """Attendance code in capitals -> the word of [codes] it usually means; for `evalkit new`, always to confirm."""
    return {row["code"]: row["meaning"] for row in rows_of_file("usual_codes.csv", "code,meaning", "code")}
