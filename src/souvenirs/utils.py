"""The calendar functions, at the import path of version 1."""

from .calendar import (
    adjust_to_calendar_month,
    adjust_to_subscription_start,
    iter_days,
    iter_months,
    iter_quarters,
    iter_weeks,
    iter_years,
    nearest_dom,
    next_month,
)

__all__ = [
    "adjust_to_calendar_month",
    "adjust_to_subscription_start",
    "iter_days",
    "iter_months",
    "iter_quarters",
    "iter_weeks",
    "iter_years",
    "nearest_dom",
    "next_month",
]
