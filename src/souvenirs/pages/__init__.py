"""The pages: numbers, charts and tables for people."""

from .card import usage_card
from .charts import weeks
from .errors import error_context, error_message
from .formats import DASH, day, minute, number, percent, signed
from .language import in_page_language, page_language
from .links import Mount
from .views import ROUTES

__all__ = [
    "DASH",
    "ROUTES",
    "Mount",
    "day",
    "error_context",
    "error_message",
    "in_page_language",
    "minute",
    "number",
    "page_language",
    "percent",
    "signed",
    "usage_card",
    "weeks",
]
