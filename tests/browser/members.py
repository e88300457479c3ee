"""An admin of users with the mixin, and nothing of another app of the suite."""

from django.contrib.admin import AdminSite
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.urls import path

from souvenirs.admin import LastSeenAdminMixin


class MemberAdmin(LastSeenAdminMixin, UserAdmin):
    change_form_template = "admin/change_form.html"


site = AdminSite()
site.register(User, MemberAdmin)
urlpatterns = [path("admin/", site.urls)]
