"""What is wrong on a site, and what to do about it."""

from .diagnosis import diagnose
from .findings import Finding, State, worst
