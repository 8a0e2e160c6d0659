"""The host label, bounded: an allow-list, given or learnt, and ``other`` for the rest of the world."""

from collections.abc import Iterable

__all__ = ["OTHER", "Hosts", "normal_host"]

OTHER = "other"
_LONGEST = 253  # RFC 1035: a name's length
_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._:*")


def normal_host(raw: str) -> str:
    """Return a host in lower case, without a final dot or the brackets of IPv6; "" when it is none."""
    if not raw or len(raw) > _LONGEST + 1:
        return ""
    host = raw.lower().strip("[]").removesuffix(".")
    return host if host and _ALLOWED.issuperset(host) else ""


class Hosts:
    """Which hosts have a label of their own.

    given: names of the operator, ``*.example.com`` for any one that ends so (its label is the pattern).
    most: the hard cap, over given and learnt ones. learn: whether a host becomes known when a router took its
    request; for use without any list. Only such requests count, since anyone can send any Host.
    """

    def __init__(self, given: Iterable[str] = (), *, most: int = 200, learn: bool = True) -> None:
        self._most = most
        self._learn = learn
        self._known: dict[str, None] = {}
        self._patterns: tuple[str, ...] = ()
        self.folded = 0
        self.allow(given)

    def allow(self, names: Iterable[str]) -> None:
        """Let these have a label. Hosts are never taken away: their series must not break off."""
        for name in names:
            host = normal_host(name)
            if not host or host in self._known or host in self._patterns or self.count >= self._most:
                continue
            if host.startswith("*."):
                self._patterns += (host,)
            else:
                self._known[host] = None

    @property
    def count(self) -> int:
        """Return how many hosts and patterns are known."""
        return len(self._known) + len(self._patterns)

    @property
    def names(self) -> list[str]:
        """Return the known hosts and patterns."""
        return [*self._known, *self._patterns]

    def knows(self, raw: str) -> bool:
        """Return whether requests for a host that a router took have a label, or can get one by that."""
        host = normal_host(raw)
        return not host or self._learn or host in self._known or self._pattern_of(host) != ""

    def _pattern_of(self, host: str) -> str:
        return next((each for each in self._patterns if host.endswith(each[1:]) and host != each[1:]), "")

    def label(self, raw: str, *, routed: bool, requests: int) -> str:
        """Return the label of so many requests' host. routed: whether a router took them."""
        host = normal_host(raw)
        if host in self._known:
            return host
        pattern = self._pattern_of(host)
        if pattern:
            return pattern
        if routed and host and self._learn and "*" not in host:
            if self.count < self._most:
                self._known[host] = None
                return host
            self.folded += requests
        return OTHER
