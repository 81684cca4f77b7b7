"""The import rule: packages downwards only, folders of dagster_project in the order of the data, no circle of modules.

Also the length of files: one of more than MOST_LINES lines says at its top why it is one file.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[1]

# Package: the packages that it may import, beside itself.
MAY_IMPORT: Final = {
    "cli": {"dagster_project", "dashboard", "insights", "notifications", "sources", "ml"},
    "dagster_project": {"dashboard", "insights", "notifications", "sources", "ml"},
    "dashboard": {"insights", "notifications", "sources"},
    "insights": {"ml", "sources"},
    "notifications": {"sources"},
    "ml": set[str](),
    "sources": set[str](),
}
# The folders of dagster_project in the order of the data: each imports those before it, and the modules beside them.
FOLDERS: Final = ("ingestion", "quality", "warehouse", "modelling", "insights", "delivery", "automation")
WIRING: Final = ("dagster_project.definitions", "dagster_project.main_run")  # these import every folder
MOST_LINES: Final = 450
WRITTEN: Final = (
    ".css",
    ".html",
    ".j2",
    ".js",
    ".md",
    ".py",
    ".sql",
    ".toml",
    ".yaml",
    ".yml",
)  # the rest is generated
TOP_LINES: Final = 10  # within which the docstring or comment of a long file says why
REASON: Final = re.compile(r"\b[Oo]ne file\b|\blong\b")  # of the sentence that says why it is one, and is long


@cache
def files() -> list[Path]:
    """Return the files of the project, relative to its root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (ROOT / (path := Path(name))).is_file()]


@cache
def modules() -> dict[str, Path]:
    """Return the file of each module of the packages."""
    return {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__"): path
        for path in files()
        if path.suffix == ".py" and path.parts[0] in MAY_IMPORT
    }


@cache
def imports() -> dict[str, set[str]]:
    """Return the modules of ours that each module imports, at its top or in a function."""
    return {module: set(imported(module)) - {module} for module in modules()}


def imported(module: str) -> Iterator[str]:
    """Yield the modules of ours that `module` names in import statements."""
    path = modules()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (name for alias in node.names if (name := nearest(alias.name)))
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (name for alias in node.names if (name := nearest(f"{source}.{alias.name}")))


def nearest(name: str) -> str | None:
    """Return the module that `name` is or is defined in; None if it is not ours."""
    if name.partition(".")[0] not in MAY_IMPORT:
        return None
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or None


def test_packages_import_downwards_only() -> None:
    against = [
        f"{module} imports {target}"
        for module, targets in imports().items()
        for target in sorted(targets)
        if (package := module.partition(".")[0]) != (other := target.partition(".")[0])
        and other not in MAY_IMPORT[package]
    ]
    assert against == []


def test_folders_of_dagster_project_follow_the_order_of_the_data() -> None:
    against = [
        f"{module} imports {target}"
        for module, targets in imports().items()
        if module.startswith("dagster_project.") and module not in WIRING
        for target in sorted(targets)
        if target in WIRING or rank(target) > rank(module)
    ]
    assert against == []


def rank(module: str) -> int:
    """Return the place of a module in the order: 0 for helper modules beside the folders and other packages."""
    parts = module.split(".")
    return FOLDERS.index(parts[1]) + 1 if parts[0] == "dagster_project" and parts[1:2] and parts[1] in FOLDERS else 0


def test_every_folder_of_dagster_project_has_its_place_in_the_order() -> None:
    folders = {module.split(".")[1] for module, path in modules().items() if path.parts[0] == "dagster_project"
               and len(path.parts) > 2}  # fmt: skip
    assert folders == set(FOLDERS)


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        pytest.fail(f"imports form a circle: {' -> '.join(reversed(error.args[1]))}")


def test_a_long_file_says_at_its_top_why_it_is_one() -> None:
    unexplained = {}
    for path in files():
        if path.suffix in WRITTEN:
            lines = (ROOT / path).read_text().splitlines()
            if len(lines) > MOST_LINES and not REASON.search(" ".join(lines[:TOP_LINES])):
                unexplained[str(path)] = len(lines)
    assert unexplained == {}
