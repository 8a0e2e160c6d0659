"""What ties an app to its host, found with file and line."""

from pathlib import Path

import pytest

from migrate.app import detect
from migrate.app.detect import kind_of, scan_text

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"


def test_the_example_app() -> None:
    found = detect(PHOTOS)
    assert found.kind == "php"
    assert found.uploads == ("uploads",)
    places = {finding.rule: finding.where for finding in found.findings}
    lines = {name: (PHOTOS / name).read_text().splitlines() for name in ("session.php", "upload.php")}
    file, line = places["session.files"].split(":")
    assert "session_start" in lines[file][int(line) - 1]
    file, line = places["files.upload"].split(":")
    assert "move_uploaded_file" in lines[file][int(line) - 1]


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("a.php", "session_start();", "session.files"),
        ("a.php", "session_save_path('/srv/s');", "session.save-path"),
        ("a.php", "move_uploaded_file($a, $b);", "files.upload"),
        ("a.php", "$f = glob('uploads/*');", "files.listing"),
        ("a.php", "foreach (new DirectoryIterator($d) as $x)", "files.listing"),
        ("a.php", "file_put_contents('count.txt', $n);", "files.write"),
        ("a.php", "$h = fopen('log.txt', 'a');", "files.write"),
        ("a.php", "new PDO('sqlite:app.db');", "data.sqlite"),
        ("settings.py", "'ENGINE': 'django.db.backends.sqlite3',", "data.sqlite"),
        ("a.php", "$password = 'correct horse battery';", "secret.in-code"),
        ("a.php", "define('AUTH_KEY', 'put your unique phrase here');", "secret.in-code"),
        ("settings.py", "SECRET_KEY = secrets.token_hex()", "secret.per-replica"),
        ("app.js", "const session = require('express-session')", "session.memory"),
        ("a.php", "$db = new mysqli($host = 'localhost');", "net.localhost"),
        ("crontab", "*/5 * * * * php cron.php", "job.cron"),
        ("entrypoint.sh", "python manage.py migrate", "start.migrate"),
        ("a.php", "ini_set('error_log', '/var/log/app.log');", "log.file"),
    ],
)
def test_each_rule_finds_its_habit(name: str, text: str, rule: str) -> None:
    found = list(scan_text(Path(name), f"\n{text}\n"))
    assert rule in {finding.rule for finding in found}
    assert {finding.line for finding in found} == {2}
    assert all(finding.remedy for finding in found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.php", "// session_start();"),
        ("a.php", "# move_uploaded_file($a, $b);"),
        ("a.php", "$password = $_POST['password'];"),
        ("a.php", "$h = fopen('in.txt', 'r');"),
        ("a.js", "const password = process.env.PASSWORD"),
        ("a.txt", "session_start();"),
        ("a.php", "if (!password_verify($p, $h)) exit('Wrong');"),
    ],
)
def test_what_is_harmless_is_not_found(name: str, text: str) -> None:
    assert list(scan_text(Path(name), text)) == []


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["artisan", "composer.json", "package.json"], "laravel"),
        (["wp-includes/version.php", "index.php"], "wordpress"),
        (["index.php", "package.json"], "php"),
        (["manage.py", "requirements.txt"], "django"),
        (["package.json"], "node"),
        (["index.html"], "static"),
        (["notes.txt"], "unknown"),
    ],
)
def test_kinds(tmp_path: Path, files: list[str], kind: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert kind_of(tmp_path) == kind


def test_a_database_file_is_found_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "index.php").touch()
    (tmp_path / "data.bin").write_bytes(b"SQLite format 3\0rest")
    [finding] = detect(tmp_path).findings
    assert (finding.rule, finding.where) == ("data.sqlite", "data.bin")


def test_others_code_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "a.php").write_text("<?php\nsession_start();")
    (tmp_path / "index.php").touch()
    assert detect(tmp_path).findings == ()
