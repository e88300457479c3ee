"""Where each page is, and each answer of the API, below wherever all of them are."""

from . import pages

#: The route and the view of each, by name.
PAGES = {
    "overview": ("", pages.overview),
    "retention": ("retention/", pages.retention),
    "people": ("people/", pages.people),
    "billing": ("billing/", pages.billing),
    "health": ("health/", pages.health),
}
