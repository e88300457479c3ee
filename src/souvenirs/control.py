"""The front door: the verbs of the app."""

from .counting import ActiveUsers, active_users, count_active_users
from .recording import asouvenez, souvenez

__all__ = ["ActiveUsers", "active_users", "asouvenez", "count_active_users", "souvenez"]
