"""Each stack is told from its files, with line, what to give to --from, and what must stay the same."""

from pathlib import Path

import pytest

from migrate.sessions import detect

APPS: dict[str, tuple[dict[str, str], str, str]] = {
    "laravel-file": (
        {
            "artisan": "",
            "composer.lock": '{"packages": [{"name": "laravel/framework",\n "version": "v10.2.0"}]}',
            ".env": "APP_NAME=Shop\nSESSION_DRIVER=file\nSESSION_LIFETIME=60\n",
        },
        "Laravel 10: file",
        "laravel:{app}/storage/framework/sessions?prefix=shop_database_shop_cache:&lifetime=3600",
    ),
    "laravel-11": (
        {
            "artisan": "",
            "composer.json": '{"require": {"laravel/framework": "^11.0"}}',
            ".env": "DB_DATABASE=/d.sqlite\n",
        },
        "Laravel 11: database",
        "laravel-db:/d.sqlite?prefix=laravel_database_laravel_cache_&lifetime=7200",
    ),
    "laravel-mysql": (
        {
            "artisan": "",
            "composer.lock": '{"packages": [{"name": "laravel/framework",\n "version": "v10.2.0"}]}',
            ".env": "SESSION_DRIVER=database\nDB_HOST=db\nDB_DATABASE=shop\nDB_USERNAME=web@shop\n"
            "DB_PASSWORD=hidden\n",
        },
        "Laravel 10: database",
        "laravel-db:mysql://web%40shop@db:3306/shop?prefix=laravel_database_laravel_cache:&lifetime=7200",
    ),
    "laravel-pgsql": (
        {
            "artisan": "",
            "composer.json": '{"require": {"laravel/framework": "^12.0"}}',
            ".env": "DB_CONNECTION=pgsql\nDB_PORT=6432\nDB_DATABASE=a\nDB_USERNAME=web\nSESSION_TABLE=t\n",
        },
        "Laravel 12: database",
        "laravel-db:postgresql://web@127.0.0.1:6432/a?prefix=laravel_database_laravel_cache_&lifetime=7200&table=t",
    ),
    "laravel-cookie": ({"artisan": "", ".env": "SESSION_DRIVER=cookie\n"}, "Laravel 8: cookie", ""),
    "wordpress": (
        {"wp-config.php": "<?php", "wp-content/plugins/a/a.php": "<?php\nsession_start();"},
        "WordPress: signed cookies and usermeta",
        "",
    ),
    "django-file": (
        {
            "manage.py": "",
            "site/settings.py": 'SESSION_ENGINE = "django.contrib.sessions.backends.file"\n'
            'SESSION_FILE_PATH = "/s"\n',
        },
        "Django: file",
        "django:/s",
    ),
    "django-postgresql": (
        {
            "manage.py": "",
            "site/settings.py": 'DATABASES = {"default": {\n  "ENGINE": "django.db.backends.postgresql",\n'
            '  "NAME": "shop",\n  "USER": "web",\n  "PASSWORD": "hidden",\n  "HOST": "db.lan",\n}}\n',
        },
        "Django: db",
        "django-db:postgresql://web@db.lan:5432/shop",
    ),
    "django-mysql-from-environment": (
        {
            "manage.py": "",
            "site/settings.py": 'DATABASES = {"default": {\n  "ENGINE": "django.db.backends.mysql",\n'
            '  "NAME": os.environ["DB"],\n  "USER": "web",\n}}\n',
        },
        "Django: db",
        "",
    ),
    "django-default": (
        {"manage.py": "", "site/settings.py": "", "db.sqlite3": ""},
        "Django: db",
        "django-db:{app}/db.sqlite3",
    ),
    "flask": (
        {"app.py": 'from flask_session import Session\napp.config["SESSION_TYPE"] = "filesystem"\n'},
        "Flask-Session: filesystem",
        "flask:{app}/flask_session",
    ),
    "express": (
        {"package.json": '{"dependencies": {\n"express-session": "1",\n"session-file-store": "1"}}'},
        "Express: session-file-store",
        "express:{app}/sessions",
    ),
    "express-memory": (
        {"package.json": '{"dependencies": {"express-session": "1"}}'},
        "Express: MemoryStore",
        "",
    ),
    "rails-cookie": ({"bin/rails": "", "config/application.rb": ""}, "Rails: cookie_store", ""),
    "rails-files": (
        {
            "bin/rails": "",
            "config/initializers/session_store.rb": "Rails.application.config.session_store :cache_store",
            "config/environments/production.rb": 'config.cache_store = :file_store, "/var/cache/app"\n',
        },
        "Rails: cache_store on file_store",
        "rails:/var/cache/app",
    ),
    "codeigniter": (
        {
            "spark": "",
            "app/Config/Session.php": "<?php\npublic string $cookieName = 'shop';\n"
            "public string $savePath = '/ci';",
        },
        "CodeIgniter 4: files",
        "codeigniter:/ci?cookie=shop",
    ),
    "symfony": (
        {
            "composer.json": '{"require": {"symfony/framework-bundle": "6"}}',
            "config/packages/framework.yaml": "framework:\n  session:\n"
            "    save_path: '%kernel.project_dir%/var/sessions'\n",
        },
        "Symfony: files",
        "symfony:{app}/var/sessions",
    ),
    "java": ({"pom.xml": ""}, "Java (Tomcat, Spring): servlet sessions", ""),
    "phpbb": ({"includes/functions_compatibility.php": "<?php"}, "phpBB: cookies and database", ""),
    "php-own-path": (
        {"a.php": "<?php\nini_set('session.save_path', '/own');\nsession_start();"},
        "PHP: files",
        "php:/own",
    ),
    "php-default": (
        {"lib/login.php": "<?php\n// session_start();\nsession_start();"},
        "PHP: files",
        "php:/var/lib/php/sessions",
    ),
}


@pytest.mark.parametrize("name", APPS)
def test_each_stack_is_recognised(name: str, tmp_path: Path) -> None:
    files, what, spec = APPS[name]
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (found,) = detect(tmp_path)
    assert found.what == what
    assert found.spec == spec.format(app=tmp_path)
    assert found.advice
    assert found.movable == bool(spec)


def test_a_comment_is_no_finding_and_the_line_is_right(tmp_path: Path) -> None:
    (tmp_path / "a.php").write_text("<?php\n// session_start();\nsession_start();\n")
    (found,) = detect(tmp_path)
    assert found.line == 3


def test_plugins_and_address_binding_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "wp-config.php").write_text("")
    (tmp_path / "wp-content").mkdir()
    (tmp_path / "wp-content" / "p.php").write_text("session_start();")
    (found,) = detect(tmp_path)
    assert "p.php:1" in found.warnings[0]


def test_an_empty_folder_is_nothing(tmp_path: Path) -> None:
    assert detect(tmp_path) == []
