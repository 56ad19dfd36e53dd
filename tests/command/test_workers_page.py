"""docs/workers.md: each line that it shows is run, in order, and says what the page says."""
import re
import shutil

import pytest

from pages import complaints_of_systemd, read_page, run_page
from running import COMMAND


def test_the_page(zcx, tmp_path):
    run_page("workers.md", zcx.path, tmp_path)
    kept = zcx.out("ls", "output:").decode().split()
    assert len(kept) == 2
    zcx.run("rm", *kept)
    zcx.assert_left("four")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_the_unit(tmp_path):
    unit = re.search(r"```ini\n(.*?)```", read_page("workers.md"), re.S)[1]
    file = tmp_path / "zcx-worker.service"
    file.write_text(unit.replace("/usr/local/bin/zcx", str(COMMAND)).replace("=flights", "=root"))
    assert complaints_of_systemd(file) == []
