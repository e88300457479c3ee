"""``{% load souvenirs_usage %}`` gives a template the tag ``{% souvenirs_usage %}``."""

from __future__ import annotations

from django import template
from django.template import Context

from ..pages import usage_card

register = template.Library()


@register.simple_tag(takes_context=True)
def souvenirs_usage(context: Context) -> str:
    """Return a card with active users, for a template of the admin.

    It is empty for users without the permission ``souvenirs.view_usage``.
    """
    return usage_card(context.get("request"))
