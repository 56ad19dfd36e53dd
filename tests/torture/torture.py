#!/usr/bin/env python3
"""Actors work on one store, in several languages, and are killed: at random, or at the core's named
points. After each round the store is checked. Prints kills, checks and violations.

    torture.py random [--kills N]             the library as it is installed
    torture.py points [--each N]              killed N times at each point
    torture.py without RULE                   of a core built without `pins` or `generations`: must find a violation
"""

import argparse
import contextlib
import os
import sys
import time

import lmdb

from crew import SANITIZED, SOAK, Crew, Violation

CAST = [(role, "c") for role in
        "produce produce view view wait wait sweep mend visit found leave call work work".split()]
CAST += [("produce", "cpp"), ("view", "cpp")]
OTHERS = [("produce", "rust"), ("view", "rust"), ("work", "rust"), ("produce", "python"), ("view", "python"),
          ("call", "python"), ("work", "python"), ("leave", "python"), ("produce", "java"), ("view", "java"), ("work", "java")]


def kill_at_random(kills, seed=None, cast=None, per_round=150, environment=(), prompt=SOAK):
    """Kills every few milliseconds. Returns the crew's summary and its violations; `prompt`: more than 1 %
    of late answers to waits are one."""
    with Crew(cast or (CAST if SANITIZED else CAST + OTHERS), seed=seed, environment=environment) as crew:
        try:
            crew.start_all()
            while crew.kills < kills:
                for _ in range(min(per_round, kills // 2 + 1)):
                    time.sleep(crew.random.random() * 0.006)
                    crew.look()
                    crew.kill_one()
                crew.check_in_turn()
            crew.check_dead()
            if prompt:
                crew.check_waits()
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
        self.reading = contextlib.ExitStack()

    def read_elsewhere(self):
        """A snapshot of each store that an actor has alone, as a foreign client takes it, until the next."""
        self.reading.close()
        for place in self.crew.elsewhere:
            with contextlib.suppress(lmdb.Error):  # it is being created
                environment = lmdb.open(f"{self.crew.store}-{place}", create=False, readonly=True, mode=0o600)
                self.reading.callback(environment.close)
                self.reading.enter_context(environment.begin())

    def help_along(self, number, helps):
        trigger = self.crew.random.choice(self.triggers)
        if trigger != number:
            self.points.arm(trigger, 1)
        if self.names[number] == "loan.stuck":  # only while a snapshot is in the way
            self.points.linger(self.names.index("view.read"), 2, 40_000)
        # Only while somebody reads an older one: stores that an actor has alone have few slots.
        if self.names[number].startswith("adopt.") or self.names[number] == "loan.stuck" and helps % 4 == 0:
            self.read_elsewhere()
        if self.crew.random.random() < 0.2:  # whoever it is begins again
            self.crew.kill_one()

    def at(self, number):
        before, helps, helped = self.points.met(number), 0, time.monotonic()
        deadline = helped + PATIENCE
        self.points.arm(number, 1 + self.crew.random.randrange(3))
        while self.points.met(number) == before:
            self.crew.look()
            time.sleep(0.0005)
            now = time.monotonic()
            if now > deadline:
                raise Violation(f"point {self.names[number]} was not passed in {PATIENCE} s")
            if now > helped + 0.05:
                helped = now
                self.help_along(number, helps)
                helps += 1

    def run(self, check_every):
        for number, name in enumerate(self.names):
            start = time.monotonic()
            for _ in range(self.each):
                self.at(number)
            self.points.disarm()
            self.reading.close()
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


def kill_at_points(each, seed=None, check_every=1, prompt=SOAK):
    """Likewise. Returns the summary, the violations, and for each point how often somebody was killed there."""
    with Crew([one for one in CAST if one != ("leave", "c")], "points", True, seed) as crew:
        hunt = None
        try:
            hunt = Hunt(crew, each)
            hunt.run(check_every)
            if prompt:
                crew.check_waits()
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
        summary, violations, met = kill_at_points(words.each, words.seed, prompt=True)
        show(f"{len(met)} points, each met {min(met.values(), default=0)} times or more; {summary}", violations)
        return bool(violations) or min(met.values()) < words.each
    if words.run == "random":
        summary, violations = kill_at_random(words.kills, words.seed, prompt=True)
        show(summary, violations)
        return bool(violations)
    noticed = break_rule(words.rule)
    print(f"without {words.rule}: " + (f"after {noticed[1]:.1f} s: {noticed[0]}" if noticed else "nothing was noticed"))
    return not noticed


if __name__ == "__main__":
    sys.exit(main())
