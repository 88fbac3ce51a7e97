"""A whole made district: who, when, absent or not, mentored or not, and what was written down about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import UsageError, must_be_one_of
from evalkit.simulate import (
    attendance,
    contacts,
    days,
    further_records,
    more_records,
    notes_and_awards,
    people,
    programme,
    records,
)
from evalkit.simulate import settings as s
from evalkit.simulate.dirt import roughen
from evalkit.simulate.planted import Planted, plan_patterns, share_draws
from evalkit.simulate.settings import Options

STREAMS = (
    "roster",
    "lasting",
    "year",
    "prior",
    "shocks",
    "prior_shocks",
    "draws",
    "prior_draws",
    "spans",
    "prior_spans",
    "planted",
    "choice",
    "codes",
    "prior_codes",
    "tardy",
    "prior_tardy",
    "periods",
    "barriers",
    "records",
    "students",
    "dirt",
    "untreated_codes",
    "contacts",
    "further",  # streams are spawned by place: a new one stands last
)


@dataclass
class Truth:
    """What was planted. summary: settings and true effect; students: a row per mentored student; planted: patterns.

    daily: the expected change in days absent, students x dates; missing where not enrolled or after the last day.
    """

    summary: dict[str, Any]
    students: pd.DataFrame
    planted: list[dict[str, object]]
    daily: pd.DataFrame


class District(dict[str, pd.DataFrame]):
    """Table name -> frame, with the planted `truth` beside."""

    truth: Truth


@dataclass
class Year:
    """One school year of everyone: days, spans, absences (students x days) and the event rows."""

    dates: pd.DatetimeIndex
    frame: pd.DataFrame
    spans: people.Spans
    q: np.ndarray
    draws: np.ndarray
    absent: np.ndarray
    closed: dict[int, int]


def simulate_district(
    *,
    n_students: int = 2400,
    n_schools: int = 6,
    effect_days: float = 0.0,
    seed: int = 1,
    preset: str = "post",
    **more: Any,
) -> District:
    """A made district with a known effect: every canonical table, and `.truth` beside them.

    effect_days: change in days absent per 180 enrolled days after the begin date, mean over mentored students (-4:
    four fewer). preset: pre, post, elementary, high_school. Further options (settings.Options): school_year,
    mentored_share, effect_by_band {"middle": -4.2}, effect_profile constant | growing | fading, spillover (share of
    the effect siblings get), planted (names of settings.PATTERNS), alike (no group differs), hidden_selection,
    late_referrals, history (last year's daily rows), records (contacts and the rest), dirty (faults of real
    exports). One seed, one district; the untreated path shares every draw with the observed one, so the truth is
    exact. Source of the model: data.md, docs/methods.
    """
    options = _checked(Options(n_students, n_schools, float(effect_days), seed, preset, **more))
    streams = dict(zip(STREAMS, np.random.SeedSequence(seed).spawn(len(STREAMS)), strict=True))
    rng = {name: np.random.default_rng(child) for name, child in streams.items()}
    roster = people.make_roster(rng["roster"], options)
    lasting, _ = people.lasting_differences(rng["lasting"], roster, options)
    this = _year(rng, roster, lasting, options, back=0)
    before = _year(rng, roster, lasting, options, back=1)
    early = this.frame.loc[this.frame["is_instructional"], "day_type"].eq("early_dismissal").to_numpy()
    planted = plan_patterns(rng["planted"], options.planted, roster, this.dates, early)
    this.q = np.clip(planted.apply(this.q), 0, 0.97)
    this.draws = share_draws(this.draws, planted, roster.household)
    this.absent = days.run_chain(this.q, this.draws, s.PRESETS[preset].stickiness)
    return _write_down(rng, roster, lasting, this, before, planted, options)


def _checked(options: Options) -> Options:
    must_be_one_of("preset", options.preset, list(s.PRESETS))
    must_be_one_of("effect_profile", options.effect_profile, s.PROFILES)
    for band in options.effect_by_band:
        must_be_one_of("effect_by_band", band, s.LEVELS)
    if options.n_schools < 1 or options.n_students < 20 * options.n_schools:
        raise UsageError(
            "A district needs at least one school and 20 students a school.",
            remedy="Use more --students or fewer --schools.",
        )
    return options


def _year(
    rng: dict[str, np.random.Generator], roster: people.Roster, lasting: np.ndarray, options: Options, *, back: int
) -> Year:
    """One year's chances and (for the year before) absences; this year's are run after planting."""
    tag = "prior_" if back else ""
    preset = s.PRESETS[options.preset]
    frame = days.make_days(options.school_year - back)
    dates = pd.DatetimeIndex(frame.loc[frame["is_instructional"], "date"])
    spans = people.make_spans(rng[f"{tag}spans"], roster, dates, options.school_year - back, prior=bool(back))
    factor = days.day_factors(rng[f"{tag}shocks"], dates, options.n_schools)
    yearly = rng["prior" if back else "year"].normal(0, preset.sd_b, roster.n)
    level = 1 / (1 + np.exp(-(preset.mu + lasting + yearly)))
    home = np.maximum(roster.prior_school if back else roster.school, 0)
    q = np.clip(level[:, None] * factor[home], 0, 0.97).astype(np.float32)
    draws = rng[f"{tag}draws"].random(q.shape, dtype=np.float32)
    closed = {min(1, options.n_schools - 1): 70} if not back else {}
    for school, day in closed.items():
        spans.school_on[spans.school_on[:, day] == school, day] = -1
    absent = days.run_chain(q, draws, preset.stickiness) if back else np.zeros((0, 0), dtype=bool)
    return Year(dates, frame, spans, q, draws, absent, closed)


def _write_down(
    rng: dict[str, np.random.Generator],
    roster: people.Roster,
    lasting: np.ndarray,
    this: Year,
    before: Year,
    planted: Planted,
    options: Options,
) -> District:
    """Give mentors, run the treated path, and make every table."""
    barrier = attendance.own_barriers(rng["barriers"], roster, alike=options.alike)
    prior_events = attendance.absence_rows(
        rng["prior_codes"], roster, before.absent, before.spans.school_on, barrier, Planted(), alike=options.alike
    )
    prior = attendance.totals_table(prior_events, before.spans.school_on, roster, options.school_year - 1, prior=True)
    prior_rate = (
        (prior["days_absent"] / prior["days_enrolled"]).set_axis(prior["student_id"]).reindex(roster.student_id)
    )
    starts = programme.choose_students(
        rng["choice"], roster, this.absent, this.spans.school_on, prior_rate.to_numpy(), lasting, options
    )
    untreated = this.absent
    treated, expected = _with_programme(this, starts, roster, options)
    events = attendance.absence_rows(
        rng["codes"], roster, treated, this.spans.school_on, barrier, planted, alike=options.alike
    )
    truth = _truth(rng, roster, this, starts, untreated, treated, expected, events, barrier, planted, options)
    tables = District(
        _attendance_tables(rng, roster, lasting, this, before, treated, events, prior_events, planted, options)
    )
    tables["prior_year"] = prior
    if options.records:
        tables.update(_records(rng, roster, starts, barrier, this, treated, before))
    else:
        tables.update(_pairings(rng, roster, starts, this)[0])
    tables.truth = truth
    return roughen(rng["dirt"], tables) if options.dirty else tables


DAY_SHARE = 0.97
"""Days per absence: about 6 in 100 absences are half days."""


def _with_programme(
    this: Year, starts: programme.Starts, roster: people.Roster, options: Options
) -> tuple[np.ndarray, np.ndarray]:
    """The observed path (everyone), and the expected change in absences per day of each mentored student."""
    enrolled = this.spans.school_on >= 0
    touched, chances = programme.treated_chances(this.q, enrolled, starts, roster, options, DAY_SHARE)
    treated = this.absent.copy()
    if touched.size:
        treated[touched] = days.run_chain(chances, this.draws[touched], s.PRESETS[options.preset].stickiness)
    place = np.searchsorted(touched, starts.row)
    expected = (chances[place] - this.q[starts.row]) * DAY_SHARE if touched.size else np.zeros((0, this.q.shape[1]))
    return treated, expected


def _truth(
    rng: dict[str, np.random.Generator],
    roster: people.Roster,
    this: Year,
    starts: programme.Starts,
    untreated: np.ndarray,
    treated: np.ndarray,
    expected: np.ndarray,
    events: pd.DataFrame,
    barrier: np.ndarray,
    planted: Planted,
    options: Options,
) -> Truth:
    extra = np.zeros_like(untreated)
    extra[starts.row] = untreated[starts.row] & ~treated[starts.row]
    lost = attendance.absence_rows(
        rng["untreated_codes"], roster, extra, this.spans.school_on, barrier, planted, alike=options.alike
    )
    observed = _as_days(events, starts.row, this.q.shape, roster.n)
    without = np.where(untreated[starts.row], observed + _as_days(lost, starts.row, this.q.shape, roster.n), 0)
    last = len(this.dates) - days.N_INCOMPLETE - 1
    students = programme.truth_by_student(
        starts, without, observed, expected, this.spans.school_on[starts.row] >= 0, this.dates, last, roster
    )
    counted = (this.spans.school_on[starts.row] >= 0) & (np.arange(len(this.dates)) <= last)
    daily = pd.DataFrame(np.where(counted, expected, np.nan), index=roster.student_id[starts.row], columns=this.dates)
    return Truth(_summary(students, options, this.dates[last]), students, planted.truth, daily)


def _as_days(events: pd.DataFrame, rows: np.ndarray, shape: tuple[int, ...], n: int) -> np.ndarray:
    """Days absent as a matrix, one row per entry of `rows`."""
    place = np.full(n, -1)
    place[rows] = np.arange(rows.size)
    here = events[place[events["row"]] >= 0]
    matrix = np.zeros((rows.size, shape[1]))
    matrix[place[here["row"]], here["day"]] = here["days"]
    return matrix


def _summary(students: pd.DataFrame, options: Options, last: pd.Timestamp) -> dict[str, Any]:
    """Settings and the true effect on the window from begin date to the last complete day."""
    usable = students[students["enrolled_days"] >= 20]
    change = usable["absent_days"] - usable["absent_days_untreated"]
    result: dict[str, Any] = {
        "seed": options.seed,
        "preset": options.preset,
        "n_students": options.n_students,
        "n_schools": options.n_schools,
        "school_year": options.school_year,
        "effect_days_asked": options.effect_days,
        "effect_profile": options.effect_profile,
        "spillover": options.spillover,
        "hidden_selection": options.hidden_selection,
        "late_referrals": options.late_referrals,
        "window_end": last.date(),
        "n_mentored": len(students),
        "n_mentored_20_days": len(usable),
    }
    if len(usable):
        rate = change / usable["enrolled_days"]
        expected = usable["expected_change_days"] / usable["enrolled_days"]
        result |= {
            "att_rate_realized": float(rate.mean()),
            "att_rate_expected": float(expected.mean()),
            "att_days_per_180_realized": float(180 * rate.mean()),
            "att_days_per_180_expected": float(180 * expected.mean()),
            "att_days_in_window_realized": float(change.mean()),
            "att_days_in_window_expected": float(usable["expected_change_days"].mean()),
        }
    return result


def _attendance_tables(
    rng: dict[str, np.random.Generator],
    roster: people.Roster,
    lasting: np.ndarray,
    this: Year,
    before: Year,
    treated: np.ndarray,
    events: pd.DataFrame,
    prior_events: pd.DataFrame,
    planted: Planted,
    options: Options,
) -> dict[str, pd.DataFrame]:
    """student, school, enrollment, calendar, attendance_event, attendance_period, code_table."""
    tardy = attendance.tardy_rows(rng["tardy"], treated, this.spans.school_on, lasting)
    late = _drop_late(rng["tardy"], pd.concat([events, tardy], ignore_index=True), len(this.dates))
    event = attendance.event_table(late, roster, this.dates)
    calendar = days.calendar_table(this.frame, roster.school_id, this.closed, this.dates.to_numpy())
    enrollment = this.spans.table
    years = [options.school_year]
    if options.history:
        old_tardy = attendance.tardy_rows(rng["prior_tardy"], before.absent, before.spans.school_on, lasting)
        old = attendance.event_table(pd.concat([prior_events, old_tardy], ignore_index=True), roster, before.dates)
        event = pd.concat([old, event], ignore_index=True)
        calendar = pd.concat(
            [days.calendar_table(before.frame, roster.school_id, {}, before.dates.to_numpy()), calendar],
            ignore_index=True,
        )
        enrollment = pd.concat([before.spans.table, enrollment], ignore_index=True)
        years = [options.school_year - 1, options.school_year]
    periods = attendance.period_table(rng["periods"], roster, treated, this.spans.school_on, this.dates, planted)
    return {
        "student": people.student_table(rng["students"], roster, options),
        "school": more_records.school_table(roster, days.complete_through(this.dates)),
        "enrollment": enrollment,
        "calendar": calendar,
        "attendance_event": event,
        "attendance_period": periods[periods["date"] <= days.complete_through(this.dates)],
        "code_table": attendance.code_table(years, "D01"),
    }


def _drop_late(rng: np.random.Generator, events: pd.DataFrame, n_days: int) -> pd.DataFrame:
    """The last ten days are not all entered yet: fewer rows the nearer the end."""
    entered = np.clip((n_days - events["day"]) / (days.N_INCOMPLETE + 1), 0, 1)
    return events[rng.random(len(events)) < entered].reset_index(drop=True)


def _pairings(
    rng: dict[str, np.random.Generator],
    roster: people.Roster,
    starts: programme.Starts,
    this: Year,
) -> tuple[dict[str, pd.DataFrame], np.ndarray]:
    """mentor and assignment."""
    school = this.spans.school_on[starts.row, starts.begin].astype(int)
    school = np.where(school >= 0, school, roster.school[starts.row])
    mentors, mentor = records.mentor_table(rng["records"], roster, starts, school, this.dates)
    here = this.spans.school_on[starts.row] >= 0
    last_day = here.shape[1] - 1 - np.argmax(here[:, ::-1], axis=1)
    last_day = np.maximum(last_day, starts.begin)
    table = records.assignment_table(rng["records"], roster, starts, mentor, mentors, last_day, this.dates)
    return {"mentor": mentors, "assignment": table}, mentor


def _records(
    rng: dict[str, np.random.Generator],
    roster: people.Roster,
    starts: programme.Starts,
    barrier: np.ndarray,
    this: Year,
    treated: np.ndarray,
    before: Year,
) -> dict[str, pd.DataFrame]:
    """Everything a programme and its partners write down."""
    draw = rng["records"]
    last = len(this.dates) - days.N_INCOMPLETE - 1
    complete = this.dates[last]
    tables, _ = _pairings(rng, roster, starts, this)
    log = contacts.contact_table(rng["contacts"], roster, tables["assignment"], treated, this.dates, last)
    tables["contact"] = notes_and_awards.add_notes(rng["contacts"], log)
    tables["barrier"] = records.barrier_table(draw, roster, starts, barrier, this.dates, last)
    tables["resource"] = records.resource_table(complete)
    tables["referral"] = records.referral_table(draw, tables["barrier"], tables["resource"], complete)
    tables["identity"] = more_records.identity_table(draw, roster, complete)
    tables |= more_records.meeting_tables(draw, tables["mentor"], this.dates, last)
    mentored = roster.student_id[starts.row]
    tables |= more_records.voice_tables(draw, mentored, this.dates, last)
    tables |= more_records.support_tables(draw, mentored, roster, tables["mentor"], treated, this.dates, last)
    now, then = treated.mean(axis=1), before.absent.mean(axis=1)
    enrolled = (this.spans.school_on >= 0).sum(axis=1) > 100
    improved = np.flatnonzero((then - now >= 0.03) & enrolled & (roster.prior_school >= 0))
    tables["recognition"] = notes_and_awards.recognition_table(
        draw,
        roster,
        improved,
        np.flatnonzero((now < 0.03) & enrolled),
        tables["identity"]["first_name"].to_numpy(),
        complete,
    )
    return tables | further_records.add_further(
        rng["further"], tables, roster.student_id, mentored, treated, this.dates, last
    )
