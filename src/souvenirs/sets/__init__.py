"""Sets of users: their primary keys, their numbers and the bytes they are stored as."""

from .conditions import IsOneOf, one_of
from .keys import (
    FIRST_NUMBER,
    PACKED,
    Keys,
    is_number,
    is_whole,
    keys_of_integers,
    packing,
    primary_key,
    unpacked,
)
from .usersets import LAST_NUMBER, CorruptDigest, Label, UserSet, checksum_of
