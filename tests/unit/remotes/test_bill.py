"""The bill and the prices."""

from pathlib import Path

import pytest

from migrate.remotes import Bill, Prices, monthly
from migrate.remotes.bill import Call
from swarmstead.errors import InputError


def test_calls_fall_into_the_classes_of_the_price_list() -> None:
    bill = Bill()
    calls: list[Call] = ["put", "put", "part", "delete", "get", "head", "list", "copy"]
    for call in calls:
        bill.count(call, sent=10 if call == "put" else 0)
    bill.receive(2_000_000_000)
    assert bill.classes == {"A": 4, "B": 2, "C": 2}
    told = bill.as_dict()
    assert (told["sent_bytes"], told["received_bytes"]) == (20, 2_000_000_000)
    assert told["dollars_at_most"] == 0.02


@pytest.mark.parametrize(
    ("kwargs", "dollars"),
    [
        ({"stored_bytes": 10 * 10**9}, 0.0),
        ({"stored_bytes": 10**12 + 10 * 10**9}, 6.0),
        ({"stored_bytes": 0, "class_b": 75_000}, 0.0),
        ({"stored_bytes": 0, "class_b": 75_000 + 10_000}, 0.004),
        ({"stored_bytes": 0, "class_c": 75_000 + 1000}, 0.004),
        ({"stored_bytes": 0, "egress_bytes": 100 * 10**9}, 1.0),
    ],
)
def test_a_month(kwargs: dict[str, int], dollars: float) -> None:
    assert monthly(Prices(), **kwargs) == pytest.approx(dollars)


def test_prices_come_from_a_file_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prices.yml"
    path.write_text("storage_per_tb_month: 5\negress_per_gb: 0\n")
    assert Prices.load(path) == Prices(storage_per_tb_month=5.0, egress_per_gb=0.0)
    for text, said in [
        ("storage: 5", "storage"),
        ("egress_per_gb: free", "egress_per_gb"),
        ("egress_per_gb: -1", "egress_per_gb"),
        ("- 5", "mapping"),
        ("a: [", "YAML"),
    ]:
        path.write_text(text)
        with pytest.raises(InputError, match=said):
            Prices.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        Prices.load(tmp_path / "absent.yml")
