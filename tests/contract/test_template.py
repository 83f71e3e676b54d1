"""The template process: real processes, real forks, and no Ray."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from actors.template import STARTUP
from actors.template.startup import handover
from actors.template.startup.handover import handed_over, place_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the template is for Linux")

ROOT = Path(__file__).resolve().parents[2]

TEMPLATE = """
import sys
from actors.template import server
script = compile(open(sys.argv[2]).read(), "worker", "exec")
if (request := server.main(sys.argv[1])) is not None:
    server.become(request, script)
"""

WORKER = """
import json, os, random, signal, sys, threading, time
fds = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
       if os.path.exists(f"/proc/self/fd/{fd}")}
print(json.dumps({
    "pid": os.getpid(), "parent": os.getppid(), "group": os.getpgid(0), "argv": sys.argv,
    "environ": dict(os.environ), "cwd": os.getcwd(), "random": random.random(), "fds": fds,
    "name": __name__, "child": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
    "oom": int(open("/proc/self/oom_score_adj").read()),
}), flush=True)
if "stay" in sys.argv:
    time.sleep(60)
"""


class Node:
    """A node without Ray: a process that plays the raylet, and the places of its template."""

    def __init__(self, place: Path) -> None:
        self.directory = place
        self.raylet = subprocess.Popen(["sleep", "60"])
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "RAY_RAYLET_PID": str(self.raylet.pid),
            "RAY_JOB_ID": "01000000",
        }
        self.argv = ["worker.py", f"--raylet-name={place}/raylet", "--worker-id=1"]
        found = place_of(self.argv, self.environ)
        assert found is not None
        self.path = found
        self.started: list[subprocess.Popen[bytes]] = []
        (place / "worker.py").write_text(WORKER)

    def start_template(self, path: str, lock: int, environ: dict[str, str], _: str) -> None:
        """In place of :func:`handover._start`: the same process with a worker of ours."""
        self.started.append(
            subprocess.Popen(
                [sys.executable, "-c", TEMPLATE, path, str(self.directory / "worker.py")],
                env=environ | {"TEMPLATE_ONLY": "secret"},
                preexec_fn=lambda: os.dup2(lock, handover.LOCK),
                pass_fds=(handover.LOCK,),
                stderr=subprocess.DEVNULL,
            )
        )

    @property
    def template(self) -> psutil.Process:
        return psutil.Process(self.started[-1].pid)

    def worker(self, *words: str, **environ: str) -> dict[str, Any] | None:
        """What a worker says that was handed over; None if it is to be started plainly."""
        read, write = os.pipe()
        out = f"/proc/{os.getpid()}/fd/{write}"
        script = (
            f"import os, sys; sys.path.insert(0, {str(STARTUP)!r}); import handover as h;"
            f"os.dup2(os.open({out!r}, os.O_WRONLY), 1);"
            "sys.exit(0 if h.handed_over(sys.argv[1:], dict(os.environ), sys.executable) else 3)"
        )
        argv = [sys.executable, "-c", script, *self.argv, *words]
        done = subprocess.run(argv, env=self.environ | environ, cwd=self.directory, check=False)
        os.close(write)
        with os.fdopen(read) as said:
            if done.returncode == 3:
                return None
            assert done.returncode == 0
            answer: dict[str, Any] = json.loads(said.readline())
            return answer

    def close(self) -> None:
        for process in (*self.started, self.raylet):
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children():
                    child.kill()
            process.kill()
            process.wait()


@pytest.fixture(name="node")
def node_fixture(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    with tempfile.TemporaryDirectory(
        prefix="tpl-", dir="/tmp"
    ) as place:  # sockets' paths are short
        node = Node(Path(place))
        monkeypatch.setattr(handover, "_start", node.start_template)
        yield node
        node.close()


@pytest.fixture(name="warm")
def warm_fixture(node: Node) -> Node:
    """A node whose template runs."""
    lock = handover._locked(node.path)
    assert lock is not None
    node.start_template(node.path, lock, node.environ, sys.executable)
    os.close(lock)
    within(10, lambda: answers(node.path))
    return node


def answers(path: str) -> bool:
    connection = handover._connected(path)
    if connection is None:
        return False
    connection.close()
    return True


def within(seconds: float, check: Callable[[], Any]) -> Any:
    give_up = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < give_up, "not in time"
        time.sleep(0.02)
    return found


def test_a_worker_is_what_it_would_have_been(warm: Node) -> None:
    said = warm.worker("--more=x y", MINE="1")

    assert said is not None
    assert said["name"] == "__main__"
    assert said["argv"] == [*warm.argv, "--more=x y"]
    assert said["cwd"] == str(warm.directory)
    assert said["environ"]["MINE"] == "1"
    assert said["environ"].keys() - {"LC_CTYPE"} == {*warm.environ, "MINE"}  # nothing else
    assert said["group"] == said["pid"]
    assert said["child"]
    assert said["oom"] == 1000
    assert said["parent"] == warm.template.pid


def test_a_worker_has_no_descriptor_but_its_streams(warm: Node) -> None:
    """No socket and no lock of the template: a lock that lived on would keep the next away."""
    said = warm.worker()

    assert said is not None
    assert sorted(map(int, said["fds"])) == [0, 1, 2]


def test_workers_share_no_luck(warm: Node) -> None:
    first, second = warm.worker(), warm.worker()

    assert first is not None
    assert second is not None
    assert first["random"] != second["random"]


@pytest.mark.parametrize(("drawn", "shared"), [("", "False"), ("WorkerID.from_random();", "True")])
def test_ids_that_forks_would_share_are_noticed(drawn: str, shared: str) -> None:
    """Ray's library seeds itself at its first draw; a template must not have drawn."""
    code = (
        f"from ray._raylet import WorkerID; {drawn}"
        "import actors.breaker, actors.job; from actors.template.server import forks_share_luck;"
        "print(forks_share_luck())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout.strip() == shared


def test_what_is_really_preloaded_can_be_forked() -> None:
    """One module too many, and every worker would silently be started anew."""
    code = (
        "import os; from actors.template.server import preloaded; preloaded();"
        "print(len(os.listdir('/proc/self/task')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip

    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr


def test_no_zombies_and_no_leaks(warm: Node) -> None:
    before = warm.template.num_fds()
    pids = {(warm.worker() or {})["pid"] for _ in range(10)}

    within(5, lambda: not any(psutil.pid_exists(pid) for pid in pids))
    assert len(pids) == 10
    assert warm.template.num_fds() == before


def test_the_template_ends_with_its_raylet(warm: Node) -> None:
    warm.raylet.kill()
    warm.raylet.wait()

    assert warm.started[0].wait(5) == 0


def test_many_at_once_share_one_template(node: Node) -> None:
    """The first starts it, the others wait for it; here they are threads of one process."""
    with ThreadPoolExecutor(8) as pool:
        taken = list(
            pool.map(lambda _: handed_over(node.argv, node.environ, sys.executable), range(8))
        )

    assert taken == [True] * 8
    assert len(node.started) == 1


def test_a_killed_template_is_replaced(warm: Node) -> None:
    warm.template.kill()
    warm.started[0].wait()

    assert handed_over(warm.argv, warm.environ, sys.executable)
    assert len(warm.started) == 2


def test_a_template_that_dies_in_the_fork_starts_nothing_twice(
    warm: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs until we have given up and started the worker plainly; then it goes on."""
    monkeypatch.setattr(handover, "ANSWER_SECONDS", 0.3)
    warm.template.send_signal(signal.SIGSTOP)
    assert not handed_over([*warm.argv, "stay"], warm.environ, sys.executable)

    warm.template.send_signal(signal.SIGCONT)
    assert warm.worker() is not None  # it has dealt with the first
    within(5, lambda: not warm.template.children())


def test_a_template_that_cannot_start_is_left_alone(
    node: Node, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def start(path: str, lock: int, environ: dict[str, str], python: str) -> None:
        tries.append(path)
        Path(path + ".log").write_text("of no interest\nit cannot\n")

    tries: list[str] = []
    monkeypatch.setattr(handover, "_start", start)

    assert not handed_over(node.argv, node.environ, sys.executable)
    assert not handed_over(node.argv, node.environ, sys.executable)
    assert tries == [node.path]  # not again within a minute
    assert capfd.readouterr().err == "workers start without a template: it cannot\n"

    os.utime(node.path + ".off", (1, 1))
    assert not handed_over(node.argv, node.environ, sys.executable)
    assert tries == [node.path] * 2


@pytest.mark.parametrize(
    "sent", [b"", b"\x00\x00\x00\x02[]", b"\xff\xff\xff\xff", b"GET / HTTP/1.1"]
)
def test_rubbish_does_not_hurt_it(warm: Node, sent: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(warm.path)
        peer.sendall(sent)

    assert warm.worker() is not None


def test_only_its_owner_may_reach_it(warm: Node) -> None:
    assert os.stat(warm.path).st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("argv", "environ"),
    [
        (["worker.py"], {"RAY_RAYLET_PID": "1"}),
        (["worker.py", "--raylet-name=/tmp/raylet"], {}),
        (["worker.py", "--raylet-name=/tmp/raylet"], {"RAY_RAYLET_PID": "one"}),
        (["worker.py", f"--raylet-name=/tmp/{'x' * 100}/raylet"], {"RAY_RAYLET_PID": "1"}),
    ],
)
def test_a_worker_that_can_have_no_template(argv: list[str], environ: dict[str, str]) -> None:
    assert not handed_over(argv, environ, sys.executable)


def test_what_ray_reads_at_load_is_not_shared() -> None:
    argv = ["worker.py", "--raylet-name=/tmp/raylet"]
    base = {"RAY_RAYLET_PID": "1", "RAY_JOB_ID": "01", "RAY_AUTH_MODE": "token"}
    others = [{**base, name: "2"} for name in base]

    assert len({place_of(argv, environ) for environ in (base, *others)}) == 4
