"""A remote whose calls are tried again as a policy says: what `open_remote` hands out.

Two things a plain retry gets wrong are taken care of here. A put whose answer was lost may have gone
through: sending it again would make a second version, so the remote is asked first. A body that breaks off
goes on where it broke, as long as the object is still the same.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from migrate.remotes.base import About, Body, Part, Remote, Source, Stored, Unfinished
from migrate.remotes.retry import Retry
from swarmstead.errors import Corrupt, SwarmsteadError, Throttled, Unreachable

__all__ = ["Guarded"]

_STUCK_TRIES = 5


class Guarded:
    """A driver and its policy."""

    def __init__(self, driver: Remote, retry: Retry) -> None:
        self.driver, self.retry = driver, retry
        retry.hears(driver.bill.told)
        self.url, self.bill, self.capabilities = driver.url, driver.bill, driver.capabilities

    def _subject(self, name: str) -> str:
        return f"{self.url}{name}"

    def put(
        self, name: str, source: Source, *, size: int, sha1: str, md5: str = "", mtime_ns: int = 0
    ) -> Stored:
        """Store the bytes, once."""
        return self._put(name, source, size, sha1, md5, mtime_ns)

    def put_later(
        self, name: str, data: bytes, *, sha1: str, md5: str = "", mtime_ns: int = 0
    ) -> Callable[[], Stored]:
        """Send the bytes; what waits for the answer tries again, too."""
        first = self._ahead(name, data, sha1, md5, mtime_ns)
        return lambda: self._put(name, io.BytesIO(data), len(data), sha1, md5, mtime_ns, first)

    def _ahead(
        self, name: str, data: bytes, sha1: str, md5: str, mtime_ns: int
    ) -> Callable[[], Stored] | None:
        """Send for the first time, where the breaker lets it; an error is that of the first answer."""
        if self.retry.breaker.failing:
            return None
        try:
            return self.driver.put_later(name, data, sha1=sha1, md5=md5, mtime_ns=mtime_ns)
        except SwarmsteadError as error:
            told = error

        def answer() -> Stored:
            raise told

        return answer

    def _put(
        self,
        name: str,
        source: Source,
        size: int,
        sha1: str,
        md5: str,
        mtime_ns: int,
        first: Callable[[], Stored] | None = None,
    ) -> Stored:
        """Store the bytes, once. first: waits for the answer to what was sent already."""
        start, lost = source.tell(), False

        def once() -> Stored:
            nonlocal lost, first
            if lost and (found := self._there(name, size, sha1)):
                return found
            source.seek(start)
            answer, first = first, None
            try:
                if answer:
                    return answer()
                return self.driver.put(name, source, size=size, sha1=sha1, md5=md5, mtime_ns=mtime_ns)
            except Unreachable as error:
                lost = not isinstance(error, Throttled)
                raise

        return self.retry.call(once, self._subject(name))

    def _there(self, name: str, size: int, sha1: str) -> Stored | None:
        found = self.driver.head(name)
        return found if found and (found.size, found.sha1) == (size, sha1) else None

    @contextmanager
    def get(self, name: str, *, start: int = 0, end: int | None = None) -> Iterator[Body | None]:
        """Open an object; its body goes on where it broke."""
        with ExitStack() as stack:
            body = self._open(stack, name, start, end)
            yield (
                None if body is None else Body(body.stored, self._chunks(stack, name, body, end), body.start)
            )

    def _open(self, stack: ExitStack, name: str, start: int, end: int | None) -> Body | None:
        return self.retry.call(
            lambda: stack.enter_context(self.driver.get(name, start=start, end=end)), self._subject(name)
        )

    def _chunks(self, stack: ExitStack, name: str, body: Body, end: int | None) -> Iterator[bytes]:
        at, stuck, whole = body.start, 0, body.stored
        while True:
            before = at
            try:
                for chunk in body.chunks:
                    at += len(chunk)
                    yield chunk
            except Unreachable as error:
                self.retry.breaker.told(error)
                stuck = stuck + 1 if at == before else 1
                if stuck >= _STUCK_TRIES:
                    raise
                stack.close()
                again = self._open(stack, name, at, end)
                if again is None or (again.stored.size, again.stored.tag) != (whole.size, whole.tag):
                    raise Corrupt("it was replaced while it was read", subject=self._subject(name)) from None
                body = again
            else:
                return

    def head(self, name: str) -> Stored | None:
        """Describe an object."""
        return self.retry.call(lambda: self.driver.head(name), self._subject(name))

    def page(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Stored]:
        """Describe up to `limit` objects."""
        return self.retry.call(
            lambda: self.driver.page(prefix=prefix, after=after, limit=limit), self._subject(prefix)
        )

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Describe every object."""
        after = ""
        while page := self.page(prefix=prefix, after=after):
            yield from page
            after = page[-1].name

    def copy(self, source: str, target: str) -> Stored:
        """Copy an object at the remote."""
        return self.retry.call(lambda: self.driver.copy(source, target), self._subject(source))

    def delete(self, name: str) -> None:
        """Remove or hide an object."""
        self.retry.call(lambda: self.driver.delete(name), self._subject(name))

    def begin(self, name: str, *, size: int, sha1: str, mtime_ns: int = 0) -> str:
        """Begin an upload in parts."""
        return self.retry.call(
            lambda: self.driver.begin(name, size=size, sha1=sha1, mtime_ns=mtime_ns), self._subject(name)
        )

    def put_part(
        self, name: str, upload: str, number: int, source: Source, *, size: int, digest: str
    ) -> Part:
        """Store one part; twice is no harm."""
        start = source.tell()

        def once() -> Part:
            source.seek(start)
            return self.driver.put_part(name, upload, number, source, size=size, digest=digest)

        return self.retry.call(once, self._subject(name))

    def parts(self, name: str, upload: str) -> dict[int, Part]:
        """Return the parts that the remote has."""
        return self.retry.call(lambda: self.driver.parts(name, upload), self._subject(name))

    def finish(self, name: str, upload: str, parts: Sequence[Part], *, size: int, sha1: str) -> Stored:
        """Make the object from its parts, once."""
        lost = False

        def once() -> Stored:
            nonlocal lost
            if lost and (found := self._there(name, size, sha1)):
                return found
            try:
                return self.driver.finish(name, upload, parts, size=size, sha1=sha1)
            except Unreachable as error:
                lost = not isinstance(error, Throttled)
                raise

        return self.retry.call(once, self._subject(name))

    def abandon(self, name: str, upload: str) -> None:
        """Forget an upload."""
        self.retry.call(lambda: self.driver.abandon(name, upload), self._subject(name))

    def about(self) -> About:
        """Say what the key may do and what the bucket will do."""
        return self.retry.call(self.driver.about, self.url)

    def unfinished(self) -> Iterator[Unfinished]:
        """Return the uploads that were begun."""
        return iter(self.retry.call(lambda: [*self.driver.unfinished()], self.url))
