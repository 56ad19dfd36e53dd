"""The DAG of examples/flights by counting: each payload is written once, and nothing is left behind."""

import sys
import tempfile

import numpy as np
import pytest

import peers

sys.path.insert(0, str(peers.ROOT / "examples/flights"))
import demo  # noqa: E402
from nodes import workers  # noqa: E402


@pytest.fixture
def store():
    with tempfile.TemporaryDirectory(prefix="zcx-dag-", dir="/dev/shm") as directory:
        with peers.store_at(directory) as store:
            codes = np.array(["ATL", "BOS", "LAX"], "S3")
            store.put("airports", {"code": np.array(["JFK", *codes.astype("U3")], "S3"),
                                   "latitude": np.array([40.64, 33.64, 42.36, 33.94]),
                                   "longitude": np.array([-73.78, -84.43, -71.01, -118.41])}, ttl=0)
            store.put("flights", {"dest": codes[np.arange(30_000) % 3],
                                  "arr_delay": np.arange(30_000) % 7 * 1.0}, ttl=0)
            yield store


@pytest.mark.parametrize("where", ["in_process", "in_worker"])
def test_each_payload_is_written_once(store, where):
    nodes = demo.dag(store)
    with workers(store, nodes):
        calculators = [getattr(node, where)(store) for node in nodes]
        table = store.view("flights")
        before = store.stat()["lmdb"]["last_transaction"]
        results, _ = demo.run([calculator.calculate for calculator in calculators], table)
        written = [key for key in store.scan() if key not in ("airports", "flights")]
        assert sorted(key.split(":")[:2] for key in written) == sorted(["output", node.name] for node in nodes)
        # In process a call publishes its output; over a queue it also pushes, and is claimed.
        transactions = store.stat()["lmdb"]["last_transaction"] - before
        assert transactions <= 3 * len(nodes)
        found = store.get(results[-1]["_lmdb_output_key"])
        assert len(found["score"]) == 3
        del found, results, table
        for calculator in calculators:
            calculator.sweep()
        assert sorted(store.scan()) == ["airports", "flights"]
        assert store.stat()["slots"]["loaned"]["slots"] == 0
