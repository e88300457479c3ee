"""The pages: numbers, charts and tables for people."""

from .card import usage_card
from .charts import weeks
from .errors import error_context, error_message
from .formats import DASH, minute, number
from .links import Mount
from .views import ROUTES

__all__ = [
    "DASH",
    "ROUTES",
    "Mount",
    "error_context",
    "error_message",
    "minute",
    "number",
    "usage_card",
    "weeks",
]
