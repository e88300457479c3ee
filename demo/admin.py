from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User

from souvenirs.admin import LastSeenAdminMixin

# Where "View site" leads.
admin.site.site_url = "/you/"

admin.site.unregister(User)


@admin.register(User)
class DemoUserAdmin(LastSeenAdminMixin, UserAdmin):
    list_display = ("username", "date_joined")
