"""What all exports together say: the school year, the order of day and month, which school a student is at."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from evalkit.config import end_year
from evalkit.errors import UsageError, UserError
from evalkit.intake.names import Guess
from evalkit.sources.cells import read_id
from evalkit.sources.dates import is_ambiguous, orders_shown, read_dates

DATES = ("date", "entry_date", "exit_date", "begin_date", "end_date", "period_start", "period_end")


@dataclass(frozen=True)
class Facts:
    """school_of: student as written -> its one school. only_school: the one school of all exports, or "". confirm:
    sentences about what was guessed."""

    school_year: int
    date_order: str
    school_of: dict[str, str] = field(default_factory=dict)
    only_school: str = ""
    confirm: tuple[str, ...] = ()


def facts_of(guesses: Sequence[Guess], school_year: str) -> Facts:
    """Work them out; refuses where no export holds a year and none was given."""
    every = (_filled(guess, name) for guess in guesses for name in DATES if name in guess.columns)
    columns = [cells for cells in every if cells]
    year, why = _year(guesses, columns, school_year)
    order, told = _order(columns, year)
    school_of, only = _schools(guesses)
    confirm = [why, told]
    if only:
        confirm.append("school: all exports name one school, so files without a school column are taken to be its own")
    return Facts(year, order, school_of, only, tuple(line for line in confirm if line))


def _filled(guess: Guess, name: str) -> list[str]:
    return [cell.strip() for cell in guess.cells(name) if cell.strip()]


def end_years(texts: Iterable[str], order: str = "month_first") -> Counter[int]:
    """How many dates lie in each school year (named by its end year; it begins in July)."""
    counts = Counter(texts)
    read = read_dates(list(counts), list(counts.values()), order)
    found: Counter[int] = Counter()
    for one, n in zip(read, counts.values(), strict=True):
        if one.value is not None and one.value.year < 9000:
            found[school_year_of(one.value)] += n
    return found


def plain_id(text: str) -> str:
    """An id as the study will read it (without Excel's ="..." and spaces)."""
    return str(read_id(text).value or text.strip())


def school_year_of(day: dt.date) -> int:
    """The year in which the school year of a date ends (July begins a new one)."""
    return day.year + (day.month >= 7)


def _year(guesses: Sequence[Guess], columns: Sequence[Sequence[str]], given: str) -> tuple[int, str]:
    if given:
        year = end_year(given)
        if year is None:
            raise UsageError("school-year is not a school year evalkit can read.",
                             remedy="Write the year it ends in: --school-year 2026.")
        return year, ""
    stated: Counter[int] = Counter()
    for guess in guesses:
        if guess.table != "prior_year":
            stated.update(year for cell in _filled(guess, "school_year") if (year := end_year(cell)))
    dated: Counter[int] = Counter()
    for cells in columns:
        dated += end_years(cells)
    for source, words in ((dated, "most dates lie in it"), (stated, "the exports name it")):
        if source:
            return source.most_common(1)[0][0], f"school_year: {words}"
    raise UserError("No export holds a date with a year, so the school year is not known.",
                    remedy="Say it: evalkit new FOLDER --from EXPORTS --school-year 2026 (the year it ends in).")


def _order(columns: Sequence[Sequence[str]], year: int) -> tuple[str, str]:
    """The order of day and month, where dates need one, and the reason; "" where it cannot be told."""
    open_ones = [cells for cells in columns if len(orders_shown(cells)) != 1 and any(map(is_ambiguous, cells))]
    if not open_ones:
        return "", ""
    outside = {order: sum(n for cells in columns for found, n in end_years(cells, order).items() if found != year)
               for order in ("month_first", "day_first")}
    shown = set().union(*(orders_shown(cells) for cells in columns))
    for order, other in (("month_first", "day_first"), ("day_first", "month_first")):
        if outside[order] < outside[other] and other not in shown:
            return order, f"date_order: read as {order.replace('_', ' ')}, as more dates then lie in the school year"
    return "", ('date_order: some dates can be read as month/day and as day/month; write date_order = "month_first" '
                'or "day_first" under [study]')


def _schools(guesses: Sequence[Guess]) -> tuple[dict[str, str], str]:
    found: dict[str, set[str]] = {}
    every: set[str] = set()
    for guess in guesses:
        if "school_id" not in guess.columns:
            continue
        schools = [plain_id(cell) for cell in guess.cells("school_id")]
        every |= {school for school in schools if school}
        for student, school in zip(guess.cells("student_id"), schools, strict=True):
            if (name := plain_id(student)) and school:
                found.setdefault(name, set()).add(school)
    one = {student: min(schools) for student, schools in found.items() if len(schools) == 1}
    return one, min(every) if len(every) == 1 else ""
