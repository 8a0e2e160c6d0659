"""Control group trees of both kinds of machine, recorded."""

from pathlib import Path

import pytest

from lab import cgroups
from lab.errors import LabUnavailable

_V1 = """\
25 20 0:22 / /sys/fs/cgroup rw,relatime shared:8 - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 / /sys/fs/cgroup/memory rw,relatime shared:10 - cgroup cgroup rw,memory
28 25 0:25 / /sys/fs/cgroup/pids rw,relatime shared:11 - cgroup cgroup rw,pids
29 25 0:26 / /sys/fs/cgroup/unified rw,relatime shared:12 - cgroup2 cgroup2 rw
"""
_V2 = """\
25 20 0:22 / / rw,relatime - ext4 /dev/vda1 rw
26 25 0:23 / /sys/fs/cgroup rw,nosuid,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate
"""


def _tree(tmp_path: Path, mounts: str) -> cgroups.Tree:
    (tmp_path / "mountinfo").write_text(mounts)
    return cgroups.read_tree(tmp_path / "mountinfo")


def test_hybrid_machine_lives_in_pids_and_cleans_everywhere(tmp_path: Path) -> None:
    tree = _tree(tmp_path, _V1)
    assert tree.group("one", "n1", "host") == Path("/sys/fs/cgroup/pids/swarmstead-one/n1/host")
    assert {path.parent.name for path in tree.groups("one")} == {"cpu,cpuacct", "memory", "pids", "unified"}


def test_v2_machine_has_one_tree(tmp_path: Path) -> None:
    tree = _tree(tmp_path, _V2)
    assert tree.group("one") == Path("/sys/fs/cgroup/swarmstead-one")
    assert tree.groups("one", "n2") == [Path("/sys/fs/cgroup/swarmstead-one/n2")]


def test_without_control_groups_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(LabUnavailable, match="No control groups"):
        _tree(tmp_path, _V2.splitlines()[0] + "\n")
    with pytest.raises(LabUnavailable, match="pids"):
        _tree(tmp_path, "26 25 0:23 / /sys/fs/cgroup/rdma rw - cgroup cgroup rw,rdma\n")


def test_members_are_those_of_all_groups_below(tmp_path: Path) -> None:
    for group, pids in (("n1", ""), ("n1/host", "10\n11\n"), ("n1/abc", "12\n"), ("n2/host", "99\n")):
        (tmp_path / group).mkdir(parents=True)
        (tmp_path / group / "cgroup.procs").write_text(pids)
    assert cgroups.members(tmp_path / "n1") == {10, 11, 12}
    assert cgroups.members(tmp_path / "gone") == set()


def test_remove_takes_the_groups_below_along(tmp_path: Path) -> None:
    (tmp_path / "n1" / "host" / "deep").mkdir(parents=True)
    assert cgroups.remove(tmp_path / "n1")
    assert not (tmp_path / "n1").exists()
    assert cgroups.remove(tmp_path / "n1")
