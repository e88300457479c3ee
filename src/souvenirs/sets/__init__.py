"""Sets of users: their primary keys, their numbers and the bytes they are stored as."""

from .conditions import IsOneOf, one_of
from .keys import Keys, keys_by, keys_in, packing, primary_key, unpacked
from .numbers import FIRST_NUMBER, LAST_NUMBER, give_numbers, is_number, keys_of, numbers_of
from .usersets import CorruptDigest, Label, UserSet, checksum_of

__all__ = [
    "FIRST_NUMBER",
    "LAST_NUMBER",
    "CorruptDigest",
    "IsOneOf",
    "Keys",
    "Label",
    "UserSet",
    "checksum_of",
    "give_numbers",
    "is_number",
    "keys_by",
    "keys_in",
    "keys_of",
    "numbers_of",
    "one_of",
    "packing",
    "primary_key",
    "unpacked",
]
