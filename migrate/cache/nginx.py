"""nginx in front of the cache: hits come from the folder without Python, misses from the cache's socket."""

import re
from dataclasses import dataclass
from pathlib import Path

from migrate.cache.popularity import FORMAT
from swarmstead.errors import UsageError

__all__ = ["Site", "config"]

_PLAIN = re.compile(r"[A-Za-z0-9._/+-]*")


@dataclass(frozen=True, slots=True)
class Site:
    """root: the cache's folder. web_path: before a file's name in a URL. log: for popularity, or None."""

    root: Path
    socket: Path
    web_path: str = "/"
    port: int = 8080
    log: Path | None = None
    max_age: int = 0


def _plain(text: str) -> str:
    """Return the text where it needs no quoting in nginx's language. Raises UsageError."""
    if not _PLAIN.fullmatch(text):
        raise UsageError("only letters, digits and ._/+- may stand in a path for nginx", subject=text)
    return text


def config(site: Site) -> str:
    """Return a whole nginx.conf.

    The folder's dot files are never served: the cache's own are among them. Types that a browser would run
    are sandboxed, as the cache's own answers are. Symbolic links that the app made are not followed.

    What is no plain file here is the cache's to answer, by `error_page` and not by `try_files`, which would
    open each file twice. So a folder must neither redirect (301; its Location stays, on what is then a 404)
    nor show its index.html: no file is called ``.none``.
    """
    root, socket = _plain(str(site.root)), _plain(str(site.socket))
    path = "/" + _plain(site.web_path.strip("/"))
    path = path if path.endswith("/") else path + "/"
    log = f"access_log {_plain(str(site.log))} hits buffer=32k flush=1s;" if site.log else "access_log off;"
    control = f"public, max-age={site.max_age}" if site.max_age else "no-cache"
    return f"""\
worker_processes auto;
error_log stderr warn;
pcre_jit on;
pid /tmp/swarmstead-nginx.pid;
events {{ worker_connections 4096; }}
http {{
  include /etc/nginx/mime.types;
  types {{ image/avif avif; image/webp webp; }}
  default_type application/octet-stream;
  server_tokens off;
  access_log off;
  sendfile on;
  keepalive_timeout 30s;
  keepalive_requests 10000;
  client_body_temp_path /tmp/swarmstead-nginx-body;
  proxy_temp_path /tmp/swarmstead-nginx-proxy;
  fastcgi_temp_path /tmp/swarmstead-nginx-fastcgi;
  uwsgi_temp_path /tmp/swarmstead-nginx-uwsgi;
  scgi_temp_path /tmp/swarmstead-nginx-scgi;
  log_format hits '{FORMAT}';
  map $sent_http_content_type $sandbox {{
    default "";
    "~^text/html|[/+]xml" sandbox;
  }}
  upstream cache {{ server unix:{socket}; keepalive 32; }}
  server {{
    listen {site.port};
    location ~ /\\. {{ return 404; }}
    location {path} {{
      alias {root}/;
      disable_symlinks on from={root}/;
      max_ranges 1;
      index .none;
      absolute_redirect off;
      error_page 301 403 404 405 = @pull;
      log_not_found off;
      {log}
      add_header Cache-Control "{control}";
      add_header X-Content-Type-Options nosniff;
      add_header Content-Security-Policy $sandbox;
    }}
    location @pull {{
      access_log off;
      rewrite ^{path}(.*)$ /$1 break;
      proxy_pass http://cache;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Swarmstead-Peer "";
      proxy_buffering off;
      proxy_read_timeout 60s;
    }}
  }}
}}
"""
