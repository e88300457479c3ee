"""A task of Django, since version 6.0: it is given a key, as JSON knows no users."""

from django.tasks import task

from souvenirs.control import souvenez


@task
def remember(pk):
    return souvenez(pk)
