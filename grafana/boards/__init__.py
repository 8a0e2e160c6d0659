"""The dashboards, one file each."""

from grafana.boards import cluster

__all__ = ["BOARDS"]

BOARDS = (cluster.BOARD,)
