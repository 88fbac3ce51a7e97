"""Measures of attendance, each with its page in docs/measures: integers decide, shares are shown."""

from evalkit.measures.bands import (
    BANDS,
    CHRONIC_BANDS,
    ada,
    add_rates,
    band,
    band_flows,
    breakdown,
    fraction_of,
    is_chronic,
    reaches,
    school_measures,
)
from evalkit.measures.outcomes import DOMAIN, NO_OUTCOME, OUTCOMES, Outcome, count_outcome, outcome_row
from evalkit.measures.signals import (
    days_left,
    early_warning,
    first_crossing,
    momentum,
    recent_window,
    streaks,
)
from evalkit.measures.years import persistence, pre_post_rates, prior_rates, same_day_last_year

MEASURES = {
    "absence_rate": "days missed over days enrolled", "band": "the five bands of days missed",
    "is_chronic": "missed 10 % or more of days enrolled, for any reason",
    "is_severe": "missed 20 % or more of days enrolled", "is_satisfactory": "missed under 5 % of days enrolled",
    "absent_days": "days missed", "excused_days": "days missed that are marked excused",
    "unexcused_days": "days missed that are not marked excused", "suspended_days": "days missed by suspension",
    "tardy_days": "days with a tardy", "ada": "average daily attendance of a school or share of days in school",
    "early_warning": "W2, M1, M2 and 2m flags with their dates",
    "first_crossing": "the date days missed first reached 10 %", "days_left": "days still missable under 10 %",
    "streaks": "consecutive school days missed", "recent_window": "days missed in the last 10 school days (pulse)",
    "momentum": "the last 20 school days against the 20 before",
    "persistence": "years in a row chronically absent", "pre_post_rates": "rates before and after a start date",
    "band_flows": "moves between bands", "same_day_last_year": "the same school day last year",
    "breakdown": "bands by any student column, in the DATT's order"}
"""Name of each measure and what it says, for `evalkit list measures`."""

__all__ = ["BANDS", "CHRONIC_BANDS", "DOMAIN", "MEASURES", "NO_OUTCOME", "OUTCOMES", "Outcome", "ada", "add_rates",
           "band", "band_flows", "breakdown", "count_outcome", "days_left", "early_warning", "first_crossing",
           "fraction_of", "is_chronic", "momentum", "outcome_row", "persistence", "pre_post_rates", "prior_rates",
           "reaches", "recent_window", "same_day_last_year", "school_measures", "streaks"]
