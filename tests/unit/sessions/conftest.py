"""Fewer examples by default: the whole suite has a budget. SWARMSTEAD_TEST_LONG=1 takes many."""

import os

from hypothesis import settings

settings.register_profile("sessions", max_examples=40, deadline=None)
settings.register_profile("sessions-long", max_examples=2000, deadline=None)
settings.load_profile("sessions-long" if os.environ.get("SWARMSTEAD_TEST_LONG") else "sessions")
