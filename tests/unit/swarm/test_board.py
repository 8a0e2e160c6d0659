"""Every page says one thing, whoever puts it together at that moment."""

import threading

from exporters.exposition import Form, Page
from exporters.swarm.board import Board
from exporters.swarm.kinds import cluster
from exporters.swarm.render import section

_FIGURES = [section(cluster.METRICS, cluster.lost())]


def _text(page: Page) -> str:
    return page.body(Form(openmetrics=False, gzip=False)).decode()


def test_no_page_claims_to_answer_for_the_cluster_without_its_figures() -> None:
    pages: list[Page] = []
    board = Board("0", pages.append, lambda: 0)
    stop = threading.Event()

    def other_watcher() -> None:
        while not stop.is_set():
            board.compose()

    other = threading.Thread(target=other_watcher)
    other.start()
    for _ in range(300):
        board.show("cluster", _FIGURES, source=True)
        board.show("cluster", [], source=False)
    stop.set()
    other.join()
    said = {
        ("swarm_exporter_cluster_source 1" in text, "swarm_cluster_quorum 0" in text)
        for text in map(_text, pages)
    }
    assert said == {(True, True), (False, False)}


def test_a_change_of_source_alone_makes_a_page() -> None:
    pages: list[Page] = []
    board = Board("0", pages.append, lambda: 0)
    board.show("cluster", _FIGURES, source=False)
    board.show("cluster", _FIGURES, source=True)
    assert "swarm_exporter_cluster_source 1" in _text(pages[-1])
