"""One text -> one value, for each kind of column. Asked once for each different text, never once a row."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from evalkit.config import end_year
from evalkit.rules import to_units
from evalkit.schemas import Field
from evalkit.vocabulary import plain, spellings

BLANK_WORDS = {"na", "n/a", "null", "none", "nan", "-", "--", ".", "#n/a", "missing", "unknown"}
SUPPRESSED = {"s", "*", "**", "ns", "ds", "-9999", "-6666", "suppressed"}
YES = {"true", "yes", "y", "1", "t", "si", "sí", "1.0"}
NO = {"false", "no", "n", "0", "f", "0.0"}
_EXCEL_TEXT = re.compile(r'^="(.*)"$|^"="(.*)""$', re.S)
_LESS_THAN = re.compile(r"^[<>≤≥]\s*=?\s*\d+%?$")
_SPACES = " \t\r\n\u00a0\u2007\u202f\ufeff"


@dataclass(frozen=True)
class Cell:
    """What one text means: a value (None is blank), what was mended, or why it cannot be used."""

    value: Any = None
    mend: str = ""
    fault: str = ""
    units: int | None = None
    unknown: bool = False


Reader = Callable[[str], Cell]


def _stripped(text: str) -> tuple[str, str]:
    """The text without Excel's ="..." and spaces around, and what was mended."""
    mend = ""
    if found := _EXCEL_TEXT.match(text.strip(_SPACES)):
        text, mend = found[1] if found[1] is not None else found[2], 'Excel\'s ="..." around a value, taken off'
    trimmed = text.strip(_SPACES)
    return trimmed, mend or ("spaces around a value, taken off" if trimmed != text else "")


def read_id(text: str, *, width: int = 0) -> Cell:
    """An id: its text, zeros kept, NFC, plain letters only. width: pad numeric ids with zeros, when asked."""
    if text.isascii() and text.isalnum() and not width:
        return Cell(text)
    value, mend = _stripped(text)
    if not value:
        return Cell()
    composed = unicodedata.normalize("NFC", value)
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp") for letter in composed):
        return Cell(fault="an id with control or invisible letters")
    if any(letter.isspace() and letter != " " for letter in composed):
        return Cell(fault="an id with unusual spaces inside")
    if width and composed.isdigit() and len(composed) < width:
        return Cell(composed.zfill(width), f"an id filled up with zeros to {width} digits (id_width)")
    return Cell(composed, "letters of an id put in standard form (NFC)" if composed != value else mend)


def read_text(text: str) -> Cell:
    """Free text: kept as it is, spaces around taken off without a word."""
    value = text.strip(_SPACES)
    return Cell(value or None)


def read_code(text: str, names: dict[str, str], extra: dict[str, str]) -> Cell:
    """A code of a list of allowed values, by any known spelling; without a list, the trimmed text."""
    value, _ = _stripped(text)
    if not value:
        return Cell()
    if not names:
        return Cell(unicodedata.normalize("NFC", value))
    found = extra.get(plain(value)) or names.get(plain(value))
    return Cell(found) if found else Cell(value, unknown=True)


def read_bool(text: str) -> Cell:
    """true/false, yes/no, y/n, 1/0 in any case."""
    word = text.strip(_SPACES).casefold()
    if not word:
        return Cell()
    if word in YES or word in NO:
        return Cell(word in YES)
    if word in BLANK_WORDS:
        return Cell(mend="a word for missing, read as blank")
    return Cell(fault="a value that is neither yes nor no")


def read_school_year(text: str) -> Cell:
    """The END year as text: 2024-25, 24/25 and 2025 are all 2025."""
    value, mend = _stripped(text)
    if not value:
        return Cell()
    year = end_year(value)
    return Cell(str(year), mend) if year else Cell(fault="a school year that cannot be read")


def parse_number(text: str, *, decimal_comma: bool) -> tuple[Decimal | None, str]:
    """A number and what was mended: %, thousands commas, decimal commas. None when it is no number."""
    value, mend = _stripped(text)
    if value.endswith("%"):
        inner, _ = parse_number(value[:-1], decimal_comma=decimal_comma)
        return (inner / 100 if inner is not None else None), "a % sign, read as a share"
    if re.fullmatch(r"[+-]?\d+(\.\d*)?|[+-]?\.\d+", value):
        return Decimal(value), mend
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", value) and not (decimal_comma and value.count(",") == 1):
        return Decimal(value.replace(",", "")), "commas between thousands, taken off"
    if re.fullmatch(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+", value):
        return Decimal(value.replace(".", "").replace(",", ".")), "a decimal comma"
    if re.fullmatch(r"[+-]?\d(\.\d+)?[eE][+-]?\d{1,2}", value):
        return Decimal(value), "a number in scientific form"
    return None, mend


def uses_decimal_comma(values: tuple[str, ...]) -> bool:
    """A column writes 1,5 for one and a half: some value can be nothing else."""
    return any(
        re.fullmatch(r"\s*[+-]?(\d*,(\d{1,2}|\d{4,})|0,\d+|\d{1,3}(\.\d{3})+,\d+)\s*%?\s*", value) for value in values
    )


def read_number(text: str, field: Field, *, decimal_comma: bool) -> Cell:
    """A number in the field's range; suppression marks and words for missing are blank, never 0."""
    word = text.strip(_SPACES).casefold()
    if not word:
        return Cell()
    if word in SUPPRESSED or _LESS_THAN.match(word):
        return Cell(mend="a mark for a hidden value, read as missing")
    if word in BLANK_WORDS:
        return Cell(mend="a word for missing, read as blank")
    minutes = _minutes(word) if "min" in field.unit else None
    number, mend = (
        (Decimal(minutes), "minutes in words or hours")
        if minutes is not None
        else parse_number(text, decimal_comma=decimal_comma)
    )
    if number is None:
        return Cell(fault="a number that cannot be read")
    if problem := _out_of_range(number, field):
        return Cell(fault=problem)
    if field.kind == "int":
        return Cell(int(number), mend) if number == int(number) else Cell(fault="a part of a whole number")
    units = to_units(number, thirds=field.exact == "part") if field.exact else None
    return Cell(float(number), mend, units=units)


def _minutes(word: str) -> int | None:
    """Minutes from "90 min", "1:30" or "1.5 h"."""
    if found := re.fullmatch(r"(\d{1,4})\s*m(?:in(?:ute)?s?)?\.?", word):
        return int(found[1])
    if found := re.fullmatch(r"(\d{1,2}):([0-5]\d)(?::00)?(?:\s*h(?:ours?)?)?", word):
        return 60 * int(found[1]) + int(found[2])
    if found := re.fullmatch(r"(\d{1,2}(?:\.\d+)?)\s*h(?:(?:ou)?rs?)?\.?", word):
        return round(60 * float(found[1]))
    return None


def _out_of_range(number: Decimal, field: Field) -> str:
    try:
        low, high = field.lowest.lstrip(">"), field.highest
        if low and (number < Decimal(low) or (field.lowest.startswith(">") and number == Decimal(low))):
            return "a negative number" if number < 0 else f"a number below {low}"
        if high and number > Decimal(high):
            return f"a number above {high}"
    except InvalidOperation:
        return "a number that cannot be read"
    return ""


def reader_for(field: Field, *, width: int, decimal_comma: bool, extra: dict[str, str]) -> Reader:
    """The reader of a column that holds no dates."""
    names = spellings(field.choices) if field.choices else {}
    if field.name == "school_year":
        return read_school_year
    return {
        "id": lambda text: read_id(text, width=width if field.name == "student_id" else 0),
        "code": lambda text: read_code(text, names, extra),
        "text": read_text,
        "list": read_text,
        "bool": read_bool,
        "int": lambda text: read_number(text, field, decimal_comma=decimal_comma),
        "num": lambda text: read_number(text, field, decimal_comma=decimal_comma),
    }[field.kind]
