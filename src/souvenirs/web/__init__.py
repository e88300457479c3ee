"""Shared by the pages and the API: permissions, parameters of URLs, CSV."""

from . import busyhours, fields, grouplists, shared
from .busyhours import FOUR_WEEKS, WEEK
from .faults import FAULTS, part_of, sentence_of
from .fields import InvalidParameter
from .forms import (
    MAX_DAYS,
    Parameters,
    QueryForm,
    RangeForm,
    check_periods,
    check_report,
)
from .health import failed_checks, recording_problems
from .permissions import (
    VIEW_PEOPLE,
    VIEW_USAGE,
    View,
    error_response,
    may,
    private,
    refused_method,
)
from .readers import InvalidVisibility, Reader, Refused
from .responses import clock_time, csv_response, timestamp
from .users import name_of

__all__ = [
    "FAULTS",
    "FOUR_WEEKS",
    "MAX_DAYS",
    "VIEW_PEOPLE",
    "VIEW_USAGE",
    "WEEK",
    "InvalidParameter",
    "InvalidVisibility",
    "Parameters",
    "QueryForm",
    "RangeForm",
    "Reader",
    "Refused",
    "View",
    "busyhours",
    "check_periods",
    "check_report",
    "clock_time",
    "csv_response",
    "error_response",
    "failed_checks",
    "fields",
    "grouplists",
    "may",
    "name_of",
    "part_of",
    "private",
    "recording_problems",
    "refused_method",
    "sentence_of",
    "shared",
    "timestamp",
]
