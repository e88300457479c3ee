from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

from demo import views

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("you/", views.home, name="home"),
    path("admin/", admin.site.urls),
    path("souvenirs/", include("souvenirs.dashboard.urls")),
]
if find_spec("prometheus_client"):
    urlpatterns += [path("metrics", include("souvenirs.metrics.urls"))]
