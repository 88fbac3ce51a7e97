"""Documents say what is there: inventory, commands, environment, and nothing about the machine they were made on."""

import re
import tomllib

import pytest
import yaml
from source_tree import PACKAGE, ROOT, committed

TEXT = {".md", ".py", ".toml", ".cfg", ".txt", ".yml", ".yaml", ".json", ".csv", ".ipynb", ".html", ".css", ".typ",
        ".lock", ".svg", ".R", ""}
TOPS = ("ro" + "ot", "ho" + "me", "wo" + "rk", "Us" + "ers")
MACHINE = re.compile(r"(?<![\w.])/(?:" + "|".join(TOPS) + r")/[A-Za-z0-9._-]+")
REGISTRY = re.compile(r"--(?:extra-)?index-url|--find-links|\b(?:artifactory|nexus)\b|@[\w.-]+/simple\b", re.I)


def block(text: str, kind: str) -> list[str]:
    parts = re.findall(rf"```{kind}\n(.*?)```", text, re.S)
    return [line for part in parts for line in part.splitlines() if line.strip()]


def test_the_inventory_equals_the_tree():
    page = (ROOT / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")
    stated = {line.split()[0] for line in block(page, "inventory")}
    tree = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path.stat().st_size}
    stated = {name.removeprefix("src/evalkit/") for name in stated}
    assert stated - tree == set(), "named in docs/ARCHITECTURE.md but not there"
    assert tree - stated == set(), "there, but not named in docs/ARCHITECTURE.md"


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "docs/GLOSSARY.md",
                                  "docs/ARCHITECTURE.md", "reports/README.md"])
def test_the_document_exists(name):
    assert (ROOT / name).is_file() and (ROOT / name).stat().st_size > 100


def commands() -> list[tuple[str, str]]:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [(page.relative_to(ROOT).as_posix(), line.split("#")[0].strip())
            for page in pages if page.is_file()
            for line in block(page.read_text(encoding="utf-8"), "(?:bash|console|sh)")
            if line.split("#")[0].strip()]


def test_every_command_of_the_documents_exists():
    wrong = [f"{page}: {line}" for page, line in commands() if not _exists(line)]
    assert not wrong, "\n".join(wrong)


def _exists(line: str) -> bool:
    """make targets, evalkit commands with their options and reports, and scripts."""
    words = line.removeprefix("$ ").split()
    while words and (re.fullmatch(r"\w+=\S*", words[0]) or words[0] in ("nice", "time")):
        words = words[1:]
    if not words:
        return True
    program = words[0].replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".exe")
    if program == "make":
        return all(word in make_targets() for word in words[1:] if not word.startswith("-"))
    if program == "evalkit" or words[1:3] == ["-m", "evalkit"]:
        return _is_evalkit(words[1:] if program == "evalkit" else words[3:])
    scripts = [word.replace("\\", "/") for word in words if word.endswith((".py", ".ipynb"))]
    return all((ROOT / script).is_file() for script in scripts if "/" in script)


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def _is_evalkit(words: list[str]) -> bool:
    import typer

    from evalkit.cli import app

    command = typer.main.get_command(app).commands.get(words[0]) if words and not words[0].startswith("-") else None
    if command is None:
        return bool(words) and words[0] == "--help"
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    free = command.context_settings.get("ignore_unknown_options", False)
    options = {word.split("=")[0] for word in words[1:] if word.startswith("--")}
    report_is_there = words[0] != "run" or len(words) < 2 or (ROOT / "notebooks" / f"{words[1]}.ipynb").is_file()
    return (free or options <= known) and (report_is_there or words[1].isupper())


def test_environment_yml_equals_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {_plain(text) for text in [*project["dependencies"], *extras["lab"], *extras["dev"]]}
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    flat = [item for entry in listed for item in (entry["pip"] if isinstance(entry, dict) else [entry])]
    python = next(item for item in flat if item.startswith("python>") or item.startswith("python="))
    assert python.removeprefix("python") == project["requires-python"]
    assert {_plain(item) for item in flat if item not in (python, "pip", "-e .")} == wanted


def _plain(requirement: str) -> str:
    return re.sub(r"\[.*?\]", "", requirement).replace(" ", "").replace("_", "-").lower()


def test_the_lock_file_covers_the_project_and_names_no_index():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {name.lower().replace("_", "-") for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.M)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    stated = [*project["dependencies"], *extras["lab"], *extras["dev"]]
    wanted = {re.split(r"[\[<>=~!]", text)[0].lower() for text in stated}
    assert wanted <= locked, f"run make lock: {sorted(wanted - locked)}"
    assert "://" not in lock and "--hash=sha256:" in lock


def test_the_makefile_and_the_script_know_the_same_commands():
    script = (ROOT / "scripts" / "setup.py").read_text(encoding="utf-8")
    called = set(re.findall(r"scripts/setup\.py (\w+)", (ROOT / "Makefile").read_text(encoding="utf-8")))
    assert called - {"help"} <= set(re.findall(r"^def (\w+)\(", script, re.M))


def test_nothing_committed_names_a_machine_or_a_registry():
    wrong = []
    for path in committed():
        if path.suffix not in TEXT or path.stat().st_size > 5_000_000:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if MACHINE.search(line) or (REGISTRY.search(line) and path.name not in ("setup.py", "test_documents.py")):
                wrong.append(f"{path.relative_to(ROOT)}:{number}")
    assert not wrong, f"a path of a machine or a registry: {wrong[:20]}"


def test_links_between_documents_lead_somewhere():
    wrong = []
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        if page.is_file():
            for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
                if "://" not in link and not (page.parent / link).exists() and not link.startswith("mailto:"):
                    wrong.append(f"{page.relative_to(ROOT)}: {link}")
    assert not wrong, wrong


def test_the_version_stands_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    init = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert f'__version__ = "{project["version"]}"' in init
    assert project["version"] in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8") or "Unreleased" in (
        ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
