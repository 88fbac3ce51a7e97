"""The study's memory: STUDY/notes/<table>.csv, appended to and never rewritten; the last row of an id wins.

This is the only place inside a study that evalkit writes, and only when asked by `evalkit notes`. A row that a person
typed stays byte for byte; closing an action appends a row.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit import files
from evalkit.errors import UsageError, UserError, must_be_one_of, nearest

TABLES = ("action", "plan_change", "insight")
PREFIX = {"action": "n", "insight": "i"}
_ENCODINGS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_BOM = "\ufeff"
_DATED = {"action": "decided_on", "plan_change": "changed_on", "insight": "date"}
_NEEDED = {"action": ("what",), "plan_change": ("what",), "insight": ("theme",)}
_WAIT, _PATIENCE = 0.05, 60.0


def add_note(folder: str | Path, table: str, values: Mapping[str, str], *,
             today: dt.date | None = None) -> dict[str, str]:
    """Append one row to STUDY/notes/<table>.csv and return it as written.

    table: action, plan_change or insight. values: column -> text; ids, dates (today) and status (open) are filled in
    when left out. Refuses an unknown column or code, a date not written YYYY-MM-DD, and text that Excel would run.
    """
    must_be_one_of("table", table, TABLES)
    row = check_values(table, values)
    row.setdefault(_DATED[table], (today or dt.date.today()).isoformat())
    if table == "action":
        row.setdefault("status", "open")
    missing = [name for name in _NEEDED[table] if name not in row]
    if missing:
        raise UsageError(f"The {table} has no {missing[0]}.", remedy=f'Add it: {missing[0]}="in a few words".')

    def rows(known: Any) -> list[dict[str, str]]:
        key = f"{table}_id"
        return [row if table not in PREFIX or key in row else {key: next_id(known[key], PREFIX[table]), **row}]

    return _append(_folder(folder), table, rows)[0]


def close_action(folder: str | Path, action_id: str, values: Mapping[str, str], *,
                 today: dt.date | None = None) -> dict[str, str]:
    """Append the action once more as done (or status=dropped), with the day it was closed and anything else given."""
    given = check_values("action", values)
    given.setdefault("status", "done")
    given.setdefault("closed_on", (today or dt.date.today()).isoformat())
    must_be_one_of("status", given["status"], ("done", "dropped"))

    def rows(known: Any) -> list[dict[str, str]]:
        found = known[known["action_id"].eq(action_id)]
        if found.empty:
            raise UsageError("No action has that id.", remedy="See the ids: evalkit notes STUDY list.")
        return [as_texts(found.iloc[-1]) | given | {"action_id": action_id}]

    return _append(_folder(folder), "action", rows)[0]


def accept_actions(folder: str | Path, proposed: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Copy proposals into STUDY/notes/action.csv; one whose id is there already is left as the person has it."""
    return _add_new(_folder(folder), "action", [check_values("action", row) for row in proposed])


def take_proposals(folder: str | Path, file: str | Path) -> tuple[int, int]:
    """Append the rows of a month's tables/proposals.csv that a person marked yes; (rows added, marked rows known).

    Each row goes to the table it names, in the person's words. One whose id (plan change: date and words) is in the
    notes already is left as it stands there, so the same file may be taken twice. Dates may be as Excel writes them.
    Nothing is written where a marked row cannot be; every such row is named.
    """
    from evalkit.config import read_config

    path = files.locate(file)
    found: dict[str, list[dict[str, str]]] = {table: [] for table in TABLES}
    faults: list[tuple[int, UserError]] = []
    table, order = _marked(path, read_config(_folder(folder)).date_order)
    for row in table.to_dict("records"):
        try:
            found[row["table"]].append(_taken(row, order))
        except UserError as problem:
            faults.append((row["row"], problem))
        except KeyError:
            faults.append((row["row"], UserError(f"The table is none of {', '.join(TABLES)}.", column="table",
                                                 remedy="Leave the column table as it was.")))
    if faults:
        row, first = faults[0]
        raise UserError(first.what, file=path.name, row=row, column=first.column, remedy=first.remedy,
                        culprits=[f"row {at}: {one.what}" for at, one in faults[1:]])
    added = sum(len(_add_new(_folder(folder), table, rows)) for table, rows in found.items() if rows)
    return added, sum(map(len, found.values())) - added


_TAKEN = {
    "action": {"id": "action_id", "date": "decided_on", "what": "what", "about": "about", "owner": "owner",
               "due_on": "due_on"},
    "plan_change": {"date": "changed_on", "what": "what", "why": "reason", "owner": "owner", "due_on": "check_back_on"},
    "insight": {"id": "insight_id", "date": "date", "what": "theme", "works": "works"}}
"""Column of tables/proposals.csv -> column of the notes table."""
_TAKEN_AS = {"action": {"status": "open"}, "insight": {"source_role": "other"}}
_KEYS = {"action": ("action_id",), "plan_change": ("changed_on", "what"), "insight": ("insight_id",)}
_YES = ("yes", "y", "x", "true", "1", "sí", "si")


def _taken(row: Mapping[str, Any], order: str) -> dict[str, str]:
    """One marked proposal as a row of its notes table; refused in the names of the file's own columns."""
    table = row["table"]
    given = {name: _day(row[name], name, order) if name in _DAYS else row[name] for name in _TAKEN[table]}
    values = {to: given[name] for name, to in _TAKEN[table].items() if given[name]}
    own = {to: name for name, to in _TAKEN[table].items()}
    try:
        checked = check_values(table, values | _TAKEN_AS.get(table, {}))
    except UsageError as problem:
        name, _, rest = problem.what.partition(" ")
        raise UserError(f"{own.get(name, name)} {rest}", column=own.get(name, ""), remedy=problem.remedy) from None
    for name in (*_KEYS[table], *_NEEDED[table]):
        if name not in checked:
            raise UserError(f"This {table} has no {own[name]}.", column=own[name],
                            remedy="Leave ids, dates and words in the file.")
    return checked


_DAYS = ("date", "due_on")


def _day(text: str, column: str, order: str) -> str:
    """A date as Excel may have rewritten it, as YYYY-MM-DD."""
    from evalkit.sources.dates import is_ambiguous, read_dates

    if not order and is_ambiguous(text):
        raise UserError(f"{column} can be read as month/day and as day/month.", column=column,
                        remedy='Write it as YYYY-MM-DD, or say in study.toml: [study] date_order = "month_first".')
    read = read_dates([text], [1], order)[0]
    if read.fault:
        raise UserError(f"{column} is not a date evalkit can read.", column=column,
                        remedy="Write it as YYYY-MM-DD, for example 2026-01-30, or as 1/30/2026.")
    return read.value.isoformat() if read.value else ""


def _marked(path: Path, order: str) -> tuple[Any, str]:
    """The rows of a filled-in proposals file under whose `keep` a person wrote yes, and the order of day and month in
    its dates: as study.toml says, else as any row of the file shows it."""
    from evalkit.sources.dates import orders_shown
    from evalkit.sources.filled_in import read_filled_in

    if not path.is_file():
        raise UserError("The proposals file was not found.", file=path.name,
                        remedy="Give tables/proposals.csv of a finished monthly review, or your copy of it.")
    table = read_filled_in(path, path.name, required=("keep", "table", "what"), optional=(
        "id", "date", "why", "owner", "due_on", "about", "works"),
        remedy="Start from tables/proposals.csv of a finished monthly review.")
    shown = set().union(*(orders_shown(table[name]) for name in _DAYS))
    return table[table["keep"].str.casefold().isin(_YES)], order or (shown.pop() if len(shown) == 1 else "")


def _add_new(folder: Path, table: str, rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Append the rows whose key the notes do not hold yet; of two alike in the file the first."""
    key = _KEYS[table]

    def new(known: Any) -> list[dict[str, str]]:
        seen = {tuple(as_texts(row).get(name, "") for name in key) for _, row in known[list(key)].iterrows()}
        chosen = {tuple(row[name] for name in key): row for row in reversed(rows)}
        return [chosen[at] for at in dict.fromkeys(tuple(row[name] for name in key) for row in rows) if at not in seen]

    return _append(folder, table, new)


def read_notes(folder: str | Path, table: str) -> Any:
    """Every row of a notes table, exports and notes together, the last row of an id. Grain: the table's key."""
    from evalkit.sources.noted import noted_table

    must_be_one_of("table", table, TABLES)
    return noted_table(_folder(folder), table)


def open_actions(folder: str | Path) -> Any:
    """Actions that nobody has closed, by due date. Grain: action_id."""
    table = read_notes(folder, "action")
    is_open = table["status"].fillna("open").eq("open") & table["closed_on"].isna()
    return table[is_open].sort_values(["due_on", "action_id"]).reset_index(drop=True)


def what_changed(folder: str | Path, run: str | Path) -> list[dict[str, Any]]:
    """What a finished monthly review said, beside the same date worked out from today's files, where they differ.

    Rows: school_id (None: all schools), measure, said, now. Late or corrected days of a new export show here. The past
    is recomputed, not remembered, so that no second copy of the data can drift from the first.
    """
    from evalkit.render.folder import read_run
    from evalkit.reports.month_facts import measure_rows
    from evalkit.study import open_study

    known = read_run(files.locate(run))
    said = known.results.get("measures")
    if known.manifest.get("report") != "monthly_review" or known.manifest.get("audience") != "team" or said is None:
        raise UsageError("That folder is no team copy of a monthly review.",
                         remedy="Give its folder, for example reports/STUDY/2026-01/monthly_review.")
    school = str(known.manifest["parameters"].get("school") or "")
    study = open_study(_folder(folder), as_of=str(known.results["as_of"])[:10], school=school or None)
    now = {row["school_id"]: row for row in measure_rows(study)}
    beside = [(row["school_id"], name, value, now.get(row["school_id"], {}).get(name))
              for row in said for name, value in row.items() if name != "school_id"]
    return [{"school_id": school, "measure": name, "said": before, "now": after}
            for school, name, before, after in beside if not _same(before, after)]


def _same(said: Any, now: Any) -> bool:
    if isinstance(said, float) and isinstance(now, int | float):
        return abs(said - now) < 1e-9
    return said == now


def check_values(table: str, values: Mapping[str, str]) -> dict[str, str]:
    """The values as they may be written; everything else is refused with the choices."""
    from evalkit.schemas import table as schema

    known = {field.name: field for field in schema(table).fields}
    checked = {}
    for name, value in values.items():
        if name not in known:
            near = nearest(name, known)
            hint = f'Did you mean "{near}"? ' if near else ""
            raise UsageError(f"{table} has no column of that name.", remedy=f"{hint}It has: {', '.join(known)}.")
        text = " ".join(str(value).split())
        if text:
            checked[name] = _checked(name, known[name], text)
    return checked


def _checked(name: str, field: Any, text: str) -> str:
    if field.kind == "date":
        try:
            return dt.date.fromisoformat(text).isoformat()
        except ValueError:
            raise UsageError(f"{name} is not a date evalkit can read.",
                             remedy="Write it as YYYY-MM-DD, for example 2026-01-30.") from None
    if field.allowed:
        must_be_one_of(name, text, tuple(field.allowed))
    plain = unicodedata.normalize("NFC", text)
    if unicodedata.normalize("NFKC", plain).startswith(("=", "+", "-", "@")):
        raise UsageError(f"{name} begins with a sign that Excel takes for a formula.", remedy="Begin with a word.")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") for c in plain) or len(plain) > 1000:
        raise UsageError(f"{name} holds characters that cannot be printed, or is longer than 1,000 letters.")
    return plain


def next_id(known: Any, prefix: str) -> str:
    """The next free id: n0001, n0002 ..."""
    taken = set(known.dropna())
    return next(name for n in range(1, len(taken) + 2) if (name := f"{prefix}{n:04d}") not in taken)


def as_texts(row: Any) -> dict[str, str]:
    """A canonical row as the texts of a csv; what is missing is left out."""
    from evalkit.tables import is_missing

    return {str(name): f"{value:%Y-%m-%d}" if hasattr(value, "year") else str(value)
            for name, value in row.items() if not is_missing(value) and not str(name).endswith("_units")}


def _folder(folder: str | Path) -> Path:
    path = files.locate(folder)
    if not path.is_dir():
        raise UserError("The study folder was not found.", file=f"{path.name}/",
                        remedy="Give the path of a study's folder.")
    return path


def _append(folder: Path, table: str, make: Callable[[Any], list[dict[str, str]]]) -> list[dict[str, str]]:
    """Make rows from what is known now and append them, nobody else writing in between."""
    path = folder / "notes" / f"{table}.csv"
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with files.held(path.with_name(f".{table}.lock"), what=f"notes/{table}.csv"):
                rows = make(read_notes(folder, table))
                if rows:
                    files.append_bytes(path, _lines(path, table, folder, rows), private=True)
                return rows
        except files.Held:
            if time.monotonic() > deadline:
                raise
            time.sleep(_WAIT)


def _lines(path: Path, table: str, folder: Path, rows: Sequence[Mapping[str, str]]) -> bytes:
    """The rows in the file's own encoding, delimiter and column order; a new file begins with a BOM for Excel."""
    from evalkit.config import read_config
    from evalkit.schemas import table as schema
    from evalkit.sources.canonical import known_names
    from evalkit.sources.text import plain_name

    if not path.exists() or not path.stat().st_size:
        columns = list(schema(table).columns)
        return (_BOM + _csv([columns, *_cells(rows, columns)], ",")).encode("utf-8")
    data = path.read_bytes()
    encoding, text = _decoded(data, path.name)
    head = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=head.count)
    known = known_names(table, read_config(folder))
    columns = [known.get(plain_name(name), "") for name in next(csv.reader([head], delimiter=delimiter))]
    lost = sorted({name for row in rows for name in row} - set(columns))
    if lost:
        raise UserError(f"The notes file has no column for: {', '.join(lost)}.", file=f"notes/{path.name}", row=1,
                        remedy="Add the column to its first line, then try again.")
    end = "\r\n" if "\r\n" in text else "\n"
    start = "" if text.endswith(("\n", "\r")) else end
    return (start + _csv(_cells(rows, columns), delimiter, end)).encode(encoding)


def _decoded(data: bytes, name: str) -> tuple[str, str]:
    for mark, encoding in _ENCODINGS:
        if data.startswith(mark):
            return encoding, data.decode(encoding, "replace").lstrip(_BOM)
    try:
        return "utf-8", data.decode("utf-8")
    except UnicodeDecodeError:
        raise UserError("The notes file is not UTF-8 text.", file=f"notes/{name}",
                        remedy='In Excel, save it as "CSV UTF-8".') from None


def _cells(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> list[list[str]]:
    return [[row.get(column, "") for column in columns] for row in rows]


def _csv(rows: Sequence[Sequence[str]], delimiter: str, end: str = "\n") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(rows)
    return out.getvalue()
