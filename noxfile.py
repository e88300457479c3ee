"""The suite on every Python and Django that the app supports: ``nox``."""

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False

NEWEST = ("3.13", "6.1")

#: What ``make test`` leaves out, one session for each version of Django: ``nox -t ci``.
CI = [("3.12", "6.0"), NEWEST]

MATRIX = [
    nox.param("3.11", "5.2"),
    *[
        nox.param(python, django, tags=["ci"] if (python, django) in CI else [])
        for python in ("3.12", "3.13")
        for django in ("5.2", "6.0", "6.1")
    ],
]


@nox.session
@nox.parametrize("python,django", MATRIX)
def tests(session, django):
    """The suite with its latest dependencies, on SQLite; the thorough part on the newest."""
    session.install("--quiet", ".[test]", f"django~={django}.0")
    marked = [] if (session.python, django) == NEWEST else ["-m", "not thorough"]
    session.run("python", "-m", "pytest", "-q", "--no-header", *marked, *session.posargs)


@nox.session(python="3.11", tags=["ci"])
def lowest(session):
    """The suite with the oldest runtime dependencies that pyproject.toml admits."""
    session.install(
        "--quiet",
        ".[test]",
        "django==5.2",
        "python-dateutil==2.8.2",
        "pyroaring==1.0.3",
        "tabulate==0.9.0",
        "xxhash==3.5.0",
    )
    session.run(
        "python", "-m", "pytest", "-q", "--no-header", "-m", "not thorough", *session.posargs
    )
