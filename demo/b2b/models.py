"""Customers who are organizations, and their users, whose keys are UUIDs."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class Organization(models.Model):
    name = models.CharField(max_length=100, unique=True)
    plan = models.CharField(max_length=20)
    #: The seats that it has bought.
    seats = models.PositiveIntegerField()
    #: The active users of a subscription month that the plan includes; None if any number.
    quota = models.PositiveIntegerField(null=True)
    #: When its subscription started, whose months are billed.
    subscribed = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, null=True, blank=True, related_name="users"
    )
