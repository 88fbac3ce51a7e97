"""Protect what goes out: tables, single numbers, sentences. For the team nothing is hidden, the type is the same."""

from __future__ import annotations

import string
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.disclosure.cells import Cells, Layout, lay_out, to_base, total_rows
from evalkit.disclosure.hide import choose_hidden, hide_what_undoes_rounding
from evalkit.disclosure.ladder import LadderShare
from evalkit.disclosure.types import HIDDEN, WITHHELD, Released, ReleasedNumbers, ReleasedRows, ReleasedText
from evalkit.errors import DisclosureStop, must_be_one_of

AUDIENCES = ("team", "partner", "public")
TEAM_RULE = "Team copy: nothing is hidden."
NEAREST_TEN = "Group sizes here are to the nearest ten."
_Label = Any
"""A column's name as the key of a mapping: any hashable. Mapping is invariant in its key, so Hashable refuses str."""


@dataclass(frozen=True)
class TableRequest:
    """One table to release; the fields are the arguments of `release_table`.

    Four more ties an attacker would use. within: a count column -> the count column its students are part of, where no
    share is shown (those left over are a group too). alone: the rows (schools) have copies of their own, so each is
    protected as if it stood alone and only totals are hidden for the sake of others. steps: count columns whose rows
    hold one another (a flow, monthly looks): a row that differs from a later one by fewer than the minimum is hidden.
    about: counts a figure rests on, shown to the nearest ten, because near-equal groups stand in other tables.
    also: row number -> columns to hide because another table hides them.
    """

    name: str
    frame: pd.DataFrame
    keys: Sequence[Hashable]
    counts: Sequence[Hashable]
    shares: Mapping[_Label, tuple[Hashable, Hashable]] = field(default_factory=dict)
    plain: Mapping[_Label, Hashable] = field(default_factory=dict)
    total: Any = None
    parts: Mapping[_Label, tuple[Hashable, ...]] = field(default_factory=dict)
    within: Mapping[_Label, Hashable] = field(default_factory=dict)
    alone: bool = False
    steps: Sequence[Hashable] = ()
    about: Sequence[Hashable] = ()
    also: Mapping[int, Collection[Hashable]] = field(default_factory=dict)


def release_table(name: str, frame: pd.DataFrame, *, keys: Sequence[Hashable], counts: Sequence[Hashable],
                  shares: Mapping[_Label, tuple[Hashable, Hashable]] | None = None,
                  plain: Mapping[_Label, Hashable] | None = None, total: Any = None,
                  parts: Mapping[_Label, tuple[Hashable, ...]] | None = None,
                  within: Mapping[_Label, Hashable] | None = None, alone: bool = False,
                  steps: Sequence[Hashable] = (), about: Sequence[Hashable] = (),
                  also: Mapping[int, Collection[Hashable]] | None = None, privacy: Any = None,
                  audience: str) -> Released:
    """One table with small groups hidden and nothing left to subtract. Grain: as `frame`, whose rows stay in order.

    keys: columns that name the row (shown as they are). counts: columns of numbers of students. shares: a share column
    -> its (numerator, denominator) count columns. plain: any other figure (a mean, days) -> the count column it rests
    on. total: the label in a key column that marks a total row (missing marks one too). parts: a count column -> the
    columns that add up to it, where that is not plain from the numbers. within, alone, steps, about, also: see
    TableRequest. privacy: the study's `config.privacy` (min_cell, protect_width, rounding_base).
    Every column must be named once; for partner and public an unnamed one is refused. See `hide` for the rule.
    """
    request = TableRequest(name, frame, tuple(keys), tuple(counts), dict(shares or {}), dict(plain or {}), total,
                           dict(parts or {}), dict(within or {}), alone, tuple(steps), tuple(about),
                           dict(also or {}))
    return release_tables([request], privacy=privacy, audience=audience)[0]


def release_tables(requests: Sequence[TableRequest], *, privacy: Any = None, audience: str) -> list[Released]:
    """Several tables protected together: the same group in two of them is one cell, hidden in both or in neither."""
    must_be_one_of("audience", audience, AUDIENCES)
    if audience == "team":
        return [_as_it_is(request, audience) for request in requests]
    settings = Settings.of(privacy, audience)
    layouts = [_layout(request) for request in requests]
    cells = lay_out(layouts)
    start, settled = _settled(requests, layouts, cells, settings)
    hidden = choose_hidden(cells, min_cell=settings.min_cell, protect_width=settings.width, start=start,
                           settled=settled)
    if settings.base > 1:
        hidden = hide_what_undoes_rounding(cells, hidden, base=settings.base, protect_width=settings.width)
    shown = [to_base(value, settings.base) for value in cells.values]
    found = []
    for number, request in enumerate(requests):
        places = {place[1:]: cell for place, cell in cells.places.items() if place[0] == number}
        marks = {place: bool(hidden[cell]) for place, cell in places.items()}
        values = {place: shown[cell] for place, cell in places.items()} if settings.base > 1 else {}
        found.append(_released(request, marks, values, settings))
    return found


@dataclass(frozen=True)
class Settings:
    """The study's [privacy] for one audience. base: 1 rounds nothing."""

    min_cell: int
    width: float
    base: int
    audience: str

    @classmethod
    def of(cls, privacy: Any, audience: str) -> Settings:
        return cls(getattr(privacy, "min_cell", 10), getattr(privacy, "protect_width", 5),
                   getattr(privacy, "rounding_base", 1), audience)


def _settled(requests: Sequence[TableRequest], layouts: Sequence[Layout], cells: Cells,
             settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """(hidden, decided) for the rows of `alone` tables: each row is decided as in the copy that holds only that row."""
    start, settled = np.zeros(len(cells.values), bool), np.zeros(len(cells.values), bool)
    for number, (request, layout) in enumerate(zip(requests, layouts, strict=True)):
        for row, columns in request.also.items():
            start[[cells.places[number, row, c] for c in columns if (number, row, c) in cells.places]] = True
        if not request.alone:
            continue
        for row in np.flatnonzero(~total_rows(layout)).tolist():
            own = lay_out([replace(layout, frame=layout.frame.iloc[[row]].reset_index(drop=True), total=None)])
            hidden = choose_hidden(own, min_cell=settings.min_cell, protect_width=settings.width)
            for (_, _, column), cell in own.places.items():
                place = cells.places[number, row, column]
                start[place], settled[place] = hidden[cell], True
    return start, settled


def _layout(request: TableRequest) -> Layout:
    """The request as the attacker's model; columns nobody accounted for are refused."""
    frame = request.frame.reset_index(drop=True)
    ratios = tuple(dict.fromkeys([*((top, whole) for top, whole in request.shares.values()), *request.within.items()]))
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
    return Released(request.name, frame, hidden, TEAM_RULE, audience, ReleasedNumbers(rows=_records(frame)))


def _released(request: TableRequest, marks: Mapping[tuple[int, Hashable], bool],
              values: Mapping[tuple[int, Hashable], int], settings: Settings) -> Released:
    """The frame with hidden cells missing: a share falls with either of its counts, a mean with its count."""
    frame = request.frame.reset_index(drop=True).copy()
    hidden = pd.DataFrame(False, index=frame.index, columns=frame.columns)
    for row in range(len(frame)):
        for column in _gone(request, frame, marks, row, settings):
            hidden.loc[row, column] = True
    frame = _coarser(request, frame, values, settings)
    if settings.audience == "public":
        _climb_ladder(request, frame, hidden, settings)
    for column in frame.columns:
        frame[column] = _without(frame[column], hidden[column].to_numpy(bool), column in request.counts)
    return Released(request.name, frame, hidden, _rule(hidden, request, settings), settings.audience,
                    ReleasedNumbers(rows=_records(frame)))


def _gone(request: TableRequest, frame: pd.DataFrame, marks: Mapping[tuple[int, Hashable], bool], row: int,
          settings: Settings) -> set[Hashable]:
    """The columns hidden in one row."""
    gone = {column for (r, column), is_hidden in marks.items() if r == row and is_hidden}
    gone |= set(request.also.get(row, ())) & set(frame.columns)
    gone |= {figure for figure, count in request.plain.items()
             if count in gone or _is_few(frame, row, count, settings.min_cell)}
    gone |= {column for column in request.steps if _is_near_a_later_row(frame[column], row, settings.min_cell)}
    return gone | {share for share, pair in request.shares.items() if gone & set(pair)}


def _is_near_a_later_row(column: pd.Series, row: int, least: int) -> bool:
    """Whether this row and one that stays after it differ by a few students, who could be subtracted out."""
    counts = column.to_list()
    kept: list[float] = []
    for number in range(len(counts) - 1, -1, -1):
        near = pd.notna(counts[number]) and any(0 < abs(counts[number] - other) < least for other in kept)
        if number == row:
            return near
        if not near and pd.notna(counts[number]):
            kept.append(counts[number])
    return False


def _coarser(request: TableRequest, frame: pd.DataFrame, values: Mapping[tuple[int, Hashable], int],
             settings: Settings) -> pd.DataFrame:
    """Counts, shares and other figures as coarse as [privacy] rounding_base asks; `about` counts to the nearest ten."""
    for (row, column), value in values.items():
        frame.loc[row, column] = value
    if values:
        for share, (top, bottom) in request.shares.items():
            below = pd.to_numeric(frame[bottom], errors="coerce").astype("float64")
            frame[share] = (pd.to_numeric(frame[top], errors="coerce").astype("float64") / below.where(below > 0)
                            ).clip(upper=1)
        for figure in request.plain:
            if pd.api.types.is_numeric_dtype(frame[figure]):
                frame[figure] = [two_digits(value) for value in frame[figure]]
    for column in request.about:
        base = max(10, settings.base)
        frame[column] = [value if pd.isna(value) else to_base(int(value), base) for value in frame[column]]
    return frame


def two_digits(value: Any) -> Any:
    """A figure to two significant digits, so that no count can be had back from it."""
    return value if pd.isna(value) else float(f"{float(value):.2g}")


def _climb_ladder(request: TableRequest, frame: pd.DataFrame, hidden: pd.DataFrame, settings: Settings) -> None:
    """Public shares: whole percents; hidden where the ladder has only a range (small groups, near 0 and 100)."""
    for share, (_, bottom) in request.shares.items():
        for row in range(len(frame)):
            value, n = frame[share].iloc[row], frame[bottom].iloc[row]
            if pd.isna(value) or pd.isna(n) or hidden.loc[row, share]:
                continue
            rung = LadderShare(float(value), int(n), min_cell=settings.min_cell)
            hidden.loc[row, share] = not rung.is_exact
            frame.loc[row, share] = float(rung)


def _is_few(frame: pd.DataFrame, row: int, count: Hashable, min_cell: int) -> bool:
    value = frame[count].iloc[row]
    return bool(pd.isna(value)) or int(value) < min_cell


def _without(column: pd.Series, gone: np.ndarray, is_count: bool) -> pd.Series:
    """The column with hidden values missing; nothing of them stays behind in the frame."""
    column = column.astype("Int64") if is_count else column
    return column.mask(gone) if gone.any() else column


def _rule(hidden: pd.DataFrame, request: TableRequest, settings: Settings) -> str:
    """The rule in a sentence, for the note under the table."""
    body = hidden[[column for column in hidden.columns if column not in request.keys]].to_numpy()
    least = settings.min_cell
    if body.size and body.all():
        return f"{WITHHELD}the groups are so small (under {least}) that showing any could point to a student."
    text = f"No group here is smaller than {least} students." if not body.any() else (
        f'"{HIDDEN}" stands for groups under {least} students, and for numbers that would let a reader '
        "work one of them out.")
    if settings.base > 1:
        text += f" Numbers of students are rounded to {settings.base}, each by itself; parts may not add up to a total."
    return text + (f" {NEAREST_TEN}" if request.about else "")


def _records(frame: pd.DataFrame) -> ReleasedRows:
    """Rows as plain values for results.json; None where hidden."""
    return ReleasedRows(ReleasedNumbers((str(key), plain_value(value)) for key, value in row.items())
                        for row in frame.to_dict("records"))


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
    settings = Settings.of(privacy, audience)
    least = settings.min_cell
    gone = {key: audience != "team" and _rests_on_few(n, least) for key, (_, n) in numbers.items()}
    shown = ReleasedNumbers((key, None if gone[key] else _number_for(plain_value(value), n, settings))
                            for key, (value, n) in numbers.items())
    frame = pd.DataFrame({"key": list(shown), "value": pd.Series(list(shown.values()), dtype=object)})
    hidden = pd.DataFrame({"key": False, "value": list(gone.values())}, index=frame.index)
    rule = f'"{HIDDEN}" stands for a number that rests on fewer than {least} students.'
    return Released(name, frame, hidden, TEAM_RULE if audience == "team" else rule, audience, shown)


def _number_for(value: Any, n: Any, settings: Settings) -> Any:
    """One figure as coarse as its audience may see it: rounded counts, and for the public the percent ladder."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if settings.audience == "team" or n is None or not is_number:
        return value
    pair = (int(n[0]), int(n[1])) if isinstance(n, tuple) and len(n) == 2 and n[1] else None
    is_share = pair is not None and isinstance(value, float) and abs(value - pair[0] / pair[1]) < 1e-9
    if settings.base > 1:
        if is_share and pair is not None:
            value = min(1.0, to_base(pair[0], settings.base) / max(to_base(pair[1], settings.base), settings.base))
        else:
            value = to_base(value, settings.base) if isinstance(value, int) else two_digits(value)
    return LadderShare(value, pair[1], min_cell=settings.min_cell) if is_share and pair and \
        settings.audience == "public" else value


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
