"""What the tests of published figures have in common."""

from souvenirs.models import Figure
from souvenirs.publishing import Publication, Publisher

GROWTH = ["active", "new", "retained", "resurrected", "churned"]
TRAILING = {"active_7d": 7, "active_28d": 28, "active_30d": 30}


def publish(*intervals, zone="UTC", segments=()):
    """Publish, and return how many figures were written."""
    publisher = Publisher(Publication(intervals or ("day",), (zone,), segments))
    written = sum(step.figures for step in publisher.run())
    assert publisher.failed == []
    return written


def values(metric="active", interval="day", segment="", **fields):
    """The values of a metric by the first day of the period."""
    found = Figure.objects.filter(metric=metric, interval=interval, segment=segment, **fields)
    return dict(found.order_by("first_day").values_list("first_day", "value"))


def final(metric="active", interval="day"):
    return set(values(metric, interval, is_final=True))
