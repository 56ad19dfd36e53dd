"""The torture that `make test` runs, and with ZCX_SOAK=1 (`make soak`) the long one: see torture.py."""

import pytest

import torture
from crew import SOAK


def test_kills_at_random(show):
    summary, violations = torture.kill_at_random(10_000 if SOAK else 120)
    show(summary)
    assert not violations


def test_kills_of_a_durable_store(show):
    """Actors in C; what its disk has after a power cut is the durable tests' matter."""
    cast = [one for one in torture.CAST if one[1] == "c"]
    summary, violations = torture.kill_at_random(3000 if SOAK else 60, cast=cast, environment={"ZCX_DURABLE": "1"})
    show(f"durable: {summary}")
    assert not violations


def test_kills_at_every_point(show):
    each = 100 if SOAK else 2
    summary, violations, met = torture.kill_at_points(each, check_every=1 if SOAK else 30)
    show(f"{len(met)} points, each met {min(met.values(), default=0)} times or more; {summary}")
    assert not violations
    assert min(met.values()) >= each


@pytest.mark.parametrize("rule", ("pins", "generations"))
def test_a_core_without_the_rule_is_noticed(rule, show):
    noticed = torture.break_rule(rule)
    assert noticed, "nothing was noticed"
    show(f"without {rule}, noticed after {noticed[1]:.1f} s: {noticed[0]}")


def test_a_core_with_all_rules_bears_it(show):
    """What is noticed above is the missing rule, and not what else is done there."""
    for rule in ("pins", "generations"):
        assert not torture.break_rule(rule, seconds=60 if SOAK else 3, library="points")
