"""Make data/sample: a small made district with every table and its planted truth.

Run: .venv/bin/python scripts/make_sample.py
"""

from pathlib import Path

from evalkit.simulate import PATTERNS, simulate_district, write_study

FOLDER = Path(__file__).resolve().parents[1] / "data" / "sample"


def main() -> None:
    district = simulate_district(
        n_students=2400, n_schools=6, effect_days=-4.0, seed=2026, planted=PATTERNS, dirty=True
    )
    write_study(FOLDER, district, name="Riverbend sample", is_sample=True)
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{FOLDER.name}: {len(district)} tables, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
