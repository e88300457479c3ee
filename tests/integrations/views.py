"""Views of plain Django and of Django REST framework."""

from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.decorators import (
    api_view,
    authentication_classes,
    permission_classes,
)
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet
from rest_framework_simplejwt.authentication import (
    JWTAuthentication,
    JWTStatelessUserAuthentication,
)

from souvenirs.decorators import souvenirs_exempt


def whoami(request):
    return HttpResponse(str(request.user.pk))


@login_required
def members(request):
    return HttpResponse("members")


class MembersView(LoginRequiredMixin, View):
    def get(self, request):
        return HttpResponse("members")


@souvenirs_exempt
def exempt(request):
    return HttpResponse(f"user {request.user.is_authenticated}")


@souvenirs_exempt
async def async_exempt(request):
    found = await request.auser()
    return HttpResponse(f"user {found.is_authenticated}")


@method_decorator(souvenirs_exempt, name="dispatch")
class ExemptView(View):
    def get(self, request):
        return HttpResponse(f"user {request.user.is_authenticated}")


class APIMembersView(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": str(request.user.pk)})


class TokenView(APIMembersView):
    authentication_classes = [TokenAuthentication]


class JWTView(APIMembersView):
    authentication_classes = [JWTAuthentication]


class StatelessJWTView(APIMembersView):
    authentication_classes = [JWTStatelessUserAuthentication]


class SessionView(APIMembersView):
    authentication_classes = [SessionAuthentication]


@api_view()
@authentication_classes([TokenAuthentication])
@permission_classes([IsAuthenticated])
def token_function(request):
    return Response({"user": str(request.user.pk)})


@method_decorator(souvenirs_exempt, name="dispatch")
class ExemptTokenView(TokenView):
    pass


class ExemptMethodView(TokenView):
    @method_decorator(souvenirs_exempt)
    def get(self, request):
        return super().get(request)


@souvenirs_exempt
@api_view()
@authentication_classes([TokenAuthentication])
@permission_classes([IsAuthenticated])
def exempt_token_function(request):
    return Response({"user": str(request.user.pk)})


@api_view()
@souvenirs_exempt
@authentication_classes([TokenAuthentication])
@permission_classes([IsAuthenticated])
def exempt_inner_function(request):
    return Response({"user": str(request.user.pk)})


class ExemptActions(ViewSet):
    """One action is exempt, the other is not."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]

    @method_decorator(souvenirs_exempt)
    def list(self, request):
        return Response([])

    def retrieve(self, request, pk):
        return Response({})


def anybody(*, hijacker, hijacked):
    """For django-hijack, whose own rules need is_superuser."""
    return True
