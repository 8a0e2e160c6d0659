"""The store: a hard bound, nothing evicted that the cloud has not, nothing that is in use, and restarts."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrate.cache.eviction import Age, GdsfCost, Lru
from migrate.cache.index import State
from migrate.cache.store import Store
from swarmstead.errors import Busy

Opened = Callable[..., Store]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    stores: list[Store] = []

    def open_one(max_bytes: int = 1000, **more: object) -> Store:
        given = {"policy": Lru(), "max_share": 1.0} | more
        store = Store(tmp_path / "up", max_bytes=max_bytes, **given)  # type: ignore[arg-type]
        store.load()
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        try:
            store.close()
        except (OSError, sqlite3.ProgrammingError):  # the test closed it
            continue


def fill(store: Store, name: str, size: int, byte: bytes = b"x") -> bool:
    temporary = store.reserve(name, size)
    if temporary is None:
        return False
    os.write(temporary.file, byte * size)
    entered = store.enter(temporary, sha1="0" * 40, tag="t", mtime_ns=10**18)
    os.close(temporary.file)
    return entered


def write(store: Store, name: str, data: bytes, *, confirmed: bool = True) -> None:
    path = store.root / name
    path.write_bytes(data)
    assert store.look(name) is State.DIRTY
    if confirmed:
        assert store.confirm(name, path.stat(), sha1="1" * 40, tag="")


def test_the_bound_holds_before_a_byte_is_fetched(opened: Opened) -> None:
    store = opened()
    assert all(fill(store, str(n), 300) for n in range(3))
    temporary = store.reserve("new", 400)
    assert temporary is not None
    assert store.used <= 1000
    assert not (store.root / "0").exists()
    store.abandon(temporary)
    os.close(temporary.file)
    assert store.used == 600
    assert not [*(store.root / ".swarmstead/tmp").iterdir()]


def test_no_object_takes_more_than_its_share_and_none_flushes_the_rest(opened: Opened) -> None:
    store = opened(max_share=0.5)
    assert fill(store, "a", 300)
    assert not fill(store, "huge", 600)
    assert (store.root / "a").exists()


def test_what_the_cloud_has_not_confirmed_is_never_evicted(opened: Opened) -> None:
    store = opened()
    write(store, "dirty", b"d" * 900, confirmed=False)
    assert not fill(store, "a", 300)
    assert not store.evict("dirty")
    assert (store.root / "dirty").read_bytes() == b"d" * 900


def test_a_file_changed_behind_our_back_is_not_evicted(opened: Opened) -> None:
    store = opened()
    fill(store, "a", 300)
    (store.root / "a").write_bytes(b"new bytes of the app, not yet seen")
    assert not store.evict("a")
    assert not fill(store, "b", 900)
    assert (store.root / "a").read_bytes() == b"new bytes of the app, not yet seen"
    assert store.look("a") is State.DIRTY


def test_what_is_being_read_is_not_evicted(opened: Opened) -> None:
    store = opened()
    fill(store, "a", 600)
    with (store.root / "a").open("rb"):  # as nginx has it while it sends
        assert not fill(store, "b", 600)
        assert (store.root / "a").exists()
        assert store.counts.spared
    assert fill(store, "b", 600)
    assert not (store.root / "a").exists()


def test_a_stale_file_goes_though_it_is_being_read_but_not_while_it_is_being_written(opened: Opened) -> None:
    store = opened()
    fill(store, "a", 600)
    with (store.root / "a").open("rb") as reader:
        assert store.evict("a", stale=True)
        assert reader.read() == b"x" * 600
    fill(store, "b", 600)
    with (store.root / "b").open("r+b"):
        assert not store.evict("b", stale=True)


def test_what_the_app_wrote_meanwhile_is_newer_than_what_was_pulled(opened: Opened) -> None:
    store = opened()
    temporary = store.reserve("a", 5)
    assert temporary is not None
    os.write(temporary.file, b"cloud")
    (store.root / "a").write_bytes(b"app's")
    assert not store.enter(temporary, sha1="0" * 40, tag="", mtime_ns=0)
    os.close(temporary.file)
    assert (store.root / "a").read_bytes() == b"app's"
    assert store.look("a") is State.DIRTY


def test_two_processes_on_one_folder_are_refused(opened: Opened) -> None:
    opened()
    with pytest.raises(Busy, match="another process"):
        opened()


def test_a_restart_knows_all_and_cleans_up_what_was_half_done(opened: Opened, tmp_path: Path) -> None:
    store = opened()
    fill(store, "a", 300)
    write(store, "dirty", b"d" * 100, confirmed=False)
    left = store.reserve("half", 200)
    assert left is not None
    os.write(left.file, b"half")
    store.close()  # as a kill would, without abandon
    again = opened()
    assert again.used == 400
    assert [row.name for row in again.index.queued()] == ["dirty"]
    assert not [*(again.root / ".swarmstead/tmp").iterdir()]
    assert again.look("a") is None


def test_a_shrunk_limit_is_kept_at_once(opened: Opened) -> None:
    store = opened()
    for number in range(9):
        fill(store, str(number), 100)
    store.close()
    assert opened(max_bytes=350).used <= 350


def test_a_full_disk_evicts_and_then_refuses(opened: Opened) -> None:
    free = [1000]
    store = opened(max_bytes=10_000, min_free=500, free=lambda: free[0])
    assert fill(store, "a", 300)
    free[0] = 550
    assert not fill(store, "b", 300)  # nothing that could go would help: the disk is full of others' files
    assert not (store.root / "a").exists()


def test_a_flood_of_new_names_never_passes_the_bound(opened: Opened) -> None:
    """nginx#868: a flood filled the disk, and then requests failed."""
    store = opened(max_bytes=2000, policy=GdsfCost(), max_share=0.5)
    for number in range(500):
        fill(store, f"f{number}", 50 + number % 300)
        on_disk = sum(path.stat().st_size for path in store.root.iterdir() if path.is_file())
        assert on_disk <= 2000
        assert store.used <= 2000


def test_age_alone_does_not_replace_the_bound_and_cold_files_really_go(opened: Opened) -> None:
    """ImageX evicted by age only; ImageGo's cold files were never deleted at all."""
    now = [0.0]
    store = opened(policy=Age(days=7), clock=lambda: now[0])
    for number in range(20):
        fill(store, str(number), 100)
    assert store.used <= 1000
    now[0] = 8 * 86_400.0
    store.hits(["19"])
    store.make_room()
    assert [path.name for path in store.root.iterdir() if path.is_file()] == ["19"]


def test_a_hot_file_is_known_by_the_name_it_is_stored_under(opened: Opened) -> None:
    """ImageX protected `code.ext` while files lay under another name: hot ones were evicted."""
    store = opened(policy=GdsfCost(), max_share=1.0)
    for number in range(10):
        fill(store, f"sub/{number}.jpg", 100)
    store.hits(["sub/3.jpg"] * 50)
    for number in range(30):
        fill(store, f"other/{number}.jpg", 100)
    assert (store.root / "sub/3.jpg").exists()


def test_popularity_survives_a_restart(opened: Opened) -> None:
    store = opened(policy=GdsfCost())
    for number in range(10):
        fill(store, str(number), 100)
    store.hits(["4"] * 20)
    store.close()
    again = opened(policy=GdsfCost())
    for number in range(8):
        fill(again, f"n{number}", 100)
    assert (again.root / "4").exists()


def test_a_folder_that_becomes_a_name_or_a_name_a_folder_harms_nothing(opened: Opened) -> None:
    store = opened()
    fill(store, "a", 100)
    (store.root / "a").unlink()
    (store.root / "a").mkdir()
    assert store.folder.open("a") is None
    assert not store.evict("a")
    assert store.look("a") is State.GONE  # the app removed the file to make the folder
    fill(store, "b", 100)
    assert not fill(store, "b/c", 100)
    assert store.used <= 1000


def test_the_cache_s_own_files_and_unsendable_names_are_not_taken_for_the_app_s(opened: Opened) -> None:
    store = opened()
    (store.root / ".swarmstead/x").write_bytes(b"x")
    (store.root / "a\nb").write_bytes(b"x")
    assert store.look(".swarmstead/x") is None
    assert store.look("a\nb") is None


def test_a_deletion_is_told_to_the_cloud_an_eviction_is_not(opened: Opened) -> None:
    store = opened()
    write(store, "a", b"a" * 100)
    write(store, "b", b"b" * 100)
    assert store.evict("a")
    (store.root / "b").unlink()
    assert store.look("a") is None
    assert store.look("b") is State.GONE
    store.deleted("b")
    assert store.look("b") is None
    assert store.used == 0


@pytest.mark.skipif("SWARMSTEAD_TEST_LONG" not in os.environ, reason="360,000 files: SWARMSTEAD_TEST_LONG=1")
def test_a_restart_with_360_000_files_serves_at_once(tmp_path: Path) -> None:
    """rclone#5348: twenty minutes."""
    store = Store(tmp_path / "up", GdsfCost(), max_bytes=10**12)
    with store.index._lock:
        store.index._db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 359999) "
            "INSERT INTO objects SELECT 'dir/' || i || '.jpg', 100000, 1, i, '', '', 0, 0, 1, i FROM n"
        )
    (store.root / "a").write_bytes(b"a")
    store._loaded.set()
    store.close()
    started = time.perf_counter()
    again = Store(tmp_path / "up", GdsfCost(), max_bytes=10**12)
    file = again.folder.open("a")
    assert time.perf_counter() - started < 2
    assert file is not None
    os.close(file)
    again.load()
    assert time.perf_counter() - started < 60
    again.close()
