"""Login tokens at the edge: a signed cookie that a verifier behind ForwardAuth maps to the app's session.

The app still keeps its session in Redis; the token lets the browser hold something short-lived and signed,
and lets an operator end logins. It does not make an app sessionless: only cookie engines do (Django's
signed_cookies, Flask, Rails' cookie store, Laravel's cookie driver).
"""

from .keys import Key, KeyRing
from .server import token_server
from .token import Claims, issue, read
from .users import USER_PATTERNS, user_finder
from .verifier import Answer, Settings, Verifier

__all__ = [
    "USER_PATTERNS",
    "Answer",
    "Claims",
    "Key",
    "KeyRing",
    "Settings",
    "Verifier",
    "issue",
    "read",
    "token_server",
    "user_finder",
]
