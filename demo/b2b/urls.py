from django.contrib import admin
from django.urls import include, path

from demo import views

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("admin/", admin.site.urls),
    path("souvenirs/", include("souvenirs.dashboard.urls")),
]
