"""The built command, run as its users do. ZCX_COMMAND names it (default: the release build's)."""
import ctypes
import json
import os
import pathlib
import resource
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND = pathlib.Path(os.environ.get("ZCX_COMMAND", ROOT / "build/release/command/zcx"))
BUILD = COMMAND.parents[1]
CALCULATORS = BUILD / "calculators"
BAD_PLUGINS = BUILD / "tests/plugins"
MISBEHAVE = BAD_PLUGINS / "misbehave.so"


def library():
    """The libzcx that the command runs with."""
    libraries = subprocess.run(["ldd", COMMAND], capture_output=True, text=True).stdout
    return next(line.split()[2] for line in libraries.splitlines() if "libzcx" in line)


def doing(action):
    """What the misbehaving plug-in is to do."""
    return "--config=" + json.dumps({"options": {"do": action}})


def end(*processes):
    """SIGTERM: each leaves, with exit code 0, and said no more."""
    for process in processes:
        process.terminate()
    for process in processes:
        assert process.communicate(timeout=30)[1] == b""
        assert process.returncode == 0


def until(condition, seconds=30):
    """Waits for another process to get somewhere; how long it takes decides nothing."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        os.sched_yield()


def die_with_parent():
    """In a child: no test leaves a process behind, also when it is killed; no core files."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Zcx:
    """The command with one store."""

    def __init__(self, path):
        self.path = path

    def argv(self, command, *arguments):
        return [COMMAND, command, "--path", self.path, *arguments]

    def run(self, command, *arguments, stdin=b"", code=0, **options):
        result = subprocess.run(self.argv(command, *arguments), input=stdin, capture_output=True,
                                timeout=60, **options)
        assert result.returncode == code, (result.returncode, result.stderr.decode())
        return result

    def out(self, command, *arguments, **options):
        return self.run(command, *arguments, **options).stdout

    def json(self, command, *arguments, **options):
        return json.loads(self.out(command, "--json", *arguments, **options))

    def error(self, command, *arguments, code, **options):
        """The one sentence on stderr."""
        result = self.run(command, *arguments, code=code, **options)
        assert result.stdout == b""
        return result.stderr.decode()

    def start(self, command, *arguments, **options):
        return subprocess.Popen(self.argv(command, *arguments), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                                preexec_fn=die_with_parent, **options)

    def worker(self, plugin, queue, *arguments, **options):
        """A worker that takes calls: it has said so."""
        worker = self.start("worker", f"--plugin={plugin}", f"--queue={queue}", *arguments, **options)
        worker.said = worker.stderr.readline().decode()
        assert queue in worker.said, worker.said + worker.stderr.read().decode()
        return worker

    def call(self, queue, data, *arguments):
        """A call on its way."""
        call = self.start("call", f"--queue={queue}", *arguments)
        call.stdin.write(data)
        call.stdin.close()
        call.stdin = None
        return call

    def queue(self, name):
        queues = self.json("stat")["queues"]
        return next((queue for queue in queues if queue["name"] == name), None)

    def assert_left(self, *keys):
        """Nothing is left in the store but these."""
        self.run("sweep")
        assert self.out("ls", "--all").decode().split() == list(keys)
        stat = self.json("stat")
        assert stat["queues"] == []
        assert stat["slots"]["loaned"]["slots"] == 0
        assert [holder for holder in stat["holders"] if not holder["self"]] == []
