"""Old names."""

from ..calendar import MICROSECOND as MICROSECOND
from ..calendar import Range as Range
from ..calendar import Timeline as Layout
from .timeline import Origin as Origin
from .timeline import find_origin as find_origin
from .timeline import timeline_of as lay

__all__ = ["MICROSECOND", "Layout", "Origin", "Range", "find_origin", "lay"]
