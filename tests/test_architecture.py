"""Imports go downwards: a module knows only modules of layers below it, or of its own."""

import ast
from pathlib import Path

import pytest

import souvenirs

PACKAGE = Path(souvenirs.__file__).parent

LAYERS = [
    {
        "conf",
        "instants",
        "signals",
        "decorators",
        "userfunctions",
        "usersets",
        "buckets",
    },
    {"periods", "values", "keysets", "breaker", "logs", "caches", "indexes"},
    {"timeouts", "calendars"},
    {"models", "utils", "accounts", "ratelimit", "identity"},
    {"stores", "exclusions"},
    {"recording", "conditions"},
    {"activeusers"},
    {"segments"},
    {"counting", "querysets"},
    {"reports", "importing", "digests"},
    {"insights"},
    {"control", "middleware", "testing"},
    {"checks"},
    {"dashboard"},
    {"admin", "apps", "management"},
]
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)


def layer_of(name):
    [level] = [level for level, names in enumerate(LAYERS) if name in names]
    return level


def imports_of(path):
    """The first part, below the package, of everything of ours that a module imports."""
    return [parts[1] for parts in names_imported(path) if parts[0] == "souvenirs" and parts[1:]]


def names_imported(path):
    """Everything that a module imports, as the parts of an absolute dotted name."""
    package = ["souvenirs", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module or "").split(".")]
            module = [part for part in module if part]
            names = (
                [[*module, alias.name] for alias in node.names]
                if module == ["souvenirs"]
                else [module]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        else:
            continue
        yield from names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        assert not imports_of(path)
        return
    others = {name for name in imports_of(path) if name != own}
    assert [name for name in others if layer_of(name) >= layer_of(own)] == []


def test_every_module_has_a_layer():
    names = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert names - {"__init__"} == set().union(*LAYERS)


def test_only_usersets_knows_bitmaps():
    users = [path.stem for path in MODULES if ["pyroaring"] in names_imported(path)]
    assert users == ["usersets"]


def test_importing_the_package_loads_no_models():
    assert not (PACKAGE / "__init__.py").read_text()
