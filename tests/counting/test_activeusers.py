"""Sets of users whose keys are not numbers, and sets of both kinds together."""

from souvenirs.counting import ActiveUsers
from souvenirs.sets import UserSet

WORDS = ActiveUsers.of(frozenset({"ann", "bob"}))
OTHERS = ActiveUsers.of(frozenset({"bob", "cleo"}))
NUMBERS = ActiveUsers.of(UserSet.from_ids([1, 2]))


def test_sets_of_other_keys_are_combined():
    assert set(WORDS & OTHERS) == {"bob"}
    assert set(WORDS | OTHERS) == {"ann", "bob", "cleo"}
    assert set(WORDS - OTHERS) == {"ann"}
    assert set(WORDS ^ OTHERS) == {"ann", "cleo"}


def test_sets_of_other_keys_are_counted():
    assert WORDS.count_common(OTHERS) == 1
    assert WORDS.count_union(OTHERS) == 3


def test_sets_of_both_kinds_of_keys_are_united():
    assert set(ActiveUsers.union([WORDS, NUMBERS, OTHERS])) == {"ann", "bob", "cleo", 1, 2}
    assert set(WORDS | NUMBERS) == {"ann", "bob", 1, 2}
    assert NUMBERS.count_common(WORDS) == 0


def test_pages_of_other_keys_are_in_order():
    union = ActiveUsers.union([WORDS, OTHERS])
    assert [union.page(0, 2), union.page(2, 9)] == [["ann", "bob"], ["cleo"]]
