import pytest

from souvenirs.calendar.limit import MAX_PERIODS, TooManyPeriods, check_period_count


def test_as_many_periods_as_allowed():
    check_period_count(MAX_PERIODS)
    check_period_count(400, most=400)


def test_one_period_more_than_allowed():
    with pytest.raises(TooManyPeriods) as caught:
        check_period_count(4_001, most=4_000)
    assert str(caught.value) == (
        "The range has 4,001 periods, more than 4,000: choose a shorter range or a longer interval."
    )


def test_limit_that_holds_everywhere():
    with pytest.raises(ValueError, match="has 100,001 periods, more than 100,000: "):
        check_period_count(MAX_PERIODS + 1)


def test_sentence_can_be_filled_in_for_readers_of_another_language():
    error = TooManyPeriods(4_001, 4_000)
    assert error.sentence() % error.values == (
        "The range has 4001 periods, more than 4000: choose a shorter range or a longer interval."
    )
