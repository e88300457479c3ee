from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from tests import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("souvenirs/", include("souvenirs.dashboard.urls")),
    path("login/", auth.LoginView.as_view(template_name="admin/login.html")),
    path("logout/", auth.LogoutView.as_view()),
    path("plain/", views.plain),
    path("user/", views.user),
    path("fails/", views.fails),
    path("missing/", views.missing),
    path("async/plain/", views.async_plain),
    path("async/user/", views.async_user),
    path("async/slow/", views.async_slow),
    path("moved/", views.moved),
    path("login/required/", views.members),
    path("streaming/", views.streaming),
    path("async/streaming/", views.async_streaming),
    path("file/", views.file),
    path("json/", views.json),
    path("session/", views.session),
    path("goodbye/", views.goodbye),
    path("breaks/", views.breaks),
    path("exempt/", views.exempt),
    path("exempt/async/", views.async_exempt),
    path("exempt/class/", views.ExemptView.as_view()),
    path("api/", views.TokenView.as_view()),
]
