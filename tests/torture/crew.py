"""The actors of one run, and the store that they work on: started, killed, and checked.

ZCX_BUILD is CMake's build directory (build/release); a sanitizer's has actors in C and C++ only.
"""

import contextlib
import ctypes
import itertools
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import ledger as layout
from checker import Check
from ledger import Ledger
from points import Points

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

COME_TO_REST = "produce", "view", "wait", "sweep"


class Violation(Exception):
    pass


PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def die_with_parent():
    """In a child: no run leaves a process behind, also when it is killed. It leads a group of its own."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()


def be_nice(pid, niceness):
    """Also where the kernel shares the processor among sessions, of which each actor has one."""
    os.setpriority(os.PRIO_PROCESS, pid, niceness)
    with contextlib.suppress(OSError):  # no such sharing; or the user may not so often
        pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


def end_group(process):
    """Of an actor that ended: the children that it forked, which are ours now."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
        while True:
            os.waitpid(-process.pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


class Crew:
    """The actors of one run, and the store that they work on."""

    def __init__(self, cast, library="whole", points=False, seed=None, environment=(), niceness=19):
        self.cast, self.random = cast, random.Random(seed)
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        parent = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="zcx-torture-", dir=parent))
        self.remover = subprocess.Popen(["sh", "-c", 'cat; rm -rf "$0"', self.directory], stdin=subprocess.PIPE,
                                        start_new_session=True)  # whatever kills us
        self.store = self.directory / "store"
        self.ledger = Ledger(self.directory / "ledger", len(cast))
        self.points = Points(self.directory / "points") if points else None
        self.environment = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES[library]), "ZCX_LOG": "off",
                            "ASAN_OPTIONS": "detect_leaks=0",  # they leave everything behind
                            "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}", **dict(environment)}
        self.processes, self.dying, self.keeper = [None] * len(cast), [], None
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
        self.remover.stdin.close()
        self.remover.wait()

    # ---- processes ------------------------------------------------------------------------------------

    def spawn(self, role, language, place, environment=(), stdin=subprocess.DEVNULL, **options):
        words = [*ACTORS[language], role, self.store, self.ledger.path, place, next(self.seeds)]
        return subprocess.Popen([str(word) for word in words], env={**self.environment, **dict(environment)},
                                stdin=stdin, preexec_fn=die_with_parent, **options)

    def start(self, place):
        points = {"ZCX_POINTS": str(self.points.path)} if self.points else {}
        self.processes[place] = self.spawn(*self.cast[place], place, points)
        if self.niceness:  # or nobody is left to kill them
            be_nice(self.processes[place].pid, self.niceness)

    @contextlib.contextmanager
    def kept_open(self):
        """The store, by a process that sweeps when we reap, and does nothing else. So the board is looked
        at that the dead left: who opens a store counts again, and makes the board anew when nobody has it open."""
        self.ledger.words[len(self.cast) + 1, layout.WORDS["steps"]] = 0
        with self.spawn("keep_open", "c", len(self.cast), stdin=subprocess.PIPE, bufsize=0) as self.keeper:
            try:
                self.wait_for_keeper(0)
                yield
            finally:
                self.keeper.kill()
                self.keeper = None

    def wait_for_keeper(self, steps):
        deadline = time.monotonic() + 300
        while self.ledger.word(len(self.cast), "steps") == steps:
            if self.keeper.poll() is not None or time.monotonic() > deadline:
                raise Violation(f"who kept the store open ended, or hangs: {self.ledger.complaint(len(self.cast))}")
            time.sleep(0.001)

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
        if place in self.elsewhere:  # the next removes files, which nobody may have open then
            self.dying[-1][1].wait()
        self.start(place)

    def kill_all(self):
        for place, process in enumerate(self.processes):
            if process:
                self.kill(place)
        self.bury(wait=True)

    # ---- checks ---------------------------------------------------------------------------------------

    def reap(self):
        """Recovers from what was killed and frees what the dead held, as anybody would."""
        if self.keeper:
            steps = self.ledger.word(len(self.cast), "steps")
            self.keeper.stdin.write(b"s")
            return self.wait_for_keeper(steps)
        subprocess.run([BUILD / "command/zcx", "sweep", "--path", self.store], env=self.environment, check=True,
                       stdout=subprocess.DEVNULL, timeout=300)

    def check(self, alive=()):
        """`alive`: places of actors at rest."""
        if self.points:
            self.points.disarm()
        self.reap()
        pids = {self.processes[place].pid: place for place in alive}
        if self.keeper:
            pids[self.keeper.pid] = len(self.cast)
        check = Check(self.store, self.ledger, pids, self.elsewhere)
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

    def check_waits(self):
        """For long runs: a few are late, of processes that the machine had no time for."""
        waits, late = self.ledger.total("waits"), self.ledger.total("late")
        if waits >= 1000 and late * 100 > waits:
            raise Violation(f"{late} of {waits} waits took over 100 ms")

    def check_in_turn(self):
        turn = self.checks % 4
        with self.kept_open() if turn in (1, 2) else contextlib.nullcontext():
            (self.check_dead if turn % 2 else self.check_at_rest)()

    def summary(self):
        ledger = self.ledger
        words = {name: ledger.total(name) for name in "published viewed waits late calls dead full".split()}
        return (f"{self.kills + self.deaths} kills ({self.deaths} of them at points), {self.checks} checks, "
                f"{len(self.violations)} violations; {words['published']} publishes, {words['viewed']} views, "
                f"{words['calls']} calls ({words['dead']} of whose workers died thrice), full {words['full']} times; "
                f"{words['waits']} waits were measured, {words['late']} took over 100 ms, the longest "
                f"{ledger.most('longest') / 1e6:.1f} ms")
