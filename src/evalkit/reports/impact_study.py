"""The impact study: did mentored students attend more than similar ones, for whom, how sure, can it be checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from evalkit.disclosure.types import Released
from evalkit.render.blocks import Callout, Row, Section
from evalkit.reports import (
    impact_answer,
    impact_appendix,
    impact_change,
    impact_connected,
    impact_files,
    impact_released,
    impact_services,
    impact_who,
)
from evalkit.reports.gate import gate_of
from evalkit.reports.impact_groups import strategy_estimates
from evalkit.reports.impact_run import Analysis, run_analyses
from evalkit.reports.impact_strategies import strategy_effects
from evalkit.reports.params import Params as BaseParams
from evalkit.reports.params import make_context

TITLE = "Impact study"


@dataclass(frozen=True)
class Params(BaseParams):
    """What the impact study can be asked for. analysis: the id of one planned analysis; all of them when blank."""

    analysis: str = ""

    ids: ClassVar[tuple[str, ...]] = ("school", "analysis")


def analyses(study, params: Params) -> tuple[Analysis, ...]:
    """Run every planned analysis of the study. The other sections show what came out."""
    return run_analyses(study, params)


def _context(study, params: Params):
    """What the pages share; the manifest gets the fingerprint of every plan."""
    plans = {plan.id: plan.sha256 for plan in study.config.analyses if params.analysis in ("", plan.id)}
    return replace(make_context(study, params, TITLE), plans=plans)


def at_a_glance(study, params: Params, found: Sequence[Analysis]) -> Section:
    """Page 1: the answer in days with its interval, beside published studies; the design; what mentors did."""
    gate, main = gate_of(study, params), found[0]
    title, lead = impact_answer.opening(study, main, gate)
    mentors, counts = impact_answer.what_mentors_did(study, gate)
    compared = impact_answer.benchmarks(main, gate)
    top = Row(
        ((impact_answer.big_number(main, gate), impact_answer.question(gate)), (compared,)),
        (4, 8),
    )
    design = Row(((impact_answer.design(main, gate),), (impact_answer.why_not_before_after(gate),)), (6, 6))
    blocks = [top, design, *impact_answer.banners(main, gate), *mentors]
    return Section(
        _context(study, params),
        "at_a_glance",
        title,
        tuple(blocks),
        lead=lead,
        is_opening=True,
        numbers={**_numbers(found, gate), "mentors": counts, "benchmarks": _rows(compared)},
        off=tuple(map(gate.fixed, study.lacks())),
    )


def _rows(block: Any) -> Any:
    """The released rows behind a table or figure, for results.json; none where a sentence stands in."""
    data = getattr(block, "data", None)
    return data.numbers["rows"] if isinstance(data, Released) else []


def _numbers(found: Sequence[Analysis], gate) -> dict[str, Any]:
    """results.json: the analyses; for partners and the public only what rests on enough students."""
    if gate.is_team:
        return {"analyses": [analysis.to_dict() for analysis in found]}
    return {"analyses": [impact_released.released_analysis(analysis, gate) for analysis in found]}


def who_took_part(study, params: Params, found: Sequence[Analysis]) -> Section:
    """Page 2: from the roster to the result, groups, balance, cost, limits, how strong the evidence is."""
    gate, main = gate_of(study, params), found[0]
    money = impact_who.cost(study, main, gate)
    left = (impact_who.flow(main, gate), impact_who.balance(main, gate), impact_who.evidence(main, gate))
    right = (impact_who.groups(main, gate), money, impact_who.limits(study, main, gate),
             impact_who.next_year(study, gate))
    return Section(
        _context(study, params),
        "who_took_part",
        gate.fixed("Who took part, results by group, and cost"),
        (Row((left, right), (5, 7)),),
        starts_page=True,
        numbers={"cost": _rows(money)},
    )


def method_appendix(study, params: Params, found: Sequence[Analysis]) -> Section:
    """Page 3: for readers who want to check the work: every estimate, balance, checks, how it was done."""
    gate = gate_of(study, params)
    intro = "For readers who want to check the work. Every number here is in results.json or the folder tables."
    strategy = impact_services.strategies(*strategy_effects(study, found[0].plan), gate)
    sessions = impact_services.session_days(*strategy_estimates(study), gate)
    blocks: list[Any] = []
    for analysis in found:
        blocks.append(impact_appendix.results_row(analysis, gate))
        blocks.append(impact_appendix.method_row(study, [analysis], gate))
        blocks += [row for row in (impact_change.by_month(analysis, gate), impact_appendix.beyond_row(analysis, gate))
                   if row is not None]
    blocks.append(Row(((strategy,), (sessions,)), (6, 6)))
    belonging = impact_connected.connected(study, found[0], gate)
    blocks.append(belonging)
    blocks += [impact_appendix.checks_table(analysis, gate) for analysis in found if gate.is_team]
    return Section(
        _context(study, params),
        "method_appendix",
        gate.fixed("Method appendix"),
        tuple(blocks),
        lead=gate.fixed(intro),
        starts_page=True,
        numbers={"strategies": _rows(strategy), "session_days": _rows(sessions), "belonging": _rows(belonging)},
        files=_files(study, found, gate, blocks),
    )


def _files(study, found: Sequence[Analysis], gate, blocks: Sequence[Any]) -> dict[str, str]:
    """The team gets the replication bundle and LaTeX tables; partners and the public effects.json for pooling."""
    if not gate.is_team:
        return {"effects.json": gate.fixed(impact_files.effects(study, found, gate))}
    return {
        **impact_files.replication(study, found),
        **impact_files.latex_tables(impact_appendix.main_tables(blocks)),
    }


__all__ = ["Analysis", "Callout", "Params", "analyses", "at_a_glance", "method_appendix", "who_took_part"]
