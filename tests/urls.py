from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import path

from tests import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login/", auth.LoginView.as_view(template_name="admin/login.html")),
    path("logout/", auth.LogoutView.as_view()),
    path("plain/", views.plain),
    path("user/", views.user),
    path("fails/", views.fails),
    path("missing/", views.missing),
    path("async/plain/", views.async_plain),
    path("async/user/", views.async_user),
    path("async/slow/", views.async_slow),
    path("api/", views.TokenView.as_view()),
]
