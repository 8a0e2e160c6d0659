"""The nginx configuration that is written out, and the shipped one."""

from pathlib import Path

import pytest

from migrate.cache.nginx import Site, config
from swarmstead.errors import UsageError

STACKS = Path(__file__).parents[3] / "stacks"


def test_the_stack_s_configuration_is_what_the_command_prints() -> None:
    run = Path("/run/swarmstead")
    site = Site(Path("/var/lib/swarmstead/uploads"), run / "cache.sock", log=run / "hits.log")
    assert (STACKS / "cache-nginx.conf").read_text() == config(site), (
        "migrate cache nginx > stacks/cache-nginx.conf"
    )


@pytest.mark.parametrize("path", ["/a b", "/a;b", "/a{", "/a'", '/a"', "/a\nb", "/$uri"])
def test_no_path_can_become_a_directive(path: str) -> None:
    with pytest.raises(UsageError, match="only letters"):
        config(Site(Path(path), Path("/c.sock")))
    with pytest.raises(UsageError, match="only letters"):
        config(Site(Path("/up"), Path("/c.sock"), web_path=path))
