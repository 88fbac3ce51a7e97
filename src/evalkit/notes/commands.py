"""What `evalkit notes` does, verb by verb. Each returns the lines to show; nothing is printed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError, must_be_one_of
from evalkit.notes import rows

MORE = "See evalkit notes --help."
Values = Mapping[str, str]


def run_verb(verb: str, study: Path, words: Sequence[str], values: Values, *, month: str = "") -> list[str]:
    """Do one verb (list, add, close, propose, accept, take, changed); returns what to tell the person.

    words: the table, action id, proposals or finished run it is about; values: NAME=VALUE pairs. A word, value or month
    that the verb has no use for is refused.
    """
    must_be_one_of("verb", verb, tuple(VERBS))
    if month and verb not in ("propose", "accept"):
        raise UsageError("--month goes with propose and accept.")
    return VERBS[verb](study, list(words), values, month)


def _list(study: Path, words: list[str], values: Values, month: str) -> list[str]:
    _no_more(values, words)
    return _said(rows.open_actions(study).to_dict("records")) or ["No action is open."]


def _add(study: Path, words: list[str], values: Values, month: str) -> list[str]:
    table = _one(words, f"table ({', '.join(rows.TABLES)})")
    row = rows.add_note(study, table, values)
    return [f"Added to notes/{table}.csv{': ' + row[table + '_id'] if table + '_id' in row else ''}."]


def _close(study: Path, words: list[str], values: Values, month: str) -> list[str]:
    row = rows.close_action(study, _one(words, "action's id"), values)
    return [f"{row['action_id']} is {row['status']}. A row was added to notes/action.csv."]


def _propose(study: Path, words: list[str], values: Values, month: str) -> list[str]:
    _no_more(values, words)
    return _said(_proposed(study, month)) or ["Nothing is proposed for this month."]


def _accept(study: Path, words: list[str], values: Values, month: str) -> list[str]:
    """Named proposals, or all of them; NAME=VALUE (owner, due_on) stands in each."""
    found = {row["action_id"]: row for row in _proposed(study, month)}
    for name in words:
        must_be_one_of("proposal", name, tuple(found))
    if "action_id" in values:
        raise UsageError("A proposal keeps its id.", remedy="Leave action_id out.")
    asked = list(dict.fromkeys(words)) or list(found)
    made = rows.accept_actions(study, [{**found[name], **values} for name in asked])
    return [f"{len(made)} actions were copied to notes/action.csv; {len(asked) - len(made)} were there already."]


def _take(study: Path, words: list[str], values: Values, month: str) -> list[str]:
    """The rows marked yes in a month's tables/proposals.csv, as a person edited them."""
    _no_more(values)
    added, known = rows.take_proposals(study, _one(words, "edited tables/proposals.csv"))
    return [f"{added} rows were added to notes/; {known} marked rows were there already."]


def _changed(study: Path, words: list[str], values: Values, month: str) -> list[str]:
    _no_more(values)
    found = rows.what_changed(study, _one(words, "folder of a finished monthly review"))
    return [f"{'all schools' if row['school_id'] is None else 'school ' + row['school_id']}, {row['measure']}: "
            f"said {row['said']}, now {row['now']}" for row in found] or [
        "Today's files give the same numbers for that date."]


VERBS: Mapping[str, Callable[[Path, list[str], Values, str], list[str]]] = {
    "list": _list, "add": _add, "close": _close, "propose": _propose, "accept": _accept, "take": _take,
    "changed": _changed}


def _proposed(study: Path, month: str) -> list[dict[str, str]]:
    from evalkit.reports.month_proposals import proposals
    from evalkit.study import open_study

    return proposals(open_study(study, month=month or None))


def _said(actions: Sequence[Mapping[str, Any]]) -> list[str]:
    """An action a line: id, what, who, by when."""
    from evalkit.tables import is_missing, long_date, plain

    lines = []
    for row in actions:
        owner = "no owner yet" if is_missing(row.get("owner")) else plain(row["owner"])
        due = "" if is_missing(row.get("due_on")) else f", due {long_date(row['due_on'])}"
        lines.append(f"{row['action_id']}: {'' if is_missing(row['what']) else plain(row['what'])} ({owner}{due})")
    return lines


def _one(words: list[str], what: str) -> str:
    if len(words) != 1:
        raise UsageError(f"This needs one {what}.", remedy=MORE)
    return words[0]


def _no_more(values: Values, words: Sequence[str] = ()) -> None:
    if values or words:
        raise UsageError("That is more than this command takes.", remedy=MORE)
