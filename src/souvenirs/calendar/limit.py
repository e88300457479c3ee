"""The limit on the number of periods in a result."""

from __future__ import annotations

from django.utils.translation import gettext_noop

#: The largest number of periods in a result. A range with more is most likely a typo.
MAX_PERIODS = 100_000


class TooManyPeriods(ValueError):
    """A range has more periods than a result may have.

    The message is :meth:`sentence` in English, and ``values`` are the numbers in it.
    """

    def __init__(self, periods: int, most: int) -> None:
        self.values = {"periods": periods, "most": most}
        super().__init__(self.sentence() % {"periods": f"{periods:,}", "most": f"{most:,}"})

    @staticmethod
    def sentence() -> str:
        """Return the message, marked for translation, with names for the numbers."""
        # Not an attribute: marking needs settings, which importing a calendar must not.
        return gettext_noop(
            "The range has %(periods)s periods, more than %(most)s: "
            "choose a shorter range or a longer interval."
        )


def check_period_count(periods: int, most: int = MAX_PERIODS) -> None:
    """Raise :class:`TooManyPeriods` if there are more than ``most`` periods."""
    if periods > most:
        raise TooManyPeriods(periods, most)
