"""What a month's lists ask for, as actions a team may accept, change or leave. Counts only: no student is named."""

from __future__ import annotations

import pandas as pd

from evalkit.programme import mentors_without_logs
from evalkit.reports.month_lists import review_lists
from evalkit.reports.month_windows import review_window
from evalkit.wording import date_words, plural

DUE = pd.Timedelta(days=28)


def proposals(study) -> list[dict[str, str]]:
    """Proposed actions as rows of the action table, in a fixed order; ids are the month and a word (2026-01-meet).

    decided_on is as_of, due_on four weeks later, owner left to the team. An empty list in quiet months.
    """
    window = review_window(study)
    counts = {name: len(rows) for name, rows in review_lists(study, window).items()}
    counts["no_logs"] = len(mentors_without_logs(study, window.start, window.end)) if "contact" in study.can else 0
    said = [(word, about, text.format(n=_who(counts[name], name)))
            for name, word, about, text in ASKS if counts.get(name)]
    said += [(f"change-{day:%m%d}", "programme", f"Look back on the plan change of {date_words(day)}")
             for day in _due_changes(study)["changed_on"]]
    dates = {"decided_on": f"{study.as_of:%Y-%m-%d}", "due_on": f"{study.as_of + DUE:%Y-%m-%d}"}
    return [{"action_id": f"{study.as_of:%Y-%m}-{word}", "about": about, "what": text, "status": "open", **dates}
            for word, about, text in said]


ASKS = (
    ("escalations", "answer", "student", "Answer the mentors who asked for help with {n}"),
    ("reach_out_first", "visit", "student", "Check address and phone, then visit or call the families of {n}"),
    ("decide", "decide", "student", "Choose another kind of help for {n}: steady mentoring, no gain yet"),
    ("no_family_contact", "meet", "programme", "Help mentors meet the families of {n}"),
    ("no_logs", "logs", "mentor", "Ask {n} without notes this month how it goes"),
)


def _who(n: int, name: str) -> str:
    return plural(n, "mentor" if name == "no_logs" else "student")


def _due_changes(study) -> pd.DataFrame:
    """Plan changes whose day to look back fell within the last month."""
    table = study.table("plan_change")
    due = (table["check_back_on"] <= study.as_of) & (table["check_back_on"] > study.as_of - pd.Timedelta(days=31))
    return table[due].sort_values("changed_on").drop_duplicates("changed_on")
