"""Figures published as plain rows, for tools that read SQL."""

from .latest import latest_figures
from .metrics import GROWTH
from .publication import Publication, publication
from .publisher import Published, Publisher
from .reading import Known, growth_counts, growth_of, known_counts, series_of
from .table import LatestFigure

__all__ = [
    "GROWTH",
    "Known",
    "LatestFigure",
    "Publication",
    "Published",
    "Publisher",
    "growth_counts",
    "growth_of",
    "known_counts",
    "latest_figures",
    "publication",
    "series_of",
]
