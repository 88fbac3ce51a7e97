"""Words of the impact study: columns, checks and their sentences as a reader who is no statistician says them."""

from __future__ import annotations

import re

from evalkit.measures import outcome_row

COVARIATES = {
    "prior_absence_rate": "Days missed last year",
    "pre_absence_rate": "Days missed this year, before the start",
    "grade_level": "Grade",
    "english_learner": "English learner",
    "disability_idea": "Special education",
    "econ_disadvantaged": "Economic disadvantage",
    "homeless": "Housing: moving often",
    "distance": "Chance of having a mentor",
    "school_id": "School",
}

THIN = ("So few clusters carry the interval (fewer than four degrees of freedom) that neither it nor its p can be "
        "relied on.")

TITLES = {
    "pre_trend": "Moving alike before the start",
    "placebo_date": "A gap before anyone had a mentor",
    "placebo_outcome": "A gap mentors cannot have made",
    "estimand_shift": "Who the result is about",
    "attrition": "Students lost on the way",
    "regression_to_the_mean": "Change that comes anyway",
    "school_clusters": "Whole schools as the unit",
    "leave_one_school_out": "Without one school at a time",
    "specification_curve": "Other reasonable analyses",
    "spillover": "Living with a mentored student",
    "dosage": "More contacts, better attendance",
    "rosenbaum": "A hidden difference within pairs",
    "e_value": "A hidden common cause (E-value)",
    "sensemakr": "A hidden cause, by what we know",
    "power": "How small an effect could be seen",
    "overlap": "Somebody comparable for everyone",
    "balance": "Alike at the start",
}


def no_number(is_team: bool) -> str:
    """What stands where a row has no number: in a figure, and explained in its note."""
    return "too few" if is_team else "not shown"


def too_few_note(is_team: bool, least: int) -> str:
    """The note that explains `no_number`."""
    return f"“{no_number(is_team).capitalize()}”: under {least} students on a side."


def check_title(name: str) -> str:
    """What a check asks, in a few words."""
    text = TITLES.get(name, name.replace("_", " "))
    return text[:1].upper() + text[1:]


def column_word(name: str) -> str:
    """A covariate or an outcome inside a sentence."""
    row = outcome_row(name)
    label = row.label if row else COVARIATES.get(name, name.replace("_", " "))
    return label if label.startswith("English") else label[:1].lower() + label[1:]


def worded(text: str) -> str:
    """A sentence of a check with columns in the words of the pages and true minus signs."""
    for name in sorted(COVARIATES, key=len, reverse=True):
        label = column_word(name)
        text = re.sub(rf'"{name}(?:_(?:missing|[A-Z0-9]{{2}}))?"|\b{name}\b', label, text)
    text = text.replace("treated students", "mentored students").replace("Treated students", "Mentored students")
    text = text[:1].upper() + text[1:]
    return re.sub(r"(?<![\w.)-])-(?=\d)", "−", text)
