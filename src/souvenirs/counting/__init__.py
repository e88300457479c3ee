"""Active users, segments and accounts."""

from ..stores import ActiveUsers, Group, group_of, queryset_of
from .accounts import (
    accounts_as_of,
    date_joined_field,
    is_active_field,
    joined_each,
)
from .activity import active_users, active_users_each, count_active_users
from .expressions import WasSeen
from .segments import (
    BY_SETTING,
    GROUP,
    By,
    BySegment,
    InvalidSegment,
    check_segment,
    group_names,
    groups_by,
    groups_if_any,
    has_groups,
    is_group,
    members_if_any,
    restricted,
    segment,
    segment_among,
    segment_definition,
    segment_names,
    users_by,
)
from .usage import Usage, base_usage_for_periods, usage_read_together
