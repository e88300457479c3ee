from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.formats import localize

from souvenirs.admin import LastSeenAdminMixin

# Where "View site" leads.
admin.site.site_url = "/you/"

admin.site.unregister(User)


@admin.register(User)
class DemoUserAdmin(LastSeenAdminMixin, UserAdmin):
    list_display = ("username", "registered")
    readonly_fields = ("registered",)
    fieldsets = (
        *UserAdmin.fieldsets[:-1],
        ("Important dates", {"fields": ("last_login", "registered")}),
    )

    @admin.display(ordering="date_joined")
    def registered(self, user: User) -> str:
        """Return when a user registered, as the pages of the app show it."""
        if user.date_joined > timezone.now():
            return "not yet"
        return localize(timezone.localtime(user.date_joined))
