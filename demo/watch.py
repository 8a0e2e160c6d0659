"""The live figures: what Prometheus in the lab says."""

import requests

from demo.screen import Figures

__all__ = ["Prometheus"]

_PANEL = {
    "requests/s": "sum(rate(demo_requests_total[10s]))",
    "visitors logged in": "demo_logins_kept",
    "pictures": "demo_pictures",
    "failures": "sum(demo_failures_total) or vector(0)",
}


class Prometheus:
    """The HTTP API of a Prometheus server. Answers are empty while it is not there yet."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = requests.Session()

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series of an instant query."""
        try:
            answer = self._http.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=3)
            rows = answer.json()["data"]["result"]
        except (requests.RequestException, ValueError, KeyError):
            return []
        return [(row["metric"], float(row["value"][1])) for row in rows]

    def value(self, expression: str) -> float | None:
        """Return the one value of a query, or None where there is not exactly one."""
        rows = self.query(expression)
        return rows[0][1] if len(rows) == 1 else None

    def figures(self, service: str) -> Figures:
        """Return what the screen shows, name to text."""
        shown = {}
        for name, expression in _PANEL.items():
            value = self.value(expression)
            shown[name] = "–" if value is None else f"{value:.0f}"
        desired = self.value(f'max(swarm_service_desired_replicas{{service="{service}"}})')
        up = self.value(f'max(swarm_service_running_replicas{{service="{service}"}})')
        if desired is not None and up is not None:
            shown["replicas"] = f"{up:.0f} running of {desired:.0f} desired"
        running = f'swarm_engine_service_containers{{service="{service}",health!="unhealthy"}}'
        rows = self.query(f"sum by (hostname) ({running})")
        here = {labels.get("hostname", ""): count for labels, count in rows}
        for labels, ready in self.query('swarm_node_state{state="ready"}'):
            host = labels.get("hostname", "")
            shown[f"node {host}"] = f"ready, {here.get(host, 0):.0f} replicas" if ready else "DOWN"
        return shown
