"""User models of the sites, which differ in their keys and in what they know of a user."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import UserManager
from django.db import models
from django.utils import timezone


class Base(AbstractBaseUser):
    username = models.CharField(max_length=150, unique=True)
    is_superuser = models.BooleanField(default=False)

    USERNAME_FIELD = "username"
    objects = UserManager()

    class Meta:
        abstract = True

    def has_perm(self, permission, obj=None):
        return self.is_superuser


class DatelessMember(Base):
    """Nobody knows when it registered, nor whether it is active."""


class Member(Base):
    date_joined = models.DateTimeField(default=timezone.now)
    is_active = models.BooleanField(default=True)

    class Meta:
        abstract = True


class BigMember(Member):
    """Keys of 64 bits."""

    id = models.BigAutoField(primary_key=True)


class UUIDMember(Member):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)


class TextMember(Member):
    code = models.CharField(max_length=40, primary_key=True)
