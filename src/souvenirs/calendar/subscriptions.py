"""Numbers and labels of the months and quarters of a subscription, as version 1 had them."""

from __future__ import annotations


def month_to_year(month: int) -> int:
    """Return the year of a subscription that a month of it is in; both are numbered from 1."""
    return (month - 1) // 12 + 1


def month_to_month(month: int) -> int:
    """Return the month of its year, from 1 to 12, of a month of a subscription."""
    return (month - 1) % 12 + 1


def month_to_quarter(month: int) -> int:
    """Return the quarter of its year, from 1 to 4, of a month of a subscription."""
    return quarter_to_quarter((month - 1) // 3 + 1)


def quarter_to_year(quarter: int) -> int:
    """Return the year of a subscription that a quarter of it is in; both are numbered from 1."""
    return (quarter - 1) // 4 + 1


def quarter_to_quarter(quarter: int) -> int:
    """Return the quarter of its year, from 1 to 4, of a quarter of a subscription."""
    return (quarter - 1) % 4 + 1


def label_year_month_m(month: int) -> str:
    """Return ``Y01 M01`` for month 1 of a subscription."""
    return f"{label_year_m(month)} M{month_to_month(month):02d}"


def label_year_quarter_m(month: int) -> str:
    """Return ``Y01 Q1`` for month 1 of a subscription."""
    return f"{label_year_m(month)} Q{month_to_quarter(month)}"


def label_year_m(month: int) -> str:
    """Return ``Y01`` for month 1 of a subscription."""
    return label_year_y(month_to_year(month))


def label_year_quarter_q(quarter: int) -> str:
    """Return ``Y01 Q1`` for quarter 1 of a subscription."""
    return f"{label_year_q(quarter)} Q{quarter_to_quarter(quarter)}"


def label_year_q(quarter: int) -> str:
    """Return ``Y01`` for quarter 1 of a subscription."""
    return label_year_y(quarter_to_year(quarter))


def label_year_y(year: int) -> str:
    """Return ``Y01`` for year 1 of a subscription."""
    return f"Y{year:02d}"
