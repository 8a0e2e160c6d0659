"""Whose session it is, found in its bytes by a pattern: nothing is unserialised."""

import re
from collections.abc import Callable

from swarmstead.errors import UsageError

__all__ = ["USER_PATTERNS", "user_finder"]

_LONGEST = 64
#: By stack: Django's pickle of `_auth_user_id`, Laravel's `login_web_<sha1>`, Passport's JSON.
USER_PATTERNS = {
    "django": rb"_auth_user_id\x94?\x8c.([0-9A-Za-z-]{1,64})",
    "laravel": rb'login_web_[0-9a-f]{40}\\?";(?:i:|s:\d+:\\?")([0-9A-Za-z-]{1,64})',
    "express": rb'"passport":\{"user":"?([0-9A-Za-z-]{1,64})',
}


def user_finder(name: str) -> Callable[[bytes], str]:
    """Return the function from a session's bytes to its user's id ("" if there is none).

    name: a stack of `USER_PATTERNS`, or the name of a variable in a PHP session (``user_id``), or "" for no
    users at all. Raises UsageError for a name that PHP cannot have.
    """
    if not name:
        return lambda _data: ""
    pattern = USER_PATTERNS.get(name)
    if pattern is None:
        if not re.fullmatch(r"\w{1,64}", name, re.ASCII):
            raise UsageError("not the name of a variable", subject=f"--user {name}")
        word = re.escape(name.encode())
        pattern = rb"(?:^|[^\w])" + word + rb'(?:\||";)(?:i:|s:\d+:")([0-9A-Za-z_.@-]{1,64})'
    compiled = re.compile(pattern, re.DOTALL)

    def find(data: bytes) -> str:
        found = compiled.search(data)
        return found[1].decode("ascii")[:_LONGEST] if found else ""

    return find
