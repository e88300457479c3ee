from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from demo.b2b.models import Organization, User
from souvenirs.admin import LastSeenAdminMixin


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin):
    list_display = ("name", "plan", "seats", "quota", "subscribed")
    list_filter = ("plan",)
    search_fields = ("name",)


@admin.register(User)
class DemoUserAdmin(LastSeenAdminMixin, UserAdmin):
    list_display = ("username", "organization")
    list_filter = ("organization__plan",)
    fieldsets = (*UserAdmin.fieldsets, ("Customer", {"fields": ("organization",)}))
