"""What a month asks for, as rows a team may accept, change or leave: actions, plan changes, insights. Counts only: no
student is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from evalkit.programme import Element, fidelity, mentors_without_logs, referral_funnel
from evalkit.reports.month_lists import review_lists
from evalkit.reports.month_patterns import reason_label
from evalkit.reports.month_where import share_change
from evalkit.reports.month_windows import Window, review_window
from evalkit.wording import date_words, percent, plural, say

DUE = pd.Timedelta(days=28)
COLUMNS = ("keep", "table", "id", "date", "what", "why", "owner", "due_on", "about", "works")
"""tables/proposals.csv: `keep` is blank until a person writes yes; `evalkit notes STUDY take` reads the rest."""
WORK = ("a_greet", "b_call_absent", "d_meeting", "three_contacts")
"""Elements counted month by month on days or weeks, so that two months can be compared."""
FEW, WAITING = 30, 3


def proposals(study, lists: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
    """Proposed actions as rows of the action table, in a fixed order; ids are the month and a word (2026-01-meet).

    decided_on is as_of, due_on four weeks later, owner left to the team. An empty list in quiet months.
    """
    window = review_window(study)
    lists = review_lists(study, window) if lists is None else lists
    counts = {name: len(rows) for name, rows in lists.items()}
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


def moves(now: Iterable[Element], before: Iterable[Element]) -> list[tuple[str, float, float]]:
    """(element, share before, share now) of mentors' work that rose or fell by more than chance since the last window:
    Newcombe's 95 % interval excludes zero, with 30 days or weeks or more in both."""
    earlier, found = {element.code: element for element in before}, []
    for element in now:
        then = earlier.get(element.code)
        if element.code not in WORK or then is None or min(element.of or 0, then.of or 0) < FEW:
            continue
        low, high = share_change(int(element.n or 0), int(element.of or 0), int(then.n or 0), int(then.of or 0))
        if low > 0 or high < 0:
            found.append((element.code, float(then.share or 0), float(element.share or 0)))
    return found


def waiting_needs(study) -> list[tuple[str, int]]:
    """(need, referrals that wait) of needs with three or more waiting, most first."""
    if "referral" not in study.can:
        return []
    made = referral_funnel(study)
    made = made[made["state"].isin(["waitlisted", "unknown"]) & made["pattern"].notna()]
    counts = made.groupby("pattern").size()
    found = [(str(need), int(n)) for need, n in counts.items() if n >= WAITING]
    return sorted(found, key=lambda row: (-row[1], row[0]))


def work_words(study, now: Iterable[Element], before: Iterable[Element]) -> dict[str, list[str]]:
    """What works well, works less and could be done, as the data of the window say it: one line each."""
    said: dict[str, list[str]] = {"works_well": [], "works_less": [], "could_do": []}
    for code, then, share in moves(now, before):
        said["works_well" if share > then else "works_less"].append(
            f"{say(f'element.{code}')}: {percent(share)}, before {percent(then)}")
    waiting = waiting_needs(study)[:2]
    said["could_do"] = [f"{reason_label(need)}: {plural(n, 'referral')} waiting" for need, n in waiting]
    return said


def proposal_rows(study, window: Window, *, lists: Mapping[str, Any], now: Iterable[Element],
                  before: Iterable[Element]) -> pd.DataFrame:
    """Everything a month proposes, for a person to edit. Grain: table x id (plan changes: date x what)."""
    day, due, month = f"{study.as_of:%Y-%m-%d}", f"{study.as_of + DUE:%Y-%m-%d}", f"{study.as_of:%Y-%m}"
    rows = [{"table": "action", "id": row["action_id"], "date": row["decided_on"], "what": row["what"],
             "about": row["about"], "due_on": row["due_on"]} for row in proposals(study, lists)]
    for code, then, share in moves(now, before):
        why = f"{percent(share)} since {date_words(window.start)}, {percent(then)} in the window before"
        rows.append({"table": "insight", "id": f"{month}-{code}", "date": day, "what": code, "why": why,
                     "works": "works_well" if share > then else "works_less"})
        if share < then:
            rows.append({"table": "plan_change", "date": day, "what": f"Plan again: {say(f'element.{code}')}",
                         "why": why, "due_on": due})
    rows += [{"table": "insight", "id": f"{month}-wait-{need}", "date": day, "what": need, "works": "could_do",
              "why": f"{plural(n, 'referral')} waiting"} for need, n in waiting_needs(study)[:2]]
    return pd.DataFrame(rows, columns=list(COLUMNS)).fillna("").astype("str")


def month_proposal_rows(study) -> pd.DataFrame:
    """`proposal_rows` of a study alone, as its month's folder holds them."""
    window = review_window(study)
    earlier = study.at(window.before) if window.before is not None else None
    before = fidelity(earlier, start=window.before_start, end=window.before) if earlier is not None else ()
    return proposal_rows(study, window, lists=review_lists(study, window),
                         now=fidelity(study, start=window.start, end=window.end), before=before)


__all__ = ["COLUMNS", "month_proposal_rows", "moves", "proposal_rows", "proposals", "waiting_needs", "work_words"]
