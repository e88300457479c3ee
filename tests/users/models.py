"""User models as projects have them: any primary key, and not every field that Django's has."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone

from souvenirs.querysets import ActivityQuerySet


class Manager(BaseUserManager.from_queryset(ActivityQuerySet)):
    def create_user(self, username, **fields):
        return self.create(**{self.model.USERNAME_FIELD: username}, **fields)


class UUIDUser(AbstractBaseUser):
    """A random key, and other names for what Django calls date_joined and is_active."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    username = models.CharField(max_length=150, unique=True)
    signed_up = models.DateTimeField(default=timezone.now)
    enabled = models.BooleanField(default=True)

    USERNAME_FIELD = "username"
    objects = Manager()


class CharUser(AbstractBaseUser):
    """Keys that are words."""

    code = models.CharField(max_length=40, primary_key=True)
    date_joined = models.DateTimeField(default=timezone.now)

    USERNAME_FIELD = "code"
    objects = Manager()


class BareUser(AbstractBaseUser):
    """No username, no date_joined, no is_active; the table has a mind of its own about order."""

    email = models.EmailField(unique=True)

    USERNAME_FIELD = "email"
    objects = Manager()

    class Meta:
        ordering = ["email"]
