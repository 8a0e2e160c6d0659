"""Plans: what a person may write into one, and what is refused."""

import stat
from pathlib import Path

import pytest

from migrate.app import Detected, detect, draft, read_values
from migrate.app import plan as plans
from migrate.app.specs import changes_by_sessions_redis, image_spec, secret_name, stack_spec
from migrate.cache.popularity import FORMAT
from migrate.packaging import HITS, check_dockerfile, check_stack, read_stack, render_image, render_stack
from swarmstead.errors import InputError, Refused, UsageError

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"
VALUES = {
    "sessions.redis": "redis://10.0.0.5:6380",
    "sessions.password_file": "/run/redis.password",
    "files.0.remote": "s3://photos/uploads",
    "entry.hold": ["hold"],
    "entry.to_new": ["new"],
    "entry.to_old": ["old"],
}


@pytest.fixture
def plan() -> plans.Plan:
    return draft(PHOTOS, "photos", detect(PHOTOS), VALUES)


def test_a_plan_survives_its_file(plan: plans.Plan, tmp_path: Path) -> None:
    path = tmp_path / "state" / "plan.yml"
    plans.save(plan, path)
    loaded, digest = plans.load(path)
    assert loaded == plan
    assert digest == plans.digest(path.read_bytes())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_only_the_person_knows_is_asked_for() -> None:
    gaps = dict(plans.missing(draft(PHOTOS, "photos", detect(PHOTOS), {})))
    assert set(gaps) == {
        "entry.hold", "entry.to_new", "entry.to_old", "sessions.redis", "files.0.remote",
    }  # fmt: skip


def test_nothing_is_missing_once_it_is_said(plan: plans.Plan) -> None:
    assert plans.missing(plan) == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("deploy.replicas", "many", "replicas"),
        ("deploy.replicas", 0, "at least 1"),
        ("deploy.replicass", 2, "replicass"),
        ("deploy.stop_seconds", 5, "above deploy.drain_seconds"),
        ("image.give", "carry", "push"),
        ("image.base", "debian\nRUN evil", "image.base"),
        ("image.name", "Photos Of Mine", "image.name"),
        ("image.max_upload", "64M; evil on", "max_upload"),
        ("deploy.host", "a`) || Host(`b", "deploy.host"),
        ("files.0.inside", "../etc", "below the app"),
        ("files.0.web_path", "uploads; }", "web_path"),
        ("name", "a/b", "name"),
    ],
)
def test_values_that_do_not_fit_are_refused(key: str, value: object, words: str) -> None:
    with pytest.raises((InputError, UsageError), match=words):
        draft(PHOTOS, "photos", detect(PHOTOS), {**VALUES, key: value})


@pytest.mark.parametrize("key", ["nothing.here", "files.7.remote", "sessions.folder.deeper"])
def test_keys_that_are_none_are_refused(key: str) -> None:
    with pytest.raises((InputError, UsageError)):
        draft(PHOTOS, "photos", detect(PHOTOS), {key: "x"})


def test_a_broken_file_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.yml"
    path.write_text("version: 1\nname: [\n")
    with pytest.raises(InputError, match=r"plan\.yml:\d"):
        plans.load(path)


def test_kinds_that_cannot_be_packaged_are_refused() -> None:
    with pytest.raises(Refused, match="django"):
        draft(PHOTOS, "photos", Detected("django", "", (), (), ()), {})


def test_values_from_pairs_are_yaml(tmp_path: Path) -> None:
    file = tmp_path / "v.yml"
    file.write_text("deploy.replicas: 2\n")
    assert read_values(file, ["a=[1, x]", "b=", "c=yes"]) == {
        "deploy.replicas": 2,
        "a": [1, "x"],
        "b": "",
        "c": True,
    }
    with pytest.raises(UsageError):
        read_values(None, ["nonsense"])


def test_what_is_generated_from_a_plan_has_no_fault(plan: plans.Plan) -> None:
    texts = render_image(image_spec(plan))
    assert check_dockerfile(texts["Dockerfile"]) == []
    assert 'session.save_path = "tcp://10.0.0.5:6380?auth[]=${REDIS_PASSWORD}"' in texts["conf/php.ini"]
    secrets = {
        "redis_password": "photos_redis_password_1",
        "remote_key": "photos_remote_key_2",
        "changes_redis": "photos_changes_redis_3",
    }
    stack = read_stack(render_stack(stack_spec(plan, "photos:1", secrets), stack="photos"))
    assert check_stack(stack) == []
    web, cache = stack["services"]["web"], stack["services"]["cache"]
    assert [use["source"] for use in web["secrets"]] == ["redis_password"], (
        "the app would hold the remote's key"
    )
    assert cache["environment"]["SWARMSTEAD_REMOTE_KEY_FILE"] == "/run/secrets/remote_key"
    assert cache["environment"]["SWARMSTEAD_CHANGES_REDIS_FILE"] == "/run/secrets/changes_redis"
    assert "--cache-peers=tasks.photos_cache:9325" in cache["command"]
    assert "--changes-stream=swarmstead:files:photos" in cache["command"]


def test_the_cache_learns_what_nginx_served_in_the_words_that_it_reads(plan: plans.Plan) -> None:
    texts = render_image(image_spec(plan))
    assert f"log_format hits '{FORMAT}';" in texts["conf/nginx.conf"]
    assert f"access_log {HITS} hits" in texts["conf/site.conf"]
    command = stack_spec(plan, "photos:1", {}).cache_command
    assert {f"--hits-log={HITS}", "--hits-prefix=/uploads/"} <= set(command)


@pytest.mark.parametrize(
    ("values", "password", "url"),
    [
        ({}, "a/b:c@d", "redis://:a%2Fb%3Ac%40d@10.0.0.5:6380/0"),
        ({}, "", "redis://10.0.0.5:6380/0"),
        ({"sessions.redis_in_swarm": "sessions"}, "x", "redis://:x@sessions:6379/0"),
        ({"sessions.user": "photos"}, "x", ""),
    ],
)
def test_caches_tell_of_changes_by_the_sessions_redis(
    values: dict[str, str], password: str, url: str
) -> None:
    plan = draft(PHOTOS, "photos", detect(PHOTOS), {**VALUES, **values})
    assert changes_by_sessions_redis(plan, password) == url


def test_names_of_secrets_follow_their_content_and_do_not_tell_it() -> None:
    names = {
        secret_name("photos", "p", content, key) for content in (b"a", b"b") for key in (b"k" * 32, b"l" * 32)
    }
    assert len(names) == 4
