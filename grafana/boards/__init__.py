"""The dashboards, one file each."""

from grafana.boards import cache, cluster, health, nodes, redis, service, stack, traefik

__all__ = ["BOARDS"]

BOARDS = (
    cluster.BOARD,
    nodes.BOARD,
    stack.BOARD,
    service.BOARD,
    traefik.BOARD,
    redis.BOARD,
    cache.BOARD,
    health.BOARD,
)
