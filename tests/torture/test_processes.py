"""What can happen to processes besides being killed: each is done to actors of crew.py, and the store
is checked afterwards."""

import os
import pathlib
import signal
import struct
import subprocess
import sys
import time

import pytest

from board import Board
from crew import BUILD, SANITIZED, SOAK, Crew, die_with_parent

C = [("produce", "c")] * 2 + [("view", "c")] * 2 + [("sweep", "c")]
needs_plain_build = pytest.mark.skipif(SANITIZED, reason="a sanitizer's library loads into its own programs only")


def until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.001)


def live_owners(crew):
    try:
        return int((Board(crew.store).owners["state"] != 0).sum())
    except (OSError, ValueError, struct.error):  # it is being created
        return 0


# ---- many -----------------------------------------------------------------------------------------------


def test_300_short_lives_at_a_time():
    """They open the store at once; at most 256 are in it, and the others wait for a place."""
    with Crew([("once", "c")] * 300, niceness=0) as crew:
        for _ in range(3 if SOAK else 1):
            crew.ledger.ask_for_rest(1)
            crew.start_all()
            crew.ledger.ask_for_rest(0)
            for place, process in enumerate(crew.processes):
                status = process.wait(300)
                assert status in (0, -signal.SIGKILL), crew.ledger.complaint(place)
                crew.processes[place] = None
            crew.check()
        assert crew.ledger.total("steps") == (900 if SOAK else 300)


@pytest.mark.skipif(not SOAK, reason="takes long; limits_test fills all entries in `make test`")
def test_all_256_entries_are_in_use():
    """One more waits; it gets the place of one that is killed, whose views and loan are freed."""
    with Crew([("hold", "c")] * 257, niceness=0) as crew:
        crew.start_all()
        until(lambda: crew.ledger.total("steps") == 256)
        until(lambda: crew.ledger.total("full") > 0)
        assert live_owners(crew) == 256
        for round in range(20 if SOAK else 3):
            holder = crew.random.choice([place for place in range(257) if crew.ledger.word(place, "steps")])
            crew.kill(holder)
            crew.bury(wait=True)
            until(lambda: crew.ledger.total("steps") == 257)
            crew.ledger.words[holder + 1, 1] = 0  # its steps: it waits again
            crew.start(holder)
        crew.check_dead()


# ---- stopped --------------------------------------------------------------------------------------------

OTHER = """
import sys, zcx
store = zcx.Store(sys.argv[1], lock_timeout=0.3)
print("ready", flush=True)
for line in sys.stdin:
    try:
        print("put", store.put("another", b"x" * 5000), flush=True)
    except zcx.Timeout as error:
        print(error, flush=True)
store.delete("another")
"""


@needs_plain_build
def test_others_time_out_while_the_lock_is_held_by_one_who_is_stopped():
    with Crew(C, "points", points=True) as crew:
        crew.start_all()
        crew.wait_for_points()
        with subprocess.Popen([sys.executable, "-c", OTHER, crew.store], env=crew.environment, text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent) as other:

            def put():
                other.stdin.write("\n")
                other.stdin.flush()
                return other.stdout.readline()

            other.stdout.readline()
            assert put().startswith("put ")
            for name in ("commit.begun", "commit.committed", "transact.worked"):
                number = crew.points.names().index(name)
                crew.points.arm(number, 1, signal.SIGSTOP)
                until(lambda: crew.points.met(number))
                holder = Board(crew.store).holder
                said = put()
                assert f"process {holder} has it" in said, said
                assert "300 ms" in said
                assert holder in [process.pid for process in crew.processes]
                os.kill(holder, signal.SIGCONT)
                until(lambda: put().startswith("put "))
            other.stdin.close()
            assert other.wait(60) == 0
        crew.check_at_rest()
        crew.check_dead()


# ---- waits ----------------------------------------------------------------------------------------------


def starved(crew):
    """Seconds that we and the living of the crew were ready to run, and were not run."""
    waited = 0
    for pid in ["self", *(process.pid for process in crew.processes)]:
        try:
            waited += int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[1])
        except (OSError, IndexError):  # it died
            pass
    return waited / 1e9


def deaths(cast, name, victim, waiter, rounds):
    """Somebody is killed at that point, again and again: how long until the waiter has its answer, in ms,
    but for what it could not run meanwhile."""
    times = []
    with Crew(cast, "points", points=True, niceness=0) as crew:
        crew.start_all()
        crew.wait_for_points()
        number = crew.points.names().index(name)
        until(lambda: crew.ledger.when(waiter))
        for _ in range(rounds):
            met = crew.points.met(number)
            crew.points.arm(number, 1)
            until(lambda: crew.points.met(number) > met)
            died, before = time.monotonic(), starved(crew)
            until(lambda: crew.ledger.when(waiter) > (crew.ledger.when(victim) if victim is not None else died))
            passed = crew.ledger.when(waiter) - died - (starved(crew) - before)
            times.append(max(0, passed) * 1000)
            until(lambda: any(process.poll() is not None for process in crew.processes))
            crew.look()
        with crew.kept_open():
            crew.check_dead()
    return sorted(times)


def assert_prompt(times, what, show):
    late = sum(passed > 100 for passed in times)
    show(f"{len(times)} {what}: answered after {times[len(times) // 2]:.1f} ms, the longest {times[-1]:.1f} ms, "
         f"{late} over 100 ms")
    # On a machine that others use, too: most within the time, all within what a hang would not keep.
    assert times[len(times) // 2] <= 100
    if SOAK:
        assert late <= len(times) // 100
    assert times[-1] < 10_000


@pytest.mark.parametrize("name", ("publish.committed", "retire.worded", "wake.raised"))
def test_a_waiter_is_answered_when_the_publisher_dies_before_the_wake(name, show):
    cast = [("publish_first", "c"), ("await_first", "c")]
    assert_prompt(deaths(cast, name, 0, 1, 200 if SOAK else 5), f"publishers killed at {name}", show)


def test_a_caller_is_answered_when_its_worker_dies(show):
    cast = [("call", "c"), ("work", "c"), ("work", "c")]
    assert_prompt(deaths(cast, "request.claimed", None, 0, 200 if SOAK else 5), "workers killed with a request", show)


# ---- clocks ---------------------------------------------------------------------------------------------


class Clock:
    """The wall clock of the crew's processes."""

    def __init__(self, directory):
        self.path = directory / "clock"
        self.path.write_bytes(bytes(8))
        assert (BUILD / "tests/torture/step_clock.so").exists()
        self.environment = {"LD_PRELOAD": str(BUILD / "tests/torture/step_clock.so"), "ZCX_CLOCK": str(self.path)}

    def step_to(self, seconds):
        with open(self.path, "r+b") as file:
            file.write(struct.pack("<q", int(seconds * 1e9)))


@needs_plain_build
def test_records_expire_by_the_wall_clock(tmp_path):
    clock = Clock(tmp_path)
    with Crew(C, environment=clock.environment) as crew:

        def zcx(*words):
            return subprocess.run([BUILD / "command/zcx", *words[:1], "--path", crew.store, *words[1:]],
                                  env=crew.environment, input=b"x" * 5000, capture_output=True)

        assert zcx("put", "--ttl", "100s", "key", "-").returncode == 0
        assert zcx("get", "key").stdout == b"x" * 5000
        clock.step_to(200)
        assert b"expired" in zcx("get", "key").stderr
        clock.step_to(-3600)
        assert zcx("get", "key").stdout == b"x" * 5000
        clock.step_to(200)
        assert zcx("sweep").returncode == 0
        clock.step_to(0)
        assert zcx("get", "key").returncode != 0


@needs_plain_build
def test_clock_steps_are_survived(tmp_path, show):
    """Waits are as long as ever (the actors look), what lives on the wall clock comes and goes, and
    everything else stays."""
    clock = Clock(tmp_path)
    cast = [*C, ("wait", "c"), ("wait", "c"), ("visit", "c"), ("found", "c")]
    with Crew(cast, environment=clock.environment) as crew:
        crew.start_all()
        end = time.monotonic() + (120 if SOAK else 4)
        steps = 0
        while time.monotonic() < end:
            clock.step_to(crew.random.uniform(-7200, 7200))
            steps += 1
            for _ in range(5):
                time.sleep(crew.random.random() * 0.02)
                crew.look()
                crew.kill_one()
            if steps % 20 == 0:
                crew.check_in_turn()
        crew.check_dead()
        show(f"{steps} clock steps; {crew.summary()}")
