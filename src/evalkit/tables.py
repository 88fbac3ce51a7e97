"""How a value is shown: by the kind of its column. Display only, nothing is rounded before it is shown."""

from __future__ import annotations

import math
import unicodedata
from datetime import date, datetime
from typing import Any

import pandas as pd

from evalkit.errors import must_be_one_of

MINUS, NOTHING = "−", "–"
DECIMALS = {"integer": 0, "decimal1": 1, "decimal2": 2, "decimal3": 3, "signed0": 0, "signed1": 1, "signed2": 2,
            "percent": 0, "percent1": 1}
KINDS = (*DECIMALS, "text", "status", "number_text", "p_value", "date")
_MONTHS = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December"),
    "es": ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
           "noviembre", "diciembre"),
}


def plain(text: object) -> str:
    """`text` without control characters, zero-width characters and direction overrides; NFC; tabs become spaces."""
    if isinstance(text, str) and text.isascii() and text.isprintable():  # nearly every text: nothing to mend
        return text
    known = unicodedata.normalize("NFC", str(text).replace("\t", " ").replace("\r\n", "\n"))
    return "".join(c for c in known if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn"))


def is_missing(value: Any) -> bool:
    """True for None, NaN, NaT and NA."""
    return value is None or (not isinstance(value, str | list | tuple | dict) and bool(pd.isna(value)))


def number(value: Any, decimals: int = 0, *, signed: bool = False) -> str:
    """A number with thousands commas and a true minus sign; a missing one is an en dash."""
    if is_missing(value) or not math.isfinite(float(value)):
        return NOTHING
    text = f"{float(value):,.{decimals}f}"
    if not any(c in "123456789" for c in text):
        return text.lstrip("-")
    return text.replace("-", MINUS) if text.startswith("-") else ("+" if signed else "") + text


def percent(value: Any, decimals: int = 0) -> str:
    """A share of 0 to 1 as "23.0%"."""
    return NOTHING if is_missing(value) else number(100 * float(value), decimals) + "%"


def interval(low: Any, high: Any, decimals: int = 1, *, signed: bool = False, share: bool = False) -> str:
    """Both ends as "0.9 to 5.3"; `share` multiplies by 100."""
    if is_missing(low) or is_missing(high):
        return NOTHING
    factor = 100 if share else 1
    return f"{number(factor * low, decimals, signed=signed)} to {number(factor * high, decimals, signed=signed)}"


def p_value(value: Any) -> str:
    """Three decimals, "<0.001" below that."""
    if is_missing(value):
        return NOTHING
    return "<0.001" if float(value) < 0.001 else f"{float(value):.3f}"


def long_date(value: Any, language: str = "en") -> str:
    """January 30, 2026 (30 de enero de 2026); what is no date stays as it is."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value[:10])
        except ValueError:
            return plain(value)
    if is_missing(value) or not isinstance(value, date | datetime):
        return NOTHING
    if language == "es":
        return f"{value.day} de {_MONTHS['es'][value.month - 1]} de {value.year}"
    return f"{_MONTHS['en'][value.month - 1]} {value.day}, {value.year}"


def is_numeric(kind: str) -> bool:
    """Whether a column of this kind is set right, in tabular figures."""
    return kind in DECIMALS or kind in ("number_text", "p_value")


def default_unit(kind: str) -> str:
    """The unit a kind carries when its column names none: percents stand without a sign in their cells."""
    return "%" if kind.startswith("percent") else ""


def cell(value: Any, kind: str = "text", language: str = "en") -> str:
    """One cell as text. kind: see KINDS."""
    must_be_one_of("A column's kind", kind, KINDS)
    if is_missing(value):
        return NOTHING
    if isinstance(value, str) and kind != "date":
        return plain(value)
    if kind in DECIMALS:
        shown = 100 * float(value) if kind.startswith("percent") else value
        return number(shown, DECIMALS[kind], signed=kind.startswith("signed"))
    if kind == "p_value":
        return p_value(value)
    return long_date(value, language) if kind == "date" else plain(value)
