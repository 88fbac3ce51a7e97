"""Made districts with a known effect: for the sample, tests, benchmarks and power."""

from evalkit.simulate.district import District, Truth, simulate_district
from evalkit.simulate.settings import PATTERNS, PRESETS, Options
from evalkit.simulate.study_folder import truth_toml, write_study

__all__ = ["PATTERNS", "PRESETS", "District", "Options", "Truth", "simulate_district", "truth_toml", "write_study"]
