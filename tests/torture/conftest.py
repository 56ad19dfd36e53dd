"""What the tests of torture share."""

import pytest


@pytest.fixture
def show(capsys):
    """Prints figures, whether the test passes or not."""

    def say(text):
        with capsys.disabled():
            print(f"\n{text}", flush=True)

    return say
