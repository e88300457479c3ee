"""Active users, segments and accounts."""

from ..stores import (
    ActiveGroups,
    ActiveSet,
    ActiveUsers,
    Group,
    common_users,
    group_of,
    queryset_of,
)
from .accounts import (
    accounts_as_of,
    date_joined_field,
    is_active_field,
    joined_each,
)
from .activity import active_groups, active_users, active_users_each, count_active_users
from .expressions import WasSeen
from .listed import check_listed, field_labels, fields_that_identify_users, listed_fields
from .segments import (
    BY_SETTING,
    GROUP,
    By,
    BySegment,
    InvalidSegment,
    InvalidSegments,
    check_definition,
    check_segment,
    first_match,
    group_names,
    groups_among,
    groups_by,
    groups_if_any,
    has_fixed_segments,
    has_groups,
    is_group,
    members_if_any,
    most_active,
    restricted,
    segment,
    segment_definitions,
    segment_names,
    segments_among,
    segments_among_users,
    users_by,
)
from .usage import Usage, base_usage_for_periods, usage_read_together
