from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView
from strawberry.django.views import AsyncGraphQLView, GraphQLView

from tests import views as plain
from tests.integrations import schema, views
from tests.integrations.api import api

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login/", auth.LoginView.as_view(template_name="admin/login.html"), name="login"),
    path("logout/", auth.LogoutView.as_view()),
    path("plain/", plain.plain),
    path("user/", plain.user),
    path("async/plain/", plain.async_plain),
    path("async/user/", plain.async_user),
    path("whoami/", views.whoami),
    path("members/", views.members),
    path("members/class/", views.MembersView.as_view()),
    path("exempt/", views.exempt),
    path("exempt/class/", views.ExemptView.as_view()),
    path("async/exempt/", views.async_exempt),
    path("api/token/", views.TokenView.as_view()),
    path("api/token/function/", views.token_function),
    path("api/jwt/", views.JWTView.as_view()),
    path("api/jwt/obtain/", TokenObtainPairView.as_view()),
    path("api/jwt/refresh/", TokenRefreshView.as_view()),
    path("api/jwt/stateless/", views.StatelessJWTView.as_view()),
    path("api/session/", views.SessionView.as_view()),
    path("api/exempt/", views.ExemptTokenView.as_view()),
    path("api/exempt/method/", views.ExemptMethodView.as_view()),
    path("api/exempt/function/", views.exempt_token_function),
    path("api/exempt/inner/", views.exempt_inner_function),
    path("api/exempt/actions/", views.ExemptActions.as_view({"get": "list"})),
    path("api/exempt/actions/1/", views.ExemptActions.as_view({"get": "retrieve"}), {"pk": "1"}),
    path("ninja/", api.urls),
    path("graphql/", GraphQLView.as_view(schema=schema.schema)),
    path("graphql/token/", schema.TokenGraphQLView.as_view(schema=schema.schema)),
    path("async/graphql/", AsyncGraphQLView.as_view(schema=schema.async_schema)),
    path("async/graphql/token/", schema.AsyncTokenGraphQLView.as_view(schema=schema.async_schema)),
    path("hijack/", include("hijack.urls")),
    path("impersonate/", include("impersonate.urls")),
    path("loginas/", include("loginas.urls")),
]
