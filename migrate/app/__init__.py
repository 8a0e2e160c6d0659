"""An app's move from one host to the Swarm: detect, plan, apply, verify, roll back.

A `Plan` is a file that a person may edit; `Move` applies it step by step, recorded in a ledger, and goes on
where a killed run was; `prove` compares both ends; `Rollback` is the way back.
"""

from .apply import STEPS, Move, prove
from .detect import Detected, detect
from .draft import draft, read_values
from .home import Home
from .plan import Plan
from .ports import Deployer, Gate, Mover, Parts, Proof
from .rollback import Rollback
from .rules import Finding

__all__ = [
    "STEPS",
    "Deployer",
    "Detected",
    "Finding",
    "Gate",
    "Home",
    "Move",
    "Mover",
    "Parts",
    "Plan",
    "Proof",
    "Rollback",
    "detect",
    "draft",
    "prove",
    "read_values",
]
