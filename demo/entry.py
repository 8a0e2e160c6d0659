"""The demo's entry: HAProxy before the old host and the Swarm service, switched without a lost request.

Traefik is what the stack files for users have. What the demo needs of an entry, it has not: to hold requests
while the last sessions are copied. And a kernel may lack IPVS, so this one asks Swarm's DNS for
``tasks.<service>`` and balances by itself.

Requests are held by a few lines of Lua that look at a map, which the runtime API changes. (Not by
``set maxconn frontend 0``: HAProxy 2.6.12 ends in a busy loop when it is lifted while connections wait.)

As a command it is what the migration plan calls: ``python -m demo.entry ADDRESS:PORT hold|old|new|ready N``.
"""

import socket
import sys
import time

__all__ = ["ADMIN_PORT", "Entry", "configuration", "hold_script"]

ADMIN_PORT = 9999
_MAP = "/usr/local/etc/entry/active.map"
_IDLE_TIMEOUT_SECONDS = 30
# A request that read the map just before it changed is counted by its backend within this time.
_PASSED_SECONDS = 0.05


def hold_script() -> str:
    """Return the Lua that holds a request while the map says so, then sends it to the side the map names."""
    return f"""local active
core.register_init(function() active = Map.new("{_MAP}", Map._str) end)
core.register_action("hold", {{ "http-req" }}, function(txn)
  while active:lookup("site") == "hold" do core.msleep(10) end
  txn:set_var("txn.side", active:lookup("site"))
end)
"""


def configuration(*, old: str, service: str, port: int, replicas: int) -> str:
    """Return haproxy.cfg.

    old: ``address:port`` of the old host. service, port: the Swarm service, reached by its tasks' addresses.
    replicas: how many addresses to keep room for.

    A dead node drops packets instead of refusing them, so connects give up after half a second and go to
    another replica; only a connect is retried, never a request that a server may have seen. Requests under
    way on a node found dead end at once. A check has half a second to connect and two to be answered: a dead
    node is told from a busy one. The server's time is longer than a session's lock lives (PHP's
    max_execution_time, 30 s): whoever's lock died with the node waits for it and is served.
    """
    return f"""global
  stats socket ipv4@0.0.0.0:{ADMIN_PORT} level admin
  lua-load /usr/local/etc/entry/hold.lua
  maxconn 2000
defaults
  mode http
  timeout connect 500ms
  timeout client 60s
  timeout server 35s
  timeout check 2s
  retries 4
  option redispatch 1
  retry-on conn-failure
  option http-server-close
resolvers swarm
  nameserver dns 127.0.0.11:53
  resolve_retries 2
  timeout retry 500ms
  hold valid 1s
  hold obsolete 2s
frontend web
  bind :80
  http-request lua.hold
  use_backend %[var(txn.side)]
frontend metrics
  bind :8404
  http-request use-service prometheus-exporter if {{ path /metrics }}
backend old
  server old {old}
backend new
  balance leastconn
  option httpchk GET /healthz
  default-server check inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
  default-server resolvers swarm init-addr none
  server-template new {replicas} tasks.{service}:{port}
"""


class Entry:
    """The runtime API of the entry at an address. Its words are HAProxy's management guide's."""

    def __init__(self, address: str, port: int = ADMIN_PORT) -> None:
        self._where = (address, port)

    def ask(self, command: str) -> str:
        """Send one command, return the answer; OSError where nobody listens."""
        with socket.create_connection(self._where, timeout=5) as connection:
            connection.sendall(command.encode() + b"\n")
            return connection.makefile(encoding="utf-8").read().strip()

    def send_to(self, side: str) -> None:
        """Send requests to `old` or `new`, or with `hold` keep them waiting."""
        answer = self.ask(f"set map {_MAP} site {side}")
        if answer:
            raise RuntimeError(f"the entry said: {answer}")

    def side(self) -> str:
        """Return where requests go now."""
        return self.ask(f"show map {_MAP}").split()[-1]

    def in_flight(self, side: str) -> int:
        """Return how many requests a side is answering."""
        for line in self.ask("show stat").splitlines():
            fields = line.split(",")
            if fields[:2] == [side, "BACKEND"]:
                return int(fields[4])
        return 0

    def ready(self) -> int:
        """Return how many replicas pass their health check."""
        lines = (line.split(",") for line in self.ask("show stat").splitlines())
        return sum(
            fields[0] == "new" and fields[1] != "BACKEND" and fields[17].startswith("UP") for fields in lines
        )

    def wait_idle(self) -> None:
        """Wait until neither side has a request under way; TimeoutError after half a minute."""
        end = time.monotonic() + _IDLE_TIMEOUT_SECONDS
        time.sleep(_PASSED_SECONDS)
        while self.in_flight("old") or self.in_flight("new"):
            if time.monotonic() > end:
                raise TimeoutError("requests were still under way after 30 s")
            time.sleep(0.02)


def main() -> None:
    """Run ``python -m demo.entry ADDRESS:PORT hold|old|new|ready N``.

    hold returns once nothing is under way; ready fails while fewer than N replicas pass their health check.
    """
    where, word, *rest = sys.argv[1:]
    address, _, port = where.rpartition(":")
    entry = Entry(address, int(port))
    if word == "ready":
        ready = entry.ready()
        sys.exit(None if ready >= int(rest[0]) else f"{ready} of {rest[0]} replicas are ready")
    entry.send_to(word)
    if word == "hold":
        entry.wait_idle()


if __name__ == "__main__":
    main()
