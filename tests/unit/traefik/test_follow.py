"""Any interleaving of writing, rotation and restart loses and doubles nothing that a file still holds."""

import copy
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.traefik import Follower
from exporters.traefik.tail import LONGEST_LINE, Place


class Reader:
    """A follower that can be killed and started again from what it saved last."""

    def __init__(self, *patterns: Path) -> None:
        self.patterns = [str(pattern) for pattern in patterns]
        self.now = 0.0
        self.lines: list[bytes] = []
        self.too_long = 0
        self.saved: tuple[list[Place], int] = ([], 0)
        self.follower = self.start()

    def start(self) -> Follower:
        return Follower(
            self.patterns,
            self.feed,
            too_long=self.count_long,
            places=copy.deepcopy(self.saved[0]),
            clock=lambda: self.now,
        )

    def count_long(self) -> None:
        self.too_long += 1

    def feed(self, chunk: bytes) -> int:
        assert chunk.endswith(b"\n")
        self.lines += chunk.splitlines()
        return len(chunk)

    def poll(self, seconds: float = 2) -> None:
        self.now += seconds
        while self.follower.poll():
            pass

    def save(self) -> None:
        self.saved = (copy.deepcopy(self.follower.places), len(self.lines))

    def restart(self, *, killed: bool = False) -> None:
        if not killed:
            self.save()
        self.follower.close()
        del self.lines[self.saved[1] :]
        self.follower = self.start()


class Writer:
    """Writes numbered lines like Traefik: appends, and goes on in the old file until told to reopen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self.rotated = 0
        self.file = path.open("ab", buffering=0)
        self.torn = b""

    def write(self, count: int) -> None:
        self.finish()
        for _ in range(count):
            self.number += 1
            self.file.write(self.line())

    def line(self) -> bytes:
        return b"%08d %s\n" % (self.number, b"x" * (self.number * 37 % 900))

    def write_half(self) -> None:
        if not self.torn:
            self.number += 1
            half = self.line()
            self.file.write(half[:7])
            self.torn = half[7:]
            self.number -= 1

    def finish(self) -> None:
        if self.torn:
            self.file.write(self.torn)
            self.torn = b""
            self.number += 1

    def rename(self) -> None:
        self.finish()
        self.rotated += 1
        self.path.rename(self.path.with_name(f"{self.path.name}.{self.rotated}"))

    def reopen(self) -> None:
        self.finish()
        self.file.close()
        self.file = self.path.open("ab", buffering=0)

    def copytruncate(self) -> None:
        self.finish()
        self.rotated += 1
        copy = self.path.with_name(f"{self.path.name}.{self.rotated}")
        copy.write_bytes(self.path.read_bytes())
        os.truncate(self.path, 0)


def numbers(lines: list[bytes]) -> list[int]:
    return [int(line[:8]) for line in lines]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 40)),
        st.sampled_from(
            [
                ("half", 0),
                ("poll", 0),
                ("save", 0),
                ("restart", 0),
                ("kill", 0),
                ("rename", 0),
                ("copytruncate", 0),
            ]
        ),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_nothing_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "access.log"
    writer, reader = Writer(path), Reader(path)
    reader.poll()
    reader.save()
    cuts = 0  # a second copytruncate unseen leaves a copy that nobody can tell from an old one
    for step, number in steps:
        if step == "write":
            writer.write(number)
        elif step == "half":
            writer.write_half()
        elif step == "poll":
            reader.poll()
            cuts = 0
        elif step == "save":
            reader.save()
        elif step == "restart":
            reader.restart()
        elif step == "kill":
            reader.poll()
            reader.restart(killed=True)
            reader.poll()
            cuts = 0
        elif step == "rename" and cuts == 0:
            writer.rename()
            writer.write(3)  # still into the old file
            writer.reopen()
            reader.poll(0.5)
        elif step == "copytruncate" and cuts == 0:
            writer.write(1)  # a file of which nothing was read cannot be known again in its copy
            reader.poll()
            reader.save()
            writer.write(5)
            writer.copytruncate()
            cuts = 1
    writer.finish()
    reader.poll()
    reader.poll(20)
    assert sorted(numbers(reader.lines)) == list(range(1, writer.number + 1))


def test_rename_while_away(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    writer, reader = Writer(path), Reader(path)
    writer.write(10)
    reader.poll()
    reader.restart()
    reader.follower.close()
    for _ in range(3):  # the file we knew, and two that come and go unseen
        writer.write(10)
        writer.rename()
        writer.reopen()
        os.utime(path.with_name(f"access.log.{writer.rotated}"), (writer.rotated, writer.rotated))
    writer.write(10)
    reader.follower = reader.start()
    reader.poll()
    assert sorted(numbers(reader.lines)) == list(range(1, 51))


def test_cut_and_grown_past_our_place(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    writer, reader = Writer(path), Reader(path)
    writer.write(5)
    reader.poll()
    writer.copytruncate()
    writer.write(50)
    reader.poll()
    assert sorted(numbers(reader.lines)) == list(range(1, 56))
    assert reader.follower.truncations == 1


def test_copy_under_a_glob_is_not_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    writer, reader = Writer(path), Reader(tmp_path / "access.log*")
    writer.write(20)
    reader.poll()
    writer.write(5)
    writer.copytruncate()
    writer.write(5)
    reader.poll()
    reader.poll()
    assert sorted(numbers(reader.lines)) == list(range(1, 31))


def test_absent_at_first_and_deleted_later(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "access.log"
    reader = Reader(path)
    reader.poll()
    path.parent.mkdir()
    writer = Writer(path)
    writer.write(3)
    reader.poll()
    writer.write(2)
    path.unlink()
    reader.poll()
    writer.reopen()
    writer.write(4)
    reader.poll()
    assert numbers(reader.lines) == list(range(1, 10))


def test_an_unended_last_line_counts_when_its_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"00000001 whole\n00000002 torn")
    reader = Reader(path)
    reader.poll()
    assert numbers(reader.lines) == [1]
    path.rename(tmp_path / "access.log.1")
    reader.poll()
    reader.poll(20)
    reader.poll(20)
    assert numbers(reader.lines) == [1, 2]


def test_long_lines(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    longest = b"00000001 " + b"x" * (LONGEST_LINE - 10)
    path.write_bytes(longest + b"\n" + b"y" * (3 * LONGEST_LINE) + b"\n00000002 z\n")
    reader = Reader(path)
    for _ in range(3):
        reader.poll()
    assert [len(line) for line in reader.lines] == [len(longest), 10]
    assert reader.too_long == 1


def test_an_unreadable_file_is_told_and_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.log").mkdir()
    (tmp_path / "b.log").write_bytes(b"00000001\n")
    reader = Reader(tmp_path / "*.log")
    reader.poll()
    assert numbers(reader.lines) == [1]
    assert list(reader.follower.denied) == [str(tmp_path / "a.log")]
