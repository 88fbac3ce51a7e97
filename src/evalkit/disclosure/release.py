"""Protect what goes out: tables, single numbers, sentences. For the team nothing is hidden, the type is the same."""

from __future__ import annotations

import string
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit.disclosure.cells import Layout, lay_out
from evalkit.disclosure.hide import choose_hidden
from evalkit.disclosure.types import HIDDEN, Released, ReleasedText
from evalkit.errors import DisclosureStop, must_be_one_of

AUDIENCES = ("team", "partner", "public")
TEAM_RULE = "Team copy: nothing is hidden."


@dataclass(frozen=True)
class TableRequest:
    """One table to release; the fields are the arguments of `release_table`."""

    name: str
    frame: pd.DataFrame
    keys: Sequence[Hashable]
    counts: Sequence[Hashable]
    shares: Mapping[Hashable, tuple[Hashable, Hashable]] = field(default_factory=dict)
    plain: Mapping[Hashable, Hashable] = field(default_factory=dict)
    total: Any = None
    parts: Mapping[Hashable, tuple[Hashable, ...]] = field(default_factory=dict)


def release_table(name: str, frame: pd.DataFrame, *, keys: Sequence[Hashable], counts: Sequence[Hashable],
                  shares: Mapping[Hashable, tuple[Hashable, Hashable]] | None = None,
                  plain: Mapping[Hashable, Hashable] | None = None, total: Any = None,
                  parts: Mapping[Hashable, tuple[Hashable, ...]] | None = None, privacy: Any = None,
                  audience: str) -> Released:
    """One table with small groups hidden and nothing left to subtract. Grain: as `frame`, whose rows stay in order.

    keys: columns that name the row (shown as they are). counts: columns of numbers of students. shares: a share column
    -> its (numerator, denominator) count columns. plain: any other figure (a mean, days) -> the count column it rests
    on. total: the label in a key column that marks a total row (missing marks one too). parts: a count column -> the
    columns that add up to it, where that is not plain from the numbers. privacy: the study's `config.privacy`.
    Every column must be named once; for partner and public an unnamed one is refused. See `hide` for the rule.
    """
    request = TableRequest(name, frame, tuple(keys), tuple(counts), dict(shares or {}), dict(plain or {}), total,
                           dict(parts or {}))
    return release_tables([request], privacy=privacy, audience=audience)[0]


def release_tables(requests: Sequence[TableRequest], *, privacy: Any = None, audience: str) -> list[Released]:
    """Several tables protected together: the same group in two of them is one cell, hidden in both or in neither."""
    must_be_one_of("audience", audience, AUDIENCES)
    if audience == "team":
        return [_as_it_is(request, audience) for request in requests]
    min_cell, width = getattr(privacy, "min_cell", 10), getattr(privacy, "protect_width", 5)
    layouts = [_layout(request) for request in requests]
    cells = lay_out(layouts)
    hidden = choose_hidden(cells, min_cell=min_cell, protect_width=width)
    marks = [{place[1:]: bool(hidden[cell]) for place, cell in cells.places.items() if place[0] == number}
             for number in range(len(layouts))]
    return [_released(request, mark, min_cell, audience) for request, mark in zip(requests, marks, strict=True)]


def _layout(request: TableRequest) -> Layout:
    """The request as the attacker's model; columns nobody accounted for are refused."""
    frame = request.frame.reset_index(drop=True)
    ratios = tuple(dict.fromkeys(tuple(pair) for pair in request.shares.values()))
    counts = tuple(dict.fromkeys([*request.counts, *(column for pair in ratios for column in pair)]))
    named = {*request.keys, *counts, *request.shares, *request.plain}
    missing = [str(column) for column in named if column not in frame.columns]
    extra = [str(column) for column in frame.columns if column not in named]
    if missing or extra:
        culprits = [*(f"not in the table: {c}" for c in missing), *(f"not named: {c}" for c in extra)]
        raise DisclosureStop(f'The table "{request.name}" has columns that disclosure control was not told about.',
                             culprits=culprits,
                             remedy="This is a fault in the report's recipe: please report it.")
    _must_be_counts(frame, counts, request.name)
    return Layout(request.name, frame, tuple(request.keys), counts, ratios, request.total, request.parts)


def _must_be_counts(frame: pd.DataFrame, counts: Sequence[Hashable], name: str) -> None:
    for column in counts:
        numbers = pd.to_numeric(frame[column], errors="coerce").dropna().to_numpy(float)
        if (numbers < 0).any() or not np.equal(numbers, np.round(numbers)).all():
            raise DisclosureStop(f'The column "{column}" of the table "{name}" does not hold counts.',
                                 remedy="This is a fault in the report's recipe: please report it.")


def _as_it_is(request: TableRequest, audience: str) -> Released:
    frame = request.frame.reset_index(drop=True).copy()
    hidden = pd.DataFrame(False, index=frame.index, columns=frame.columns)
    return Released(request.name, frame, hidden, TEAM_RULE, audience, {"rows": _records(frame)})


def _released(request: TableRequest, mark: Mapping[tuple[int, Hashable], bool], min_cell: int,
              audience: str) -> Released:
    """The frame with hidden cells missing: a share falls with either of its counts, a mean with its count."""
    frame = request.frame.reset_index(drop=True).copy()
    hidden = pd.DataFrame(False, index=frame.index, columns=frame.columns)
    for row in range(len(frame)):
        gone = {column for (r, column), is_hidden in mark.items() if r == row and is_hidden}
        gone |= {share for share, pair in request.shares.items() if gone & set(pair)}
        gone |= {figure for figure, count in request.plain.items()
                 if count in gone or _is_few(frame, row, count, min_cell)}
        for column in gone:
            hidden.loc[row, column] = True
    for column in frame.columns:
        frame[column] = _without(frame[column], hidden[column].to_numpy(bool), column in request.counts)
    return Released(request.name, frame, hidden, _rule(hidden, request, min_cell), audience, {"rows": _records(frame)})


def _is_few(frame: pd.DataFrame, row: int, count: Hashable, min_cell: int) -> bool:
    value = frame[count].iloc[row]
    return bool(pd.isna(value)) or int(value) < min_cell


def _without(column: pd.Series, gone: np.ndarray, is_count: bool) -> pd.Series:
    """The column with hidden values missing; nothing of them stays behind in the frame."""
    column = column.astype("Int64") if is_count else column
    return column.mask(gone) if gone.any() else column


def _rule(hidden: pd.DataFrame, request: TableRequest, min_cell: int) -> str:
    """The rule in a sentence, for the note under the table."""
    body = hidden[[column for column in hidden.columns if column not in request.keys]].to_numpy()
    if body.size and body.all():
        return f"Withheld: the groups are so small (under {min_cell}) that showing any could point to a student."
    if not body.any():
        return f"No group here is smaller than {min_cell} students."
    return (f'"{HIDDEN}" stands for groups under {min_cell} students, and for numbers that would let a reader '
            "work one of them out.")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values for results.json; None where hidden."""
    return [{str(key): plain_value(value) for key, value in row.items()} for row in frame.to_dict("records")]


def plain_value(value: Any) -> Any:
    """A value as JSON can hold it; missing is None."""
    if isinstance(value, list | tuple | dict):
        return value
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def release_numbers(name: str, numbers: Mapping[str, tuple[Any, Any]], *, privacy: Any = None,
                    audience: str) -> Released:
    """Single figures, each with the number of students it rests on. Grain: one row per key.

    numbers: key -> (value, n). n is a count; (numerator, denominator) for a share, whose complement counts too; a list
    of counts that must all be large enough (an estimate: one per arm); or None for a figure that is not about students.
    """
    must_be_one_of("audience", audience, AUDIENCES)
    least = getattr(privacy, "min_cell", 10)
    gone = {key: audience != "team" and _rests_on_few(n, least) for key, (_, n) in numbers.items()}
    shown = {key: None if gone[key] else plain_value(value) for key, (value, _) in numbers.items()}
    frame = pd.DataFrame({"key": list(shown), "value": pd.Series(list(shown.values()), dtype=object)})
    hidden = pd.DataFrame({"key": False, "value": list(gone.values())}, index=frame.index)
    rule = f'"{HIDDEN}" stands for a number that rests on fewer than {least} students.'
    return Released(name, frame, hidden, TEAM_RULE if audience == "team" else rule, audience, shown)


def _rests_on_few(n: Any, least: int) -> bool:
    if n is None:
        return False
    if isinstance(n, tuple) and len(n) == 2:
        n = [*n, n[1] - n[0]]
    counts = n if isinstance(n, list) else [n]
    return any(pd.isna(count) or count < least for count in counts)


class _Words(string.Formatter):
    """Fills a template; a hidden number becomes the word "hidden" whatever format was asked for."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return HIDDEN if value is None else super().format_field(value, format_spec)


def release_text(template: str, numbers: Released | Mapping[str, Any], *, otherwise: str = "") -> ReleasedText:
    """A sentence with `{key}` filled from released numbers (`{n:,}` and other format marks work).

    otherwise: the sentence to use, itself holding no number, when one that the template needs is hidden.
    """
    values = numbers.numbers if isinstance(numbers, Released) else _only_released(numbers)
    needed = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    if otherwise and any(values.get(name) is None for name in needed):
        return ReleasedText(otherwise)
    return ReleasedText(_Words().vformat(template, (), values))


def _only_released(numbers: Mapping[str, Any]) -> Mapping[str, Any]:
    """A mapping may hold released texts only: a bare number has not been through the gate."""
    culprits = [key for key, value in numbers.items() if not isinstance(value, ReleasedText)]
    if culprits:
        raise DisclosureStop("A sentence was to be filled with values that did not pass disclosure control.",
                             culprits=culprits, remedy="This is a fault in the report's recipe: please report it.")
    return numbers


def plain_text(text: str) -> ReleasedText:
    """A fixed sentence that holds nothing taken from students' records (a definition, a date, a school's name)."""
    return ReleasedText(text)
