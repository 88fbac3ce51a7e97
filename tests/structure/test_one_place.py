"""Law 2: one place for reading, writing, printing, plotting, papermill, estimation and solvers; no network."""

import ast

import pytest
from source_tree import Module, imports, modules

ESTIMATION = {"comparison", "estimators", "checks", "pooling", "patterns", "programme"}
HOMES = {
    "matplotlib": {"figures"}, "seaborn": {"figures"}, "plotly": set(), "altair": set(),
    "papermill": {"run", "kernels"}, "nbclient": {"run", "kernels"}, "jupyter_client": {"run", "kernels"},
    "nbformat": {"run", "kernels"},
    "statsmodels": ESTIMATION, "linearmodels": ESTIMATION, "pyfixest": ESTIMATION, "sklearn": ESTIMATION,
    "scipy": ESTIMATION | {"selection", "disclosure", "evidence", "simulate"},
    "typer": {"cli"}, "rich": {"cli"}, "click": {"cli"},
    "typst": {"render"}, "jinja2": {"render"}, "xlsxwriter": {"render"},
    "python_calamine": {"sources"}, "openpyxl": {"sources"}, "zipfile": {"sources", "render", "files"},
    "multiprocessing": {"batch"}, "distributed": {"batch"},  # spawned workers, and a scheduler that the user names
    "duckdb": {"engine"}, "polars": {"engine"}, "pyspark": {"engine"},
    **{name: set() for name in ("requests", "httpx", "aiohttp", "urllib.request", "socket", "http", "ftplib", "smtplib",
                                "yaml", "pickle", "marshal", "shelve")},
}
READERS = {"read_csv", "read_parquet", "read_excel", "read_json", "read_xml", "read_table", "scan_csv", "scan_parquet",
           "read_feather"}
READING_ROOMS = {"sources", "config", "engine", "vocabulary", "schemas"}
READS_FINISHED_FOLDERS = "render/folder.py"
WRITERS = {"write_text", "write_bytes", "to_parquet", "to_excel", "to_feather", "to_pickle", "savefig", "mkdtemp",
           "mkstemp", "mkdir", "makedirs", "rmtree", "unlink", "copyfile", "copytree", "touch", "symlink_to",
           "sink_parquet", "sink_csv", "write_parquet", "write_csv", "NamedTemporaryFile", "TemporaryDirectory"}
WRITING_ALLOWED = {
    "kernels/stock.py": {"mkdtemp", "rmtree"},  # the socket folder of a kernel, outside every output
    "render/pdf.py": {"TemporaryDirectory"},  # typst's empty root
    "engine.py": {"TemporaryDirectory"},  # where DuckDB spills, removed with the connection
}


def calls(module: Module) -> list[tuple[int, str, ast.Call]]:
    """(line, last part of the called name, call)."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            found.append((node.lineno, name, node))
    return found


def away_from_home(module: Module) -> list[str]:
    wrong = [f"line {line}: {name}" for line, name in imports(module)
             for library, rooms in HOMES.items()
             if (name == library or name.startswith(library + ".")) and module.room not in rooms]
    return wrong


def printing(module: Module) -> list[str]:
    wrong = [f"line {line}" for line, name, _ in calls(module) if name in ("print", "pprint")]
    wrong += [f"line {node.lineno}: sys.{node.attr}" for node in ast.walk(module.tree)
              if isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr")
              and getattr(node.value, "id", "") == "sys"]
    return [] if module.room == "cli" else wrong


def reading(module: Module) -> list[str]:
    wrong = [f"line {line}: {name}" for line, name, _ in calls(module) if name in READERS]
    return [] if module.room in READING_ROOMS or module.name == READS_FINISHED_FOLDERS else wrong


def writing(module: Module) -> list[str]:
    if module.room == "files":
        return []
    allowed = WRITING_ALLOWED.get(module.name, set())
    wrong = [f"line {line}: {name}" for line, name, call in calls(module)
             if (name in WRITERS - allowed and _is_foreign(call)) or (name == "open" and _writes(call))
             or (name == "to_csv" and call.args and not _is_buffer(call.args[0]))]
    return wrong


def _is_foreign(call: ast.Call) -> bool:
    """False for our own `files.write_text(...)`."""
    return getattr(getattr(call.func, "value", None), "id", "") != "files" and not isinstance(call.func, ast.Name)


def _writes(call: ast.Call) -> bool:
    texts = [a.value for a in [*call.args, *(k.value for k in call.keywords if k.arg == "mode")]
             if isinstance(a, ast.Constant) and isinstance(a.value, str) and len(a.value) <= 3]
    return any(set(text) & set("wax+") and set(text) <= set("wabxrt+") for text in texts)


def _is_buffer(node: ast.expr) -> bool:
    return "buffer" in ast.unparse(node).lower() or "io" in ast.unparse(node).lower()


def acting_at_import(module: Module) -> list[str]:
    """Only definitions, constants and imports stand at the top of a module."""
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef)
    wrong = [f"line {node.lineno}: {type(node).__name__}" for node in module.tree.body
             if not isinstance(node, allowed) and not _is_harmless(node)]
    if module.room in ("cli", "__main__"):
        return []
    return wrong + [f"line {node.lineno}: sets an attribute of another object" for node in module.tree.body
                    if isinstance(node, ast.Assign) for target in node.targets
                    if isinstance(target, ast.Attribute | ast.Subscript)]


def _is_harmless(node: ast.stmt) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))


LAWS = {
    "a library is used outside its room": away_from_home, "only the command line prints": printing,
    "study inputs are read in sources and config": reading, "all writing goes through evalkit.files": writing,
    "nothing is set at import": acting_at_import,
}


@pytest.mark.parametrize("law", LAWS)
def test_law(law: str):
    broken = [f"{module.name} {place}" for module in modules() for place in LAWS[law](module)]
    assert not broken, f"{law}:\n" + "\n".join(broken)
