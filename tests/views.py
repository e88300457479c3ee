"""Views as sites have them: some ask who is there, some never do."""

import asyncio
from pathlib import Path

from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.http import (
    Http404,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.utils.decorators import method_decorator
from django.views import View
from django.views.static import serve
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from souvenirs.control import souvenez
from souvenirs.decorators import souvenirs_exempt


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


@souvenirs_exempt
def exempt(request):
    return HttpResponse("exempt")


@souvenirs_exempt
async def async_exempt(request):
    return HttpResponse("exempt")


@method_decorator(souvenirs_exempt, name="dispatch")
class ExemptView(View):
    def get(self, request):
        return HttpResponse("exempt")


class TokenView(APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": str(request.user.pk)})


def moved(request):
    return HttpResponseRedirect("/plain/")


@login_required(login_url="/login/")
def members(request):
    return HttpResponse("members")


def streaming(request):
    return StreamingHttpResponse(f"{number}\n" for number in range(3))


async def async_streaming(request):
    async def numbers():
        for number in range(3):
            yield f"{number}\n"

    return StreamingHttpResponse(numbers())


def file(request):
    return serve(request, "views.py", document_root=Path(__file__).parent)


def json(request):
    return JsonResponse({"user": request.user.is_authenticated})


def session(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(f"visit {request.session['visits']}")


def goodbye(request):
    request.user.delete()
    return HttpResponse("goodbye")


def breaks(request):
    """Fail in the transaction of the request, and ask for a souvenir after that."""
    try:
        get_user_model()._default_manager.create(pk=request.user.pk)
    except IntegrityError as error:
        return HttpResponse(f"{type(error).__name__}, {souvenez(request.user.pk)}")
