"""Effect sizes, published benchmarks, and what a WWC or ESSA review could say of a study."""

from evalkit.evidence.benchmarks import LARGE_DAYS, LARGE_G, banner, benchmarks
from evalkit.evidence.effect_sizes import (
    ICC,
    cluster_corrected_t,
    cluster_df,
    cox_index,
    days_per_180,
    did_g,
    effect_sizes,
    g_from_t,
    g_variance,
    hedges_g,
    improvement_index,
    intraclass_correlation,
    omega,
    one_arm_correction,
    pooled_sd,
    two_arm_factor,
)
from evalkit.evidence.wwc import (
    Condition,
    EvidenceReading,
    StudyFacts,
    baseline_category,
    baseline_conditions,
    read_evidence,
)

__all__ = ["ICC", "LARGE_DAYS", "LARGE_G", "Condition", "EvidenceReading", "StudyFacts", "banner", "baseline_category",
           "baseline_conditions", "benchmarks", "cluster_corrected_t", "cluster_df", "cox_index", "days_per_180",
           "did_g", "effect_sizes", "g_from_t", "g_variance", "hedges_g", "improvement_index",
           "intraclass_correlation", "omega",
           "one_arm_correction", "pooled_sd", "read_evidence", "two_arm_factor"]
