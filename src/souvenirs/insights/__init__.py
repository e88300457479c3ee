"""Whether it is getting better, and who is slipping away.

Every insight takes ``start`` and ``end``, a half-open range ``[start, end)`` of aware datetimes,
and answers for the calendar periods of an ``interval``, which is ``"day"``, ``"week"``,
``"month"``, ``"quarter"`` or ``"year"``. Without a start it begins with the period of the first
souvenir; without an end it goes up to now. The first period is whole; the last one is cut off at
the end. A period that is not over yet is not ``complete``.

* ``tz`` is the time zone, or its name, on whose wall clock days, weeks and months begin: without
  it, the named zone that ``start`` carries, else the current one. Weeks start on
  ``SOUVENIRS_WEEK_START``.
* ``users`` restricts everything to a group: a queryset of users, or users or primary keys in any
  iterable.
* ``by`` gives a :class:`Segmented` with the same insight for each segment and for everyone:
  ``"segment"`` for those in ``SOUVENIRS_SEGMENTS``, groups by name in a dict, or a field of the
  user model like ``"groups__name"``. Segments overlap, and their numbers do not add up to that of
  everyone; with ``exclusive=True`` a user is in the first segment that has them, and in no other,
  which means nothing without ``by``, and is refused.

All are exact, with or without digests, and take at most six questions to the database, whatever the
range (and a few more where users are not their own numbers, or for segments). They raise ValueError
for what they cannot make sense of, :class:`~souvenirs.control.PrunedSpan` among them, where a
period starts or ends inside a bucket whose souvenirs have been deleted.
"""

from ..querysets import ActivityQuerySet, inactive, never_seen, recently_seen
from .growth import Growth, GrowthOfPeriod, growth
from .lastseen import active_days, first_seen, first_seen_many, last_seen, last_seen_many
from .layout import Period
from .powercurve import PowerCurve, PowerCurves, power_curve, power_curves
from .results import Insight, Segmented
from .retention import Cohort, DayN, DayNRetention, Retention, day_n_retention, retention
from .series import Series, active_series
from .stickiness import Stickiness, StickinessOfPeriod, stickiness

# isort: off
# For the pages, the API and the commands. The public names are those in ``__all__``.
from .growth import GrowthPart as GrowthPart, plan_growth as plan_growth
from .layout import (
    Layout as Layout,
    Origin as Origin,
    find_origin as find_origin,
    lay as lay,
)
from .results import Plan as Plan, ratio as ratio, read as read
from .retention import CohortBy as CohortBy, Mode as Mode, Reference as Reference
from .seenorder import page_by_last_seen as page_by_last_seen
from .series import WINDOWS as WINDOWS
from .stickiness import plan_stickiness as plan_stickiness
from .trailing import trailing_counts as trailing_counts
# isort: on

__all__ = [
    "ActivityQuerySet",
    "Cohort",
    "DayN",
    "DayNRetention",
    "Growth",
    "GrowthOfPeriod",
    "Insight",
    "Period",
    "PowerCurve",
    "PowerCurves",
    "Retention",
    "Segmented",
    "Series",
    "Stickiness",
    "StickinessOfPeriod",
    "active_days",
    "active_series",
    "day_n_retention",
    "first_seen",
    "first_seen_many",
    "growth",
    "inactive",
    "last_seen",
    "last_seen_many",
    "never_seen",
    "power_curve",
    "power_curves",
    "recently_seen",
    "retention",
    "stickiness",
]
