"""User models that differ in their primary key only."""

from __future__ import annotations

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models


class Organization(models.Model):
    name = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.name


class Account(AbstractBaseUser):
    username = models.CharField(max_length=150, unique=True)
    date_joined = models.DateTimeField(db_index=True)
    is_active = models.BooleanField(default=True)
    plan = models.CharField(max_length=10)
    organization = models.ForeignKey(
        Organization, models.CASCADE, null=True, related_name="%(class)s"
    )

    USERNAME_FIELD = "username"
    is_staff = True

    class Meta:
        abstract = True

    def has_perm(self, permission: str, obj: object = None) -> bool:
        return True


class IntegerUser(Account):
    id = models.AutoField(primary_key=True)


class LargeUser(Account):
    id = models.BigIntegerField(primary_key=True)


class UUIDUser(Account):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)


class TextUser(Account):
    id = models.CharField(max_length=40, primary_key=True)
