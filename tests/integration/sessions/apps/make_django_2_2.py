"""Write tests/golden/sessions/django-2.2.json: sessions as a real Django 2.2 stores them.

python -m venv /tmp/v && /tmp/v/bin/pip install Django==2.2.28 && /tmp/v/bin/python make_django_2_2.py
"""

import json
from pathlib import Path

import django
from django.conf import settings

SECRET = "a secret of Django 2.2"
settings.configure(SECRET_KEY=SECRET, SESSION_FILE_PATH="/tmp")
django.setup()

from django.contrib.sessions.backends.file import SessionStore  # noqa: E402

VALUES = [
    {"_auth_user_id": "7", "_auth_user_backend": "django.contrib.auth.backends.ModelBackend", "n": 3},
    {"cart": ["é半", 1.5, None, {"deep": [True]}], "colon": "a:b:c"},
    {"_session_expiry": "2041-01-01T00:00:00+00:00", "long": "x" * 5000},
]
rows = [{"text": SessionStore().encode(value), "value": value} for value in VALUES]
(Path(__file__).parents[3] / "golden" / "sessions" / "django-2.2.json").write_text(
    json.dumps({"django": django.get_version(), "secret": SECRET, "sessions": rows}, indent=1) + "\n"
)
