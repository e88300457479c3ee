"""The mail about a period: its numbers, its wording, and that nobody gets it twice."""

from .accounts import may_see_people
from .deliveries import KEPT, Claim, Deliveries, Mailing
from .messages import Letter, mailer
from .usage import NothingToReport, PeriodUsage, usage_of_last_period
from .wording import printable, site_name
