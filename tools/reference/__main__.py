"""Write the generated sections of the reference, or check that they are current."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from pathlib import Path

from . import site
from .pages import Pages, require

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder (default: docs)")
    options = parser.parse_args()
    site.set_up()
    texts = written(options.docs)
    if options.check:
        check(texts)
    else:
        for path, text in texts.items():
            path.write_text(text)


def written(docs: Path) -> dict[Path, str]:
    """Return the text of every page, and of the OpenAPI document, as the code has it now."""
    # Of models, which there are once Django is set up.
    from . import api, checks, commands, example, python, settings

    example.populate()
    pages = Pages(docs / "reference")
    names = python.Api(pages.arguments("names"), pages.names("module-of"))
    require(settings.known(), pages.names("settings"), "setting")
    require(commands.known(), pages.names("commands"), "command")
    require(api.known(), [endpoint for endpoint, *_ in pages.arguments("endpoint")], "endpoint")
    require(names.known(), names.shown, "name")
    about = checks.about_settings()
    texts = pages.filled(
        {
            "settings": lambda names: settings.render(names, about),
            "commands": commands.render,
            "checks": checks.render,
            "module": names.module,
            "module-of": names.module_of,
            "names": names.names,
            "urls": python.urls,
            "endpoints": api.endpoints,
            "endpoint": api.endpoint,
            "parameters": api.parameters,
            "errors": api.errors,
            "example": api.example,
            "refusals": api.refusals,
        }
    )
    return {**texts, docs / "openapi.json": json.dumps(api.document(), indent=2) + "\n"}


def check(texts: dict[Path, str]) -> None:
    differences = [
        line
        for path, text in texts.items()
        for line in difflib.unified_diff(
            path.read_text().splitlines(), text.splitlines(), path.name, "the code", lineterm=""
        )
    ]
    if differences:
        sys.exit("\n".join([*differences, "The reference is out of date. Run make reference."]))


if __name__ == "__main__":
    main()
