from hypothesis import given, strategies

from souvenirs.insights.trailing import trailing_counts
from souvenirs.stores.activeusers import ActiveUsers

users = strategies.frozensets(strategies.integers(1, 9), max_size=5)


@strategies.composite
def windows(draw):
    """Some days, and windows of them that do not go back."""
    days = draw(strategies.lists(users, min_size=1, max_size=20))
    ends = sorted(draw(strategies.lists(strategies.integers(0, len(days)))))
    starts = sorted(draw(strategies.integers(0, end)) for end in ends)
    return days, list(zip(starts, ends, strict=True))


@given(windows())
def test_equals_brute_force(found):
    days, spans = found
    expected = [len(frozenset().union(*days[first:last])) for first, last in spans]
    assert list(trailing_counts(list(map(ActiveUsers, days)), spans)) == expected


def test_same_window_twice():
    days = [ActiveUsers([1]), ActiveUsers([2])]
    assert list(trailing_counts(days, [(0, 1), (0, 1), (0, 2), (0, 2), (1, 2)])) == [1, 1, 2, 2, 1]


def test_takes_few_unions(monkeypatch):
    """A year of windows of thirty days, each of which would take thirty unions on its own."""
    made = []
    union, unite = ActiveUsers.union.__func__, ActiveUsers.__or__

    def count_union(cls, sets):
        sets = list(sets)
        made.append(len(sets))
        return union(cls, sets)

    def count_or(self, other):
        made.append(1)
        return unite(self, other)

    monkeypatch.setattr(ActiveUsers, "union", classmethod(count_union))
    monkeypatch.setattr(ActiveUsers, "__or__", count_or)
    days = [ActiveUsers([n]) for n in range(365 + 29)]
    counts = trailing_counts(days, [(n, n + 30) for n in range(365)])
    assert list(counts) == [30] * 365
    assert sum(made) < 4 * 365
