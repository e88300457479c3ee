from django.http import HttpResponse
from django.urls import include, path


def plain(request):
    return HttpResponse("page")


def asks(request):
    return HttpResponse(f"page for {request.user.pk}")


async def async_plain(request):
    return HttpResponse("page")


async def async_asks(request):
    user = await request.auser()
    return HttpResponse(f"page for {user.pk}")


urlpatterns = [
    path("plain/", plain),
    path("asks/", asks),
    path("async/plain/", async_plain),
    path("async/asks/", async_asks),
    path("souvenirs/", include("souvenirs.dashboard.urls")),
]
