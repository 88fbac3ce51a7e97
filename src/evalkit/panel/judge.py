"""Who can be judged, and who reached a share of days missed: whole numbers decide, never a rounded rate."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import UserError
from evalkit.rules import UNITS_PER_DAY, Rules


def fraction_of(share: float) -> Fraction:
    """A threshold written in decimals as the exact fraction it means: 0.1 is one tenth."""
    return Fraction(Decimal(str(share)))


def reaches(absent: Any, enrolled: Any, share: float, *, inclusive: bool = True) -> np.ndarray:
    """True where absent / enrolled is at least `share` (above it, if not inclusive), in whole numbers."""
    edge = fraction_of(share)
    left = np.asarray(absent, dtype="int64") * edge.denominator
    right = np.asarray(enrolled, dtype="int64") * edge.numerator
    return left >= right if inclusive else left > right


def can_be_judged(frame: pd.DataFrame, rules: Rules) -> np.ndarray:
    """Rows whose days enrolled are known, above 0, and reach the rules' minimum."""
    for name in ("enrolled_units", "absent_units"):
        if name not in frame:
            raise UserError(f"The table has no column {name}.", column=name,
                            remedy="Start from student_panel, month_panel or window_panel.")
    enrolled, absent = (whole_units(frame, name) for name in ("enrolled_units", "absent_units"))
    days = whole_units(frame, "n_days") if "n_days" in frame else enrolled // UNITS_PER_DAY
    present = enrolled - absent >= rules.min_days_present * UNITS_PER_DAY
    return (enrolled > 0) & (days >= rules.min_days_enrolled) & (present | (rules.min_days_present == 0))


def whole_units(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A column of whole numbers, 0 where it is not known."""
    column = frame[name]
    return column.fillna(0).to_numpy("int64") if column.hasnans else column.to_numpy("int64")


def is_chronic(frame: pd.DataFrame, *, rules: Rules) -> pd.Series:
    """True where a row missed the chronic threshold's share of days enrolled (10 % or more); missing where unknown."""
    known = can_be_judged(frame, rules)
    flag = reaches(whole_units(frame, "absent_units"), whole_units(frame, "enrolled_units"), rules.threshold,
                   inclusive=rules.inclusive)
    return pd.Series(pd.arrays.BooleanArray(flag, ~known), index=frame.index, name="is_chronic")
