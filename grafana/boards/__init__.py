"""The dashboards, one file each."""

from grafana.boards import cluster, health, nodes, redis, service, stack, traefik

__all__ = ["BOARDS"]

BOARDS = (
    cluster.BOARD,
    nodes.BOARD,
    stack.BOARD,
    service.BOARD,
    traefik.BOARD,
    redis.BOARD,
    health.BOARD,
)
