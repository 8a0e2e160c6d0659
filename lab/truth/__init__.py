"""What is true in a lab, beside what its watchers say. See docs/truth.md.

Exporters and `docker service ls` are asked all the time, and every sample is judged by what the living
nodes' own engines run and by what was done to them.
"""

from lab.truth.faults import LOSSES, STAYS, create, lose, regain, set_availability
from lab.truth.judge import FIGURES, FRESH, STOPPING, Sample, Verdict, judge, judge_all
from lab.truth.oracle import Container, Look, Oracle, read, slots
from lab.truth.sources import ours, peers, read_ls, read_page
from lab.truth.stage import Peer, Stage
from lab.truth.world import Change, Fate, Service, Timeline, World, wanted

__all__ = [
    "FIGURES",
    "FRESH",
    "LOSSES",
    "STAYS",
    "STOPPING",
    "Change",
    "Container",
    "Fate",
    "Look",
    "Oracle",
    "Peer",
    "Sample",
    "Service",
    "Stage",
    "Timeline",
    "Verdict",
    "World",
    "create",
    "judge",
    "judge_all",
    "lose",
    "ours",
    "peers",
    "read",
    "read_ls",
    "read_page",
    "regain",
    "set_availability",
    "slots",
    "wanted",
]
