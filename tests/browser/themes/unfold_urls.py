"""An admin of users as django-unfold asks for it, with the mixin first."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.urls import path
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from souvenirs.admin import LastSeenAdminMixin

admin.site.unregister(User)


@admin.register(User)
class MyUserAdmin(LastSeenAdminMixin, UserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


urlpatterns = [path("admin/", admin.site.urls)]
