"""Views as sites have them: some ask who is there, some never do."""

import asyncio

from django.http import Http404, HttpResponse
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


def plain(request):
    return HttpResponse("plain")


def user(request):
    return HttpResponse(f"user {request.user.is_authenticated}")


def fails(request):
    raise RuntimeError("the view fails")


def missing(request):
    raise Http404


async def async_plain(request):
    return HttpResponse("plain")


async def async_user(request):
    found = await request.auser()
    return HttpResponse(f"user {found.is_authenticated}")


async def async_slow(request):
    await asyncio.sleep(60)
    return HttpResponse("too late")


class TokenView(APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": str(request.user.pk)})
