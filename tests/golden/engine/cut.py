"""Cut captures of real engines to what the tests use: one compressed file per scenario.

    python tests/golden/engine/cut.py CAPTURES

CAPTURES has ENGINE/SCENARIO/ENDPOINT.json (bodies as sent) and truth.json beside them. Each file here holds
``{"truth": {...}, "answers": {NAME: [STATUS, BODY]}}``; bodies are text, as the engine sent it.
"""

import gzip
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
USED = ("info", "nodes", "services", "tasks", "containers", "system-df", "events")
TRUTH = (
    "at",
    "via",
    "nodes_done_to",
    "engines",
    "engines_not_answering",
    "running_total",
    "docker_service_ls",
)
ROUNDS = ("", "n2-", "n3-", "worker-", "v1.41-", "v1.44-")


def cut(scenario: Path) -> dict[str, object]:
    truth = json.loads((scenario / "truth.json").read_text())
    answers = {}
    for before in ROUNDS:
        for endpoint in USED:
            name = before + endpoint
            path = scenario / f"{name}.json"
            if not path.exists() and endpoint == "services":
                path = scenario / f"{name}-status.json"
            if path.exists():
                request = truth["requests"].get(path.stem, {})
                answers[name] = [request.get("status", 200), path.read_text()]
    return {"truth": {key: truth.get(key) for key in TRUTH}, "answers": answers}


def main(captures: Path) -> None:
    for scenario in sorted(captures.glob("*/*/")):
        if not (scenario / "truth.json").exists():
            continue  # the same swarm asked at another manager; its truth is the other's
        target = HERE / scenario.parent.name / f"{scenario.name}.json.gz"
        target.parent.mkdir(exist_ok=True)
        data = json.dumps(cut(scenario), separators=(",", ":")).encode()
        target.write_bytes(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
