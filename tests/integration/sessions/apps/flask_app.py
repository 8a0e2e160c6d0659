# ruff: noqa: E402
"""Real Flask-Session: on cachelib's files, or on Redis behind the claiming middleware."""

import hashlib
import logging
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
sys.path.insert(0, str(Path(__file__).parents[4]))

from cachelib.file import FileSystemCache
from flask import Flask, request, session
from flask_session import Session
from redis import Redis

port, store, where, hash_name = sys.argv[1:5]
logging.getLogger("werkzeug").disabled = True
app = Flask(__name__)
app.config["SESSION_PERMANENT"] = True
if store == "file":
    app.config["SESSION_TYPE"] = "cachelib"
    app.config["SESSION_CACHELIB"] = FileSystemCache(where, 5000, hash_method=getattr(hashlib, hash_name))
else:
    app.config["SESSION_TYPE"] = "redis"
    app.config["SESSION_REDIS"] = Redis.from_url(where)
Session(app)
if store == "redis":
    from migrate.sessions import Claimer, ClaimWSGI, RedisTarget

    app.wsgi_app = ClaimWSGI(app.wsgi_app, Claimer(RedisTarget(where)))


@app.route("/", defaults={"path": ""})
@app.route("/<path:path>")
def page(path):
    if path == "login":
        session.clear()
        session["user"], session["n"] = request.args["user"], 0
        session["cart"] = {"items": ["é半", 1.5, None]}
    elif path == "logout":
        session.clear()
    elif path == "hit" and "user" in session:
        session["n"] += 1
    return f"{session['user']} {session['n']}" if "user" in session else "- 0"


app.run("127.0.0.1", int(port), threaded=True)
