"""Dates as people write them. Each different text is read once; what cannot be settled is asked for, never guessed."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

OPEN_END = dt.date.max
"""What 9999 stands for: no end yet."""

_ISO = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)\s*(?:Z|[+-]\d\d:?\d\d)?)?"
)
_PARTS = re.compile(
    r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{4}|\d{2})(?:[T ]+(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:[AaPp]\.?[Mm]\.?)?))?"
)
_DAY_NAME = re.compile(r"(\d{1,2})[- /.]*(?:de )?([^\W\d]{3,12})\.?[- /,.]*(?:de )?(\d{4}|\d{2})")
_NAME_DAY = re.compile(r"([^\W\d]{3,12})\.?[- /]*(\d{1,2})(?:st|nd|rd|th)?,?[- /]*(\d{4}|\d{2})")
_SERIAL = re.compile(r"(\d{5})(?:\.0+)?")
_EIGHT = re.compile(r"(\d{8})(?:\.0+)?")
_ZERO = re.compile(r"0?1/0?0/1900|0{4}-0{2}-0{2}|0{1,2}/0{1,2}/0{4}|1900-01-00|1899-12-3[01]|1900-01-01")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january", "ene", "enero"),
            ("feb", "february", "febrero"),
            ("mar", "march", "marzo"),
            ("apr", "april", "abr", "abril"),
            ("may", "mayo"),
            ("jun", "june", "junio"),
            ("jul", "july", "julio"),
            ("aug", "august", "ago", "agosto"),
            ("sep", "sept", "september", "septiembre"),
            ("oct", "october", "octubre"),
            ("nov", "november", "noviembre"),
            ("dec", "december", "dic", "diciembre"),
        ),
        start=1,
    )
    for name in names
}
_EXCEL_ZERO = dt.date(1899, 12, 30)


@dataclass(frozen=True)
class ReadDate:
    """What one text means. value None and no fault: blank. form: how it was written; mend and fault in words."""

    value: dt.date | None = None
    form: str = ""
    mend: str = ""
    fault: str = ""


def orders_shown(values: Iterable[str]) -> set[str]:
    """Which orders of day and month the texts prove: a first part above 12 is a day, a second part above 12 too."""
    found = set()
    for value in values:
        if parts := _PARTS.fullmatch(value.strip()):
            first, second = int(parts[1]), int(parts[3])
            if first > 12 >= second:
                found.add("day_first")
            if second > 12 >= first:
                found.add("month_first")
    return found


def is_ambiguous(value: str) -> bool:
    """Could be read as day/month and as month/day, and the two differ."""
    parts = _PARTS.fullmatch(value.strip())
    if not parts or parts[4] == "9999":
        return False
    first, second = int(parts[1]), int(parts[3])
    return 1 <= first <= 12 and 1 <= second <= 12 and first != second


def all_serials(values: Iterable[str]) -> bool:
    """Every filled text is an Excel day number (30000 to 60000)."""
    filled = [value.strip() for value in values if value.strip()]
    return bool(filled) and all((m := _SERIAL.fullmatch(v)) and 30000 <= int(m[1]) <= 60000 for v in filled)


def eight_digit_order(values: Iterable[str]) -> str:
    """Whether eight digits are written yyyymmdd or mmddyyyy: the reading that makes a date of all of them."""
    texts = [m[1] for value in values if (m := _EIGHT.fullmatch(value.strip()))]
    forms = {
        "ymd": lambda t: (t[:4], t[4:6], t[6:]),
        "mdy": lambda t: (t[4:], t[:2], t[2:4]),
        "dmy": lambda t: (t[4:], t[2:4], t[:2]),
    }
    fits = {name: sum(_date(*cut(text)) is not None for text in texts) for name, cut in forms.items()}
    return max(fits, key=lambda name: fits[name])


def read_dates(values: Sequence[str], counts: Sequence[int], order: str) -> list[ReadDate]:
    """Each different text of a column as a date. order: month_first or day_first where slashes are used, or "".

    A text in another form than the column's most common one, a two-digit year or an Excel number is mended.
    """
    serial, eight = all_serials(values), eight_digit_order(values)
    read = [_one(value.strip(), order, serial, eight) for value in values]
    forms: Counter[str] = Counter()
    for found, count in zip(read, counts, strict=True):
        forms[found.form] += int(count) if found.form else 0
    usual = forms.most_common(1)[0][0] if forms else ""
    return [
        ReadDate(found.value, found.form, "a date written in another form than the rest of its column")
        if found.form and not found.mend and found.form != usual
        else found
        for found in read
    ]


def _one(text: str, order: str, serial: bool, eight: str) -> ReadDate:
    if not text:
        return ReadDate()
    if _ZERO.fullmatch(text):
        return ReadDate(mend="a zero date, read as blank")
    for reader in (_read_iso, _read_parts, _read_named, _read_digits):
        found = reader(text, order=order, serial=serial, eight=eight)
        if found:
            return found
    return ReadDate(fault="a date that cannot be read")


def _date(year: str | int, month: str | int, day: str | int) -> dt.date | None:
    number = int(year) + (0 if len(str(year)) == 4 else 2000 if int(year) < 70 else 1900)
    if number == 9999:
        return OPEN_END
    try:
        found = dt.date(number, int(month), int(day))
    except ValueError:
        return None
    return found if 1900 <= number <= 2200 else None


def _made(value: dt.date | None, form: str, year: str, clock: str | None) -> ReadDate:
    if value is None:
        return ReadDate(fault="a date that does not exist")
    if value == OPEN_END:
        return ReadDate(value, "", "an end in the year 9999, read as open")
    if len(year) == 2:
        return ReadDate(value, form, "a year of two digits")
    if clock and clock.strip(" 0:.") not in ("", "12 AM", "12:00:00 AM"):
        return ReadDate(value, form, "a time of day after the date, dropped")
    return ReadDate(value, form)


def _read_iso(text: str, **_: object) -> ReadDate | None:
    found = _ISO.fullmatch(text)
    return _made(_date(found[1], found[2], found[3]), "ymd", found[1], found[4]) if found else None


def _read_parts(text: str, *, order: str, **_: object) -> ReadDate | None:
    found = _PARTS.fullmatch(text)
    if not found:
        return None
    first, second = int(found[1]), int(found[3])
    day_first = order == "day_first" or (not order and first > 12)
    month, day = (second, first) if day_first else (first, second)
    return _made(_date(found[4], month, day), "dmy" if day_first else "mdy", found[4], found[5])


def _read_named(text: str, **_: object) -> ReadDate | None:
    if (found := _DAY_NAME.fullmatch(text)) and found[2].casefold() in _MONTHS:
        return _made(_date(found[3], _MONTHS[found[2].casefold()], found[1]), "d month y", found[3], None)
    if (found := _NAME_DAY.fullmatch(text)) and found[1].casefold() in _MONTHS:
        return _made(_date(found[3], _MONTHS[found[1].casefold()], found[2]), "month d y", found[3], None)
    return None


def _read_digits(text: str, *, serial: bool, eight: str, **_: object) -> ReadDate | None:
    if serial and (found := _SERIAL.fullmatch(text)):
        return ReadDate(_EXCEL_ZERO + dt.timedelta(days=int(found[1])), "serial", "an Excel day number")
    if found := _EIGHT.fullmatch(text):
        t = found[1]
        cut = {"ymd": (t[:4], t[4:6], t[6:]), "mdy": (t[4:], t[:2], t[2:4]), "dmy": (t[4:], t[2:4], t[:2])}[eight]
        return _made(_date(*cut), f"{eight}8", cut[0], None)
    return None
