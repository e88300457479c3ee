from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser

from souvenirs.doctor import Finding, State, diagnose, worst

from .._terminal import pluralize, printable
from ._base import SouvenirsCommand
from ._options import add_options, positive


class Command(SouvenirsCommand):
    help = (
        "Says what is wrong on a site and what to do about it, and how large the tables are. It "
        "changes nothing, tries the cache with throwaway keys, and exits with 1 if there is an "
        "error."
    )
    # The checks are among the findings, and their errors would stop the command.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--disk",
            type=positive,
            metavar="GB",
            help="forecast when a disk of this size is full",
        )
        add_options(parser, "--strict", strict="exit with 1 if there are warnings, too")
        add_options(parser, "--json")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = diagnose(disk=options["disk"])
        if options["json"]:
            self.stdout.write(json.dumps(_payload(findings), indent=2))
        else:
            for finding in findings:
                self.show(finding)
        state = worst(findings)
        if state is State.ERROR or (state is State.WARNING and options["strict"]):
            raise CommandError(f"Found {_summary(findings)}.", returncode=1)
        if not options["json"]:
            self.stdout.write(f"Found {_summary(findings)}.")

    def show(self, finding: Finding) -> None:
        style = {
            State.OK: self.style.SUCCESS,
            State.WARNING: self.style.WARNING,
            State.ERROR: self.style.ERROR,
        }[finding.state]
        state = style(f"{finding.state.value:{WIDTH}}")
        self.stdout.write(f"{state}{finding.title}: {printable(finding.message)}")
        if finding.remedy:
            self.stdout.write(f"{'':{WIDTH}}{printable(finding.remedy)}")


#: The width of the column of states.
WIDTH = 9


def _summary(findings: Sequence[Finding]) -> str:
    errors, warnings = (
        sum(finding.state is state for finding in findings)
        for state in (State.ERROR, State.WARNING)
    )
    return f"{pluralize(errors, 'error')} and {pluralize(warnings, 'warning')}"


def _payload(findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "state": worst(findings).value,
        "findings": [
            {
                "area": finding.area,
                "title": finding.title,
                "state": finding.state.value,
                "message": finding.message,
                "remedy": finding.remedy or None,
                "values": dict(finding.values),
            }
            for finding in findings
        ],
    }
