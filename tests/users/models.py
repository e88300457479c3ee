"""User models as projects have them: any primary key, and not every field that Django's has."""

import uuid

from django.conf import settings
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


class Details(models.JSONField):
    """JSON, without the check of Django 6.1 that asks databases which a test may not use."""

    def check(self, **kwargs):
        return []


class Organization(models.Model):
    """A customer, with a key like that of a user of these sites.

    What refers to users has no constraint in the database: this app has no migrations, so that its
    tables are made before those of Django's users.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=40, unique=True)
    plan = models.CharField(max_length=40, blank=True)
    seats = models.IntegerField(null=True)
    details = Details(null=True)

    def __str__(self):
        return self.name


class Profile(models.Model):
    """What a user has besides: at most one organization."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, db_constraint=False)
    organization = models.ForeignKey(Organization, models.CASCADE, null=True)

    def __str__(self):
        return f"{self.user_id} of {self.organization_id}"


class Membership(models.Model):
    """One of the organizations of a user."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_constraint=False)
    organization = models.ForeignKey(Organization, models.CASCADE, to_field="name")

    def __str__(self):
        return f"{self.user_id} of {self.organization_id}"
