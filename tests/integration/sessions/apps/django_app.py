# ruff: noqa: E402
"""Real Django: login, counter, logout on the session backend that is asked for."""

import json
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

port, store, where, secret = sys.argv[1:5]
# store: a session backend's name; db:KIND keeps the table on a server, with its address as JSON in `where`.
store, _, kind = store.partition(":")
server = json.loads(where) if kind else {}
if kind == "mysql":
    import pymysql

    pymysql.version_info = (2, 2, 8, "final", 0)  # Django wants to see mysqlclient's
    pymysql.install_as_MySQLdb()
settings.configure(
    SECRET_KEY=secret,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    INSTALLED_APPS=["django.contrib.sessions"],
    SESSION_ENGINE=f"django.contrib.sessions.backends.{store}",
    SESSION_FILE_PATH=where if store == "file" else None,
    USE_TZ=True,
    DATABASES={
        "default": {"ENGINE": f"django.db.backends.{kind}", **server}
        if kind
        else {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": f"{where}/db.sqlite3" if store == "db" else ":memory:",
            "OPTIONS": {"timeout": 30},
        }
    },
    CACHES={
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": where}
        if store == "cache"
        else {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
    },
)
django.setup()

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import re_path


def page(request):
    session = request.session
    if request.path == "/login":
        session.cycle_key()
        session["user"], session["n"] = request.GET["user"], 0
        session["cart"] = {"items": ["é半", 1.5, None]}
    elif request.path == "/logout":
        session.flush()
    elif request.path == "/hit" and "user" in session:
        session["n"] += 1
    if "user" not in session:
        return HttpResponse("- 0")
    return HttpResponse(f"{session['user']} {session['n']}")


urlpatterns = [re_path("", page)]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


if store == "db":
    call_command("migrate", verbosity=0)
make_server("127.0.0.1", int(port), get_wsgi_application(), Server, Quiet).serve_forever()
