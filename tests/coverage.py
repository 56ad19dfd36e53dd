"""Lines and branches of core/ that the tests reached, by file; fails below what is asked for.

Usage: coverage.py BUILD_DIRECTORY. What is not reached, and why: tests/COVERAGE.md.
"""

import json
import pathlib
import subprocess
import sys

LINES, BRANCHES = 90.0, 80.0  # per cent


def measure(build):
    root = pathlib.Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "gcovr", "--root", root, "--filter", f"{root}/core/",
               "--object-directory", build, "--gcov-ignore-parse-errors=all",
               "--gcov-ignore-errors=no_working_dir_found", "--gcov-suspicious-hits-threshold=0",
               "--exclude-throw-branches",
               "--html-nested", f"{build}/coverage.html", "--json-summary", "-", build]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    summary = measure(build)
    for file in summary["files"]:
        branches = file["branch_percent"]  # None: it has none
        print(f"{file['line_percent']:6.1f} {100.0 if branches is None else branches:6.1f}  {file['filename']}")
    lines, branches = summary["line_percent"], summary["branch_percent"]
    print(f"{lines:6.1f} {branches:6.1f}  all: per cent of lines and of branches "
          f"(asked for: {LINES:g} and {BRANCHES:g}); {build}/coverage.html")
    return lines < LINES or branches < BRANCHES


if __name__ == "__main__":
    sys.exit(main())
