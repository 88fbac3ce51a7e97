"""Numbers, dates and intervals as a person would say them, in US English or Spanish."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources

import pandas as pd

from evalkit.errors import must_be_one_of

LANGUAGES = ("en", "es")
MINUS = "\N{MINUS SIGN}"
_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@cache
def string_table(language: str = "en") -> dict:
    """Every fixed string of a language, by key. A key that Spanish lacks is a fault, found by a test."""
    must_be_one_of("language", language, LANGUAGES)
    text = resources.files("evalkit.wording").joinpath(f"{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def say(key: str, language: str = "en", **values) -> str:
    """The string of a key ("band.severe") with its values filled in. An unknown key raises KeyError."""
    found = string_table(language)
    for part in key.split("."):
        found = found[part]
    return str(found).format(**values)


def date_words(day, language: str = "en", *, year: bool = True) -> str:
    """January 30, 2026 (en); 30 de enero de 2026 (es). A missing date is "not given"."""
    if day is None or pd.isna(day):
        return say("words.not_given", language)
    day = pd.Timestamp(day)
    month = string_table(language)["months"][day.month - 1]
    return say("words.date" if year else "words.date_short", language, month=month, day=day.day, year=day.year)


def month_words(day, language: str = "en", *, year: bool = False) -> str:
    """January, or January 2026."""
    day = pd.Timestamp(day)
    name = string_table(language)["months"][day.month - 1]
    return f"{name} {day.year}" if year else name


def count_words(n: int) -> str:
    """Counts under ten in words where a sentence begins or runs; else digits with a comma at thousands."""
    return _SMALL[n] if 0 <= n < len(_SMALL) else f"{n:,}"


def number(value: float | None, digits: int = 0) -> str:
    """1,234 or 2.1, with a true minus sign; a missing number is "not known"."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return "not known"
    text = f"{abs(value):,.{digits}f}"
    return (MINUS if value < 0 and float(text.replace(",", "")) else "") + text


def percent(share: float | None, digits: int = 0) -> str:
    """23.0% from 0.23."""
    return "not known" if share is None or pd.isna(share) else f"{number(100 * share, digits)}%"


def plural(n: float, one: str, many: str = "") -> str:
    """1 student, 2 students: the number with its word."""
    return f"{number(n)} {one if n == 1 else many or one + 's'}"


def days(value: float, digits: int | None = None) -> str:
    """9 days, 1 day, 8.5 days: whole numbers without a decimal, parts of days with one."""
    if digits is None:
        digits = 0 if float(value).is_integer() else 1
    text = number(value, digits)
    return f"{text} day" if text == "1" else f"{text} days"


def missed_days(absent: float, enrolled: float, *, share: bool = True) -> str:
    """missed 9 of 60 days (15%)"""
    text = f"missed {number(absent, 0 if float(absent).is_integer() else 1)} of {days(enrolled)}"
    return f"{text} ({percent(absent / enrolled)})" if share and enrolled else text


def between(low: float, high: float, unit: str = "days", digits: int = 0) -> str:
    """between 1 and 5 days; across zero the two ends are named: between 1 day fewer and 5 days more"""
    if low < 0 < high:
        return f"between {_end(low, unit, digits)} fewer and {_end(high, unit, digits)} more"
    least, most = sorted((abs(low), abs(high)))
    word = "fewer " + unit if high <= 0 and low < 0 else unit
    return f"between {number(least, digits)} and {number(most, digits)} {word}"


def _end(value: float, unit: str, digits: int) -> str:
    """5 days; an end that rounds to nothing keeps its side: under 1 day (or under 0.1 days)"""
    one = unit[:-1] if unit.endswith("s") else unit
    text = number(abs(value), digits)
    if not float(text.replace(",", "")):
        return f"under {number(10.0**-digits, digits)} {unit if digits else one}"
    return f"{text} {one if text == '1' else unit}"


def listed(parts: Iterable[str], joiner: str = "and") -> str:
    """a, b and c"""
    parts = [str(part) for part in parts]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {joiner} {parts[-1]}" if parts else ""


def grade_words(code: object) -> str:
    """The short grade as a team says it: K, 3, PK; a missing one is "grade not given"."""
    if code is None or pd.isna(code):
        return "grade not given"
    text = str(code)
    return {"KG": "K"}.get(text, text.lstrip("0") or text)


def title_case_limit(words: Sequence[str] | str, most: int = 12) -> bool:
    """Whether a title keeps to `most` words."""
    return len(words.split() if isinstance(words, str) else words) <= most
