"""Constant traffic of many logged-in people, who check what they get.

Every app under test answers the same paths, so that one load judges all stacks:
``/login?user=U`` logs in (with a new session id where the stack has one), ``/hit`` adds one to the counter in
the session, ``/logout`` ends it, ``/`` only looks. Each answers ``U N``, or ``- 0`` when nobody is logged in.
"""

import http.client
import random
import threading
import time
from dataclasses import dataclass, field

__all__ = ["Gate", "Load", "Person"]


class Gate:
    """Where the old host ends and the new one begins; while it is shut, requests wait (that is the hold)."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._open = threading.Condition()
        self._shut = False
        self._inside = 0
        self.held_requests = 0

    def enter(self) -> int:
        with self._open:
            self.held_requests += self._shut
            while self._shut:
                self._open.wait()
            self._inside += 1
            return self.port

    def leave(self) -> None:
        with self._open:
            self._inside -= 1
            self._open.notify_all()

    def hold(self) -> None:
        """Let nobody in, wait for those inside."""
        with self._open:
            self._shut = True
            while self._inside:
                self._open.wait()

    def release(self, port: int) -> None:
        with self._open:
            self.port, self._shut = port, False
            self._open.notify_all()


@dataclass
class Person:
    """One client with a cookie jar of its own."""

    name: str
    gate: Gate
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> str:
        port = self.gate.enter()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            connection.request("GET", path, headers={"Cookie": jar} if jar else {})
            answer = connection.getresponse()
            body = answer.read().decode()
            for header, value in answer.getheaders():
                if header.lower() == "set-cookie":
                    self._set(value)
            connection.close()
        finally:
            self.gate.leave()
        if answer.status != 200:
            raise AssertionError(f"{path}: {answer.status} {body[:2000]}")
        return body

    def _set(self, header: str) -> None:
        first, *attributes = header.split(";")
        name, _, value = first.strip().partition("=")
        gone = any(a.strip().lower() == "max-age=0" or "1970" in a for a in attributes)
        if gone or value in {"", '""', "deleted"}:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


class Load:
    """So many people at once, half a dozen threads each with its own share of them.

    faults: what anyone saw that should not be. Every twentieth person logs out on the way and stays out.
    """

    def __init__(self, gate: Gate, people: int, *, threads: int = 8) -> None:
        self.gate = gate
        self.people = [Person(f"u{n}", gate) for n in range(people)]
        self.counts = dict.fromkeys((p.name for p in self.people), 0)
        self.out: dict[str, dict[str, str]] = {}  # who logged out, with the cookies they had
        self.faults: list[str] = []
        self.requests = 0
        self._stop = threading.Event()
        shares = [self.people[n::threads] for n in range(threads)]
        self._threads = [threading.Thread(target=self._run, args=(share,), daemon=True) for share in shares]

    def login(self) -> None:
        for person in self.people:
            answer = person.get(f"/login?user={person.name}")
            assert answer == f"{person.name} 0", answer

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def _run(self, share: list[Person]) -> None:
        chance = random.Random(share[0].name)
        while not self._stop.is_set():
            for person in share:
                try:
                    self._one(person, chance)
                except (AssertionError, OSError, http.client.HTTPException) as error:
                    self.faults.append(f"{person.name}: {error!r}"[:400])
                self.requests += 1
                if self._stop.is_set():
                    return

    def _one(self, person: Person, chance: random.Random) -> None:
        if person.name in self.out:
            return
        if int(person.name[1:]) % 20 == 7 and chance.random() < 0.05:
            cookies = dict(person.cookies)
            person.get("/logout")
            self.out[person.name] = cookies
            return
        look = chance.random() < 0.3
        expected = self.counts[person.name] + (0 if look else 1)
        answer = person.get("/" if look else "/hit")
        if answer != f"{person.name} {expected}":
            self.faults.append(f"{person.name}: expected {expected}, got {answer!r}")
        else:
            self.counts[person.name] = expected

    def run_for(self, seconds: float) -> None:
        time.sleep(seconds)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def resurrected(self) -> list[str]:
        """Return who is logged in again though they had logged out."""
        back = []
        for name, cookies in self.out.items():
            answer = Person(name, self.gate, dict(cookies)).get("/")
            if answer != "- 0":
                back.append(f"{name}: {answer}")
        return back
