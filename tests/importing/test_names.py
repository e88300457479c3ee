from __future__ import annotations

import pytest

from souvenirs.importing.names import spellings


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("ann", []),
        ('"ann lee"', ["ann lee"]),
        ('"', ['"']),
        ('O\\"Brien', ['O"Brien']),
        ('\\"dora \\"', ['"dora "']),
        ("CORP\\\\ann", ["CORP\\ann"]),
        ("CORP\\x5Cann", ["CORP\\ann"]),
        ("CORP\\ann", ["CORP\\ann"]),
        ("back\\slash", ["back\\slash"]),
        ("m\\xC3\\xBCller", ["müller"]),
        ("m\\xc3\\xbcller", ["müller"]),
        ("m\\xFCller", []),
        ("\ud800\\\\", []),
        ("jane.doe%40example.com", ["jane.doe%40example.com", "jane.doe@example.com"]),
        ("m%C3%BCller", ["m%C3%BCller", "müller"]),
        ("m%FCller", ["m%FCller"]),
        ("100%", ["100%"]),
        ("frank+james", ["frank+james", "frank+james", "frank james"]),
        ("frank+james%2B", ["frank+james%2B", "frank+james+", "frank james+"]),
        ("1.0", ["1", "1.0"]),
        ("1.10", []),
    ],
)
def test_a_name_may_be_spelled_in_several_ways(name, others):
    first, *rest = spellings(name)
    assert first == name
    assert list(dict.fromkeys(rest)) == list(dict.fromkeys(others))
