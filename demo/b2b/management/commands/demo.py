from __future__ import annotations

import csv
import os
from datetime import datetime
from pathlib import Path

from django.contrib.auth.hashers import make_password
from django.core.management import call_command

from demo.b2b.activity import OVER_QUOTA, Customer, customers, sightings
from demo.b2b.models import Organization, User
from demo.command import DEMO, HOST, DemoCommand
from souvenirs.models import Souvenir
from souvenirs.reports import customer_monthly_usage
from souvenirs.statements import (
    AlreadyIssued,
    Statement,
    draft_statement,
    export_statement,
    issue_statement,
)

FILES = Path(os.path.relpath(os.environ.get("DEMO_FILES", DEMO)))
HISTORY = FILES / "b2b.csv"
STATEMENT = FILES / "statement.txt"

REPORTS = (
    "show_activity --of organization__name --last 6m",
    "show_growth --of organization__name --last 12m",
    "show_seats --of organization__name --provisioned organization__seats --last 30d",
)

#: The reports that --verbose adds.
MORE_REPORTS = (
    "show_activity --by organization__plan --last 6m",
    "show_retention --of organization__name --last 12m",
)


class Command(DemoCommand):
    help = (
        "Loads 400 days of a vendor with forty customers, issues their statements, and serves the "
        f"demo on {HOST}. The environment may set DEMO_PORT (default: 8000), and DEMO_SERVE=0 to "
        "load the data only."
    )

    def fill(self, midnight: datetime, *, verbose: bool) -> None:
        every = customers(midnight)
        users = sum(len(customer.members) for customer in every)
        self.stdout.write(f"{len(every)} organizations with {users:,} users, made up.")
        self.load(every, midnight)
        for report in [*REPORTS, *(MORE_REPORTS if verbose else ())]:
            self.show(*report.split())
        self.issue_statements(midnight)

    def load(self, every: list[Customer], midnight: datetime) -> None:
        """Create the customers and their users, and import when these were seen."""
        seen = [each for customer in every for each in sightings(customer, midnight)]
        first = Souvenir.objects.order_by("when").first()
        if first and first.when != min(when for _, when in seen):  # loaded on another day
            call_command("flush", interactive=False, verbosity=0)
        self.create(every)
        FILES.mkdir(parents=True, exist_ok=True)
        with HISTORY.open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["user_id", "when"])
            lines.writerows((key, when.isoformat()) for key, when in seen)
        self.show("import_souvenirs", str(HISTORY))
        self.show("digest_souvenirs")

    def create(self, every: list[Customer]) -> None:
        unusable = make_password(None)
        for customer in every:
            organization, _ = Organization.objects.update_or_create(
                name=customer.name,
                defaults={
                    "plan": customer.plan,
                    "seats": customer.seats,
                    "quota": customer.quota,
                    "subscribed": customer.subscribed,
                },
            )
            User.objects.bulk_create(
                [
                    User(
                        pk=member.key,
                        username=member.name,
                        email=member.name,
                        organization=organization,
                        date_joined=member.joined,
                        password=unusable,
                    )
                    for member in customer.members
                ],
                ignore_conflicts=True,
            )

    def issue_statements(self, midnight: datetime) -> None:
        """Issue the statement of each customer's last subscription month, and verify one."""
        self.heading("issue_statement() of each customer")
        issued = {
            organization.name: self.issue(organization, midnight)
            for organization in Organization.objects.all()
        }
        for name, statement in issued.items():
            content = statement.content
            if content["quota"] is not None and content["active_users"] > content["quota"]:
                self.stdout.write(
                    f"{name} is over its quota: {content['active_users']} active users from "
                    f"{content['start']} to {content['end']}; {content['plan']} includes "
                    f"{content['quota']}."
                )
        STATEMENT.write_bytes(export_statement(issued[OVER_QUOTA]))
        self.show("verify_statement", str(STATEMENT))

    def issue(self, organization: Organization, midnight: datetime) -> Statement:
        months = list(customer_monthly_usage(organization.subscribed, end=midnight))
        for month in reversed(months):
            terms = {"of": "organization", "plan": organization.plan, "quota": organization.quota}
            if draft_statement(organization, month, **terms).obstacle is None:
                break
        try:
            return issue_statement(organization, month, **terms)
        except AlreadyIssued as error:
            return error.statement
