#!/usr/bin/env python3
"""Actors work on one store, in several languages, and are killed: at random, or at the core's named
points. After each round the store is checked. Prints kills, checks and violations.

    torture.py random [--kills N]             the library as it is installed
    torture.py points [--each N]              killed N times at each point
    torture.py without RULE                   of a core built without `pins` or `generations`: must find a violation

ZCX_BUILD is CMake's build directory (build/release); a sanitizer's has actors in C and C++ only.
"""

import argparse
import ctypes
import itertools
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

import ledger as layout
from checker import Check
from ledger import Ledger

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("ZCX_BUILD", ROOT / "build/release")).resolve()
SANITIZED = "ZCX_SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text()
SOAK = "ZCX_SOAK" in os.environ  # the long tier
LIBRARIES = {"whole": BUILD / "core", "points": BUILD / "tests/torture/points",
             "pins": BUILD / "tests/torture/without_pins",
             "generations": BUILD / "tests/torture/without_generations"}
ACTORS = {"c": [BUILD / "tests/torture/actor"],
          "cpp": [BUILD / "tests/torture/actor_cpp"],
          "rust": [BUILD.parent / "rust/release/actor"],
          "java": [BUILD / "java/actor"],
          "python": [os.environ.get("PYTHON", sys.executable), HERE / "actor.py"]}
COSTLY = {"java": 40, "python": 15}  # so many times less often killed: they take long to start

CAST = [(role, "c") for role in
        "produce produce view view wait wait sweep mend visit found leave call work work".split()]
CAST += [("produce", "cpp"), ("view", "cpp")]
OTHERS = [("produce", "rust"), ("view", "rust"), ("work", "rust"), ("produce", "python"), ("view", "python"),
          ("call", "python"), ("work", "python"), ("leave", "python"), ("produce", "java"), ("view", "java"), ("work", "java")]
COME_TO_REST = "produce", "view", "wait", "sweep"


class Violation(Exception):
    pass


PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def die_with_parent():
    """In a child: no run leaves a process behind, also when it is killed. It leads a group of its own."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()


def end_group(process):
    """Of an actor that ended: the children that it forked, which are ours now."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
        while True:
            os.waitpid(-process.pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


class Points:
    """The control file of point.c."""

    ENTRY = struct.Struct("<IIIIQQ40s")

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(64 + 1000 * self.ENTRY.size)
        self.file = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def entries(self):
        count, = struct.unpack("<I", os.pread(self.file, 4, 0))
        data = os.pread(self.file, count * self.ENTRY.size, 64)
        return list(self.ENTRY.iter_unpack(data))

    def names(self):
        names = [entry[6].rstrip(b"\0").decode() for entry in self.entries()]
        assert names and len(set(names)) == len(names), f"points are named twice: {names}"
        return names

    def arm(self, number, passes, signal_=signal.SIGKILL):
        """So many passes from now one gets the signal; 0: none."""
        os.pwrite(self.file, struct.pack("<II", passes, signal_), 64 + number * self.ENTRY.size)

    def linger(self, number, one_in, most=4000):
        """One pass in so many is held up for up to `most` µs."""
        os.pwrite(self.file, struct.pack("<II", one_in, most), 64 + number * self.ENTRY.size + 8)

    def disarm(self):
        for number, _ in enumerate(self.entries()):
            self.arm(number, 0)
            self.linger(number, 0)

    def met(self, number=None):
        """Signals that were sent there; without a number, at all of them."""
        met = [entry[5] for entry in self.entries()]
        return sum(met) if number is None else met[number]


class Crew:
    """The actors of one run, and the store that they work on."""

    def __init__(self, cast, library="whole", points=False, seed=None, environment=(), niceness=19):
        self.cast, self.random = cast, random.Random(seed)
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        parent = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="zcx-torture-", dir=parent))
        self.keeper = subprocess.Popen(["sh", "-c", 'cat; rm -rf "$0"', self.directory], stdin=subprocess.PIPE,
                                       start_new_session=True)  # whatever kills us
        self.store = self.directory / "store"
        self.ledger = Ledger(self.directory / "ledger", len(cast))
        self.points = Points(self.directory / "points") if points else None
        self.environment = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES[library]), "ZCX_LOG": "off",
                            "ASAN_OPTIONS": "detect_leaks=0",  # they leave everything behind
                            "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}", **dict(environment)}
        self.processes, self.dying = [None] * len(cast), []
        self.seeds = itertools.count(1)
        self.elsewhere = {place for place, (role, _) in enumerate(cast) if role == "found"}
        self.weights = [1 / COSTLY.get(language, 1) for _, language in cast]
        self.niceness = niceness
        self.kills = self.checks = self.deaths = self.pauses = 0
        self.violations = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in filter(None, self.processes):
            process.kill()
        for process in [*filter(None, self.processes), *(process for _, process in self.dying)]:
            process.wait()
            end_group(process)
        self.keeper.stdin.close()
        self.keeper.wait()

    # ---- processes ------------------------------------------------------------------------------------

    def start(self, place):
        role, language = self.cast[place]
        words = [*ACTORS[language], role, self.store, self.ledger.path, place, next(self.seeds)]
        environment = self.environment
        if self.points:
            environment = {**environment, "ZCX_POINTS": str(self.points.path)}
        self.processes[place] = subprocess.Popen([str(word) for word in words], env=environment,
                                                 stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        if self.niceness:  # or nobody is left to kill them
            os.setpriority(os.PRIO_PROCESS, self.processes[place].pid, self.niceness)

    def start_all(self):
        for place, process in enumerate(self.processes):
            if process is None:
                self.start(place)

    def ended(self, place, status):
        """Says what is wrong with an end that was not by our hand."""
        complaint = self.ledger.complaint(place)
        if status == -signal.SIGKILL and self.points:
            self.deaths += 1
        elif status or self.cast[place][0] not in ("leave", "visit"):
            raise Violation(f"{' in '.join(self.cast[place])}: status {status}: {complaint or 'no complaint'}")

    def wait_for_points(self):
        while not self.points.entries():
            time.sleep(0.01)

    def look(self):
        """Whoever ended is started again."""
        for place, process in enumerate(self.processes):
            status = process.poll() if process else None
            if status is not None:
                self.processes[place] = None
                end_group(process)
                self.ended(place, status)
                self.start(place)
        self.bury()

    def kill(self, place):
        os.killpg(self.processes[place].pid, signal.SIGKILL)
        self.dying.append((place, self.processes[place]))
        self.processes[place] = None

    def bury(self, wait=False):
        """Takes leave of those who were killed; some may have ended before, by themselves."""
        for place, process in self.dying[:]:
            status = process.wait() if wait else process.poll()
            if status is None:
                continue
            end_group(process)
            self.dying.remove((place, process))
            if status == -signal.SIGKILL:
                self.kills += 1
            else:
                self.ended(place, status)

    def kill_one(self):
        place, = self.random.choices(range(len(self.cast)), self.weights)
        self.kill(place)
        self.start(place)

    def kill_all(self):
        for place, process in enumerate(self.processes):
            if process:
                self.kill(place)
        self.bury(wait=True)

    # ---- checks ---------------------------------------------------------------------------------------

    def reap(self):
        """Recovers from what was killed and frees what the dead held, as anybody would."""
        subprocess.run([BUILD / "command/zcx", "sweep", "--path", self.store], env=self.environment, check=True,
                       stdout=subprocess.DEVNULL, timeout=300)

    def check(self, alive=()):
        """`alive`: places of actors at rest."""
        if self.points:
            self.points.disarm()
        self.reap()
        check = Check(self.store, self.ledger, {self.processes[place].pid: place for place in alive}, self.elsewhere)
        self.checks += 1
        if check.faults:
            raise Violation("\n  ".join(check.faults[:10]))
        return check

    def check_dead(self):
        self.kill_all()
        self.check()
        self.start_all()

    def check_at_rest(self):
        """Those who can come to rest between two steps keep what they hold; the others are killed."""
        resting = [place for place, (role, _) in enumerate(self.cast) if role in COME_TO_REST]
        if self.points:
            self.points.disarm()
        for place in set(range(len(self.cast))) - set(resting):
            self.kill(place)
        self.bury(wait=True)
        self.pauses += 1
        self.ledger.ask_for_rest(self.pauses)
        deadline = time.monotonic() + 120
        while any(self.ledger.word(place, "rests") != self.pauses for place in resting):
            self.look()
            if time.monotonic() > deadline:
                raise Violation("an actor did not come to rest: it hangs")
            time.sleep(0.001)
        self.check(resting)
        self.ledger.ask_for_rest(0)
        self.start_all()

    def check_in_turn(self):
        (self.check_dead if self.checks % 2 else self.check_at_rest)()

    def summary(self):
        ledger = self.ledger
        words = {name: ledger.total(name) for name in "published viewed waits late calls dead full".split()}
        return (f"{self.kills + self.deaths} kills ({self.deaths} of them at points), {self.checks} checks, "
                f"{len(self.violations)} violations; {words['published']} publishes, {words['viewed']} views, "
                f"{words['calls']} calls ({words['dead']} of whose workers died thrice), full {words['full']} times; "
                f"{words['waits']} waits were measured, {words['late']} took over 100 ms, the longest "
                f"{ledger.most('longest') / 1e6:.1f} ms")


# ---- the runs -------------------------------------------------------------------------------------------


def kill_at_random(kills, seed=None, cast=None, per_round=150, environment=()):
    """Kills every few milliseconds. Returns the crew's summary and its violations."""
    with Crew(cast or (CAST if SANITIZED else CAST + OTHERS), seed=seed, environment=environment) as crew:
        try:
            crew.start_all()
            while crew.kills < kills:
                for _ in range(min(per_round, kills)):
                    time.sleep(crew.random.random() * 0.006)
                    crew.look()
                    crew.kill_one()
                crew.check_in_turn()
            crew.check_dead()
        except Violation as violation:
            crew.violations.append(str(violation))
        return crew.summary(), crew.violations


TRIGGERS = "commit.begun commit.committed create.committed claim.live lock.taken take.lent request.claimed".split()
PATIENCE = 60  # s, for a point to be passed


class Hunt:
    """Kills at each point in turn. Points of a recovery are passed when others were killed before: those
    are armed too when nobody comes by."""

    def __init__(self, crew, each):
        self.crew, self.points, self.each = crew, crew.points, each
        crew.start_all()
        crew.wait_for_points()
        self.names = self.points.names()
        self.triggers = [self.names.index(name) for name in TRIGGERS]

    def help_along(self, number):
        trigger = self.crew.random.choice(self.triggers)
        if trigger != number:
            self.points.arm(trigger, 1)
        if self.names[number] == "loan.stuck":  # only while a snapshot is in the way
            self.points.linger(self.names.index("view.read"), 2, 40_000)
        if self.crew.random.random() < 0.2:  # whoever it is begins again
            self.crew.kill_one()

    def at(self, number):
        before, deadline, helped = self.points.met(number), time.monotonic() + PATIENCE, time.monotonic()
        self.points.arm(number, 1 + self.crew.random.randrange(3))
        while self.points.met(number) == before:
            self.crew.look()
            time.sleep(0.0005)
            now = time.monotonic()
            if now > deadline:
                raise Violation(f"point {self.names[number]} was not passed in {PATIENCE} s")
            if now > helped + 0.05:
                helped = now
                self.help_along(number)

    def run(self, check_every):
        for number, name in enumerate(self.names):
            start = time.monotonic()
            for _ in range(self.each):
                self.at(number)
            self.points.disarm()
            if os.environ.get("ZCX_VERBOSE"):
                print(f"  {name}: {time.monotonic() - start:.2f} s", flush=True)
            if number % check_every == check_every - 1:
                self.crew.check_in_turn()
        self.crew.check_dead()


def break_rule(rule, seconds=60, library=None):
    """The core without one of its rules, or of that library: returns what was noticed, and when; or None."""
    cast = [("produce", "c")] * 4 + [("view" if rule == "pins" else "lose", "c")] * 4 + [("sweep", "c")] * 3
    start = time.monotonic()
    with Crew(cast, library or rule, True) as crew:
        crew.start_all()
        crew.wait_for_points()
        crew.points.linger(crew.points.names().index("view.read"), 2)
        while time.monotonic() < start + seconds:
            try:
                time.sleep(0.002)
                crew.look()
            except Violation as violation:
                if "not whole" in str(violation):
                    return str(violation), time.monotonic() - start
                crew.start_all()  # LMDB, of which a snapshot was taken away
    return None


def kill_at_points(each, seed=None, check_every=1):
    """Returns the summary, the violations, and for each point how often somebody was killed there."""
    with Crew([one for one in CAST if one != ("leave", "c")], "points", True, seed) as crew:
        hunt = None
        try:
            hunt = Hunt(crew, each)
            hunt.run(check_every)
        except Violation as violation:
            crew.violations.append(str(violation))
        met = {name: crew.points.met(number) for number, name in enumerate(hunt.names)} if hunt else {}
        return crew.summary(), crew.violations, met


def show(summary, violations):
    print(summary, flush=True)
    for violation in violations:
        print(f"violation: {violation}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", choices=("random", "points", "without"))
    parser.add_argument("rule", nargs="?", choices=("pins", "generations"))
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--each", type=int, default=3)
    parser.add_argument("--seed", type=int)
    words = parser.parse_args()
    if words.run == "points":
        summary, violations, met = kill_at_points(words.each, words.seed)
        show(f"{len(met)} points, each met {min(met.values(), default=0)} times or more; {summary}", violations)
        return bool(violations) or min(met.values()) < words.each
    if words.run == "random":
        summary, violations = kill_at_random(words.kills, words.seed)
        show(summary, violations)
        return bool(violations)
    noticed = break_rule(words.rule)
    print(f"without {words.rule}: " + (f"after {noticed[1]:.1f} s: {noticed[0]}" if noticed else "nothing was noticed"))
    return not noticed


if __name__ == "__main__":
    sys.exit(main())
