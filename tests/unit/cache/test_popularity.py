"""What nginx's log tells."""

from pathlib import Path

from migrate.cache.popularity import HitsLog


def test_hits_are_read_once_in_batches_with_nginx_s_escapes_undone(tmp_path: Path) -> None:
    path = tmp_path / "hits.log"
    log = HitsLog(path, "/uploads/")
    assert log.read() == []
    path.write_bytes(
        b"200 GET /uploads/a.jpg\n404 GET /uploads/b.jpg\n206 GET /uploads/gr\\xC3\\xBC.jpg\n304 GET /upl"
    )
    assert log.read() == ["a.jpg", "grü.jpg"]
    with path.open("ab") as file:
        file.write(b"oads/100%.txt\n200 GET /other/c.jpg\n200 GET /uploads/../x\nnonsense\n\n\xff\n")
    assert log.read() == ["100%.txt"]
    assert log.read() == []


def test_a_log_that_was_emptied_is_read_from_its_start_and_a_large_one_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "hits.log"
    log = HitsLog(path)
    path.write_bytes(b"200 GET /a.jpg\n" * 100)
    assert len(log.read()) == 100
    path.write_bytes(b"200 GET /b.jpg\n")
    assert log.read() == ["b.jpg"]
    with path.open("ab") as file:
        file.truncate(17 * 1024 * 1024)
    while path.stat().st_size:
        log.read()
