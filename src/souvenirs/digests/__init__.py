"""Souvenirs folded into digests, pruned, erased and verified."""

from .digester import Batch, Digester
from .erasing import erase_deleted_user, erase_user, export_user
from .pruning import NotInDigest, Pruner
from .status import Level, Status, corrupt_digests, faults, status
from .verifying import Verifier
