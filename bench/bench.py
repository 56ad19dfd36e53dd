"""What the hand-over costs in Python, each figure beside its baseline, interleaved in one run."""

import json
import pickle
import statistics
import tempfile
import time

import msgpack
import numpy as np
import zcx

ROUNDS = 15


def clock(work, repeats):
    """Seconds that one call of `work` takes, over `repeats` of them."""
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def medians(works, repeats):
    """The median of each named work in µs, one after the other in every round."""
    times = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(ROUNDS):
        for name, work in works.items():
            times[name].append(clock(work, repeats) * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def report(name, value, baseline, other, most):
    print(f"{name:<44} {value:10.1f} µs   {baseline:<34} {other:10.1f}  "
          f"ratio {value / other:.2f} (at most {most})")


def hand_over(store):
    """Loan, publish, view and release, at sizes that differ by 25,000."""
    def cycle(key, size):
        def work():
            with store.loan(size) as loan:
                loan.publish(key, size)
            with store.view(key) as view:
                view.nbytes
        return work

    sizes = {"4 KB": 4032, "1 MB": 10**6, "100 MB": 10**8}
    found = medians({name: cycle(name, size) for name, size in sizes.items()}, 2000)
    for name, value in found.items():
        report(f"loan+publish+view+release, {name}", value, "what the issue allows", 3.0, 1)


def arrays(store):
    source = np.random.default_rng(1).random(10**7 // 8)
    target = np.empty_like(source)
    found = medians({
        "put": lambda: store.put("array", source),
        "memcpy": lambda: np.copyto(target, source),
    }, 10)
    report("put(ndarray), 10 MB", found["put"], "memcpy of 10 MB", found["memcpy"], 1.15)

    for name, count in (("4 KB", 500), ("100 MB", 10**8 // 8)):
        store.put(name, np.zeros(count))
        found = medians({"get": lambda key=name: store.get(key)}, 2000)
        report(f"get of an array, {name}", found["get"], "what the issue allows", 3.0, 1)


def by_json(payload):
    text = json.dumps({**payload, "values": payload["values"].tolist()})
    back = json.loads(text)
    back["values"] = np.array(back["values"])


def by_msgpack(payload):
    data = msgpack.packb({**payload, "values": payload["values"].tolist()})
    back = msgpack.unpackb(data)
    back["values"] = np.array(back["values"])


def by_pickle(payload):
    pickle.loads(pickle.dumps(payload, protocol=5))


def table(store):
    """A dict with an array of doubles, handed over and back into a dict with an array."""
    def by_zcx(payload):
        store.put("payload", payload)
        store.get("payload")

    ways = {"JSON": by_json, "msgpack": by_msgpack, "pickle": by_pickle, "zcx": by_zcx}
    print("\n| payload | " + " | ".join(ways) + " | JSON / zcx |")
    print("|---|" + "---:|" * (len(ways) + 1))
    for name, size in (("1 KB", 10**3), ("10 KB", 10**4), ("100 KB", 10**5), ("1 MB", 10**6),
                       ("10 MB", 10**7)):
        payload = {"name": "prices", "window": 20,
                   "values": np.random.default_rng(1).random(size // 8)}
        repeats = max(1, min(200, 10**6 // size))
        found = medians({way: lambda work=work: work(payload) for way, work in ways.items()},
                        repeats)
        print(f"| {name} | " + " | ".join(f"{value:,.1f} µs" for value in found.values())
              + f" | {found['JSON'] / found['zcx']:,.0f} |")


def main():
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="zcx-bench-") as directory:
        with zcx.Store(directory + "/store", budget=2 << 30) as store:
            hand_over(store)
            arrays(store)
            table(store)


if __name__ == "__main__":
    main()
