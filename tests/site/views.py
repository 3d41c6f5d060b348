import asyncio
import hashlib
import json

from django.contrib.auth import authenticate, login, logout
from django.core.files.storage import default_storage
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST


def text(body, **kwargs):
    return HttpResponse(body, content_type="text/plain; charset=utf-8", **kwargs)


def number(request, name, default):
    return int(request.GET.get(name, default))


def digest(chunks):
    """The size and the SHA-256 of a body, without ever holding all of it."""
    size, sha256 = 0, hashlib.sha256()
    for chunk in chunks:
        size += len(chunk)
        sha256.update(chunk)
    return size, sha256.hexdigest()


def body_chunks(request):
    return iter(lambda: request.read(65536), b"")


def health(request):
    return text("ok")


def index(request):
    return render(request, "index.html")


def styled(request):
    return render(request, "styled.html")


def json_page(request):
    return JsonResponse({"site": "parvis test site", "numbers": [1, 2, 3]})


def cookies(request):
    response = text("two cookies\n")
    response.set_cookie("flavour", "oat", max_age=3600, httponly=True, samesite="Lax")
    response.set_cookie("colour", "green")
    return response


def session(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})


@require_http_methods(["GET", "HEAD", "POST"])
def account(request):
    if request.method == "POST":
        return account_login(request)
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        # get_token also makes the response set the cookie that the token is checked against.
        user = request.user.get_username() or None
        return JsonResponse({"user": user, "csrf": get_token(request)})
    return render(request, "account.html")


def account_login(request):
    if request.content_type == "application/json":
        try:
            fields = dict(json.loads(request.body))
        except (TypeError, ValueError):
            return JsonResponse({"error": "not a JSON object"}, status=400)
    else:
        fields = request.POST
    user = authenticate(
        request, username=fields.get("username"), password=fields.get("password")
    )
    if user is None:
        return JsonResponse({"error": "wrong user name or password"}, status=403)
    login(request, user)
    return JsonResponse({"user": user.get_username()})


@require_POST
def account_logout(request):
    logout(request)
    return JsonResponse({"user": None})


@csrf_exempt
def echo(request):
    """The request as it arrived, taken from the ASGI scope before Django interprets it."""
    scope = request.scope
    path, query = scope["raw_path"], scope["query_string"]
    size, sha256 = digest(body_chunks(request))
    return JsonResponse(
        {
            "method": scope["method"],
            "path": (path + b"?" + query if query else path).decode("latin-1"),
            "headers": [
                [name.decode("latin-1"), value.decode("latin-1")]
                for name, value in scope["headers"]
            ],
            "remote_addr": request.META["REMOTE_ADDR"],
            "secure": request.is_secure(),
            "host": request.get_host(),
            "size": size,
            "sha256": sha256,
        }
    )


@csrf_exempt
@require_POST
def upload(request):
    """One file: the first of a multipart form, or else the body itself."""
    if request.content_type == "multipart/form-data":
        file = next(iter(request.FILES.values()), None)
        if file is None:
            return JsonResponse({"error": "no file in the form"}, status=400)
        name, chunks = file.name, file.chunks()
    else:
        name, chunks = None, body_chunks(request)
    size, sha256 = digest(chunks)
    return JsonResponse({"name": name, "size": size, "sha256": sha256})


@require_http_methods(["GET", "HEAD", "POST"])
def photographs(request):
    """A form, and what was uploaded with it, below /media/ as it came."""
    if request.method == "POST":
        file = request.FILES.get("photograph")
        if file is None:
            return JsonResponse({"error": "no photograph in the form"}, status=400)
        default_storage.save(f"photographs/{file.name}", file)
        return redirect("/photographs/")
    folder = "photographs"
    names = default_storage.listdir(folder)[1] if default_storage.exists(folder) else []
    urls = [default_storage.url(f"{folder}/{name}") for name in sorted(names)]
    return render(request, "photographs.html", {"urls": urls})


async def ticks(template, count, ms):
    """The first at once, each further one `ms` milliseconds after the one before."""
    for i in range(1, count + 1):
        if i > 1:
            await asyncio.sleep(ms / 1000)
        yield template % i


async def stream(request):
    lines = ticks("line %d\n", number(request, "n", 5), number(request, "ms", 100))
    return StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")


async def events(request):
    lines = ticks("data: %d\n\n", number(request, "n", 3), number(request, "ms", 100))
    response = StreamingHttpResponse(lines, content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    return response


async def slow(request):
    ms = number(request, "ms", 1000)
    await asyncio.sleep(ms / 1000)
    return text(f"after {ms} ms\n")


def status(request, code):
    if not 200 <= code <= 599:
        raise Http404
    # These two have no body by definition.
    return text("" if code in (204, 304) else f"{code}\n", status=code)


def boom(request):
    raise RuntimeError("boom")
