"""Series, stickiness, power curves, growth, retention, and when users were last seen.

Every insight takes ``start`` and ``end``, a half-open range ``[start, end)`` of aware datetimes,
and is computed for the calendar periods of an ``interval``: ``"day"``, ``"week"``, ``"month"``,
``"quarter"`` or ``"year"``. By default the range starts with the period of the first souvenir and
ends now. The first period starts at its calendar boundary, even before ``start``; the last one is
cut off at ``end``. See :class:`Period` for what makes a period ``complete`` and ``known``.

* ``tz`` is the time zone of days, weeks and months, or its name. The default is the named zone of
  ``start``, else the current time zone. Weeks start on ``SOUVENIRS_WEEK_START``.
* ``users`` restricts the insight to a group: a queryset of users, or an iterable of users or
  primary keys.
* ``by`` breaks the insight down by segment and returns a :class:`Segmented`. It is ``"segment"``
  for the segments in ``SOUVENIRS_SEGMENTS``, a dict of groups by name, or a field of the user model
  like ``"groups__name"``. Segments may overlap, so their counts need not add up to the total.
* ``of`` counts groups of users, like organizations, in place of users: those with a user who was
  active. It is the field of the user model whose values are the groups, like ``"organization"``,
  see :func:`souvenirs.control.active_groups`.
* ``exclusive=True`` puts each user in the first matching segment only. It requires ``by``.

Results are exact, with or without digests, and take at most six queries, whatever the range; a few
more for segments and for non-integer primary keys. Insights raise ValueError for invalid arguments,
including its subclass :class:`~souvenirs.control.PrunedSpan` if a period starts or ends inside a
bucket whose souvenirs have been pruned.
"""

from ..calendar import Period
from ..querysets import ActivityQuerySet, inactive, never_seen, recently_seen
from .expectation import Expectation, expectation
from .forecast import Forecast, forecast
from .groups import inactive_groups, last_seen_groups, slipping_groups
from .growth import Growth, GrowthOfPeriod, growth
from .lastseen import active_days, first_seen, first_seen_many, last_seen, last_seen_many
from .mostactive import (
    ActiveUser,
    MostActive,
    MostActiveGroup,
    MostActiveGroups,
    most_active,
    most_active_groups,
)
from .powercurve import PowerCurve, PowerCurves, power_curve, power_curves
from .results import Insight, Segmented
from .retention import Cohort, DayN, DayNRetention, Retention, day_n_retention, retention
from .seats import Seats, SeatsOfGroup, seats
from .series import Series, active_series
from .slipping import slipping_away
from .stickiness import Stickiness, StickinessOfPeriod, stickiness

# isort: off
# Names that are not in ``__all__`` are for the pages, the API and the commands, not public.
from .bucket import first_bucket as first_bucket
from .daysorder import count_active_days as count_active_days
from .daysorder import days_of as days_of
from .daysorder import page_by_active_days as page_by_active_days
from .expectation import TOLERANCE as TOLERANCE
from .forecast import FORECASTS as FORECASTS
from .groups import last_seen_of as last_seen_of, plan_inactive as plan_inactive
from .growth import GrowthPart as GrowthPart, plan_growth as plan_growth
from .powercurve import bit_slices as bit_slices
from .results import Plan as Plan, Reader as Reader, ratio as ratio, results_of as results_of
from .retention import CohortBy as CohortBy, Mode as Mode, Reference as Reference
from .retention import plan_retention as plan_retention
from .seats import SeatSets as SeatSets, active_accounts as active_accounts
from .seenorder import page_by_last_seen as page_by_last_seen
from .series import TRAILING_WINDOWS as TRAILING_WINDOWS, plan_series as plan_series
from .series import TrailingWindow as TrailingWindow
from .slipping import plan_slipping as plan_slipping
from .stickiness import plan_stickiness as plan_stickiness
from .timeline import timeline_of as timeline_of
from .trailing import trailing_counts as trailing_counts
# isort: on

__all__ = [
    "ActiveUser",
    "ActivityQuerySet",
    "Cohort",
    "DayN",
    "DayNRetention",
    "Expectation",
    "Forecast",
    "Growth",
    "GrowthOfPeriod",
    "Insight",
    "MostActive",
    "MostActiveGroup",
    "MostActiveGroups",
    "Period",
    "PowerCurve",
    "PowerCurves",
    "Retention",
    "Seats",
    "SeatsOfGroup",
    "Segmented",
    "Series",
    "Stickiness",
    "StickinessOfPeriod",
    "active_days",
    "active_series",
    "day_n_retention",
    "expectation",
    "first_seen",
    "first_seen_many",
    "forecast",
    "growth",
    "inactive",
    "inactive_groups",
    "last_seen",
    "last_seen_groups",
    "last_seen_many",
    "most_active",
    "most_active_groups",
    "never_seen",
    "power_curve",
    "power_curves",
    "recently_seen",
    "retention",
    "seats",
    "slipping_away",
    "slipping_groups",
    "stickiness",
]
