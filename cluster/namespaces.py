"""Where the cluster lives: namespaces of its own, with a bridge between its nodes. Nothing of it outlives the harness.

The harness starts itself again as the first process of new namespaces (`enter`), and each node is the first process of
namespaces below those. The kernel ends everything in a process namespace with its first process, and removes a network
with the last process in it: there is nothing to clean up, however the harness ends.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BRIDGE = "10.77.0.1"  # where the nodes reach the services
_INSIDE = "DREAMLAKE_CLUSTER_INSIDE"
_PROGRAMS = ("ip", "unshare", "setpriv", "nsenter", "mount")
# Each program in this list dies with whoever started it. What is unmounted outside is unmounted inside, too (`slave`).
UNSHARE = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *("unshare", "--net", "--mount", "--propagation", "slave", "--pid", "--uts", "--ipc"),
    *("--fork", "--kill-child", "--mount-proc", "--"),
)


def missing(*, ray: bool = True) -> str | None:
    """Why no cluster can be built here, as a sentence; None where one can."""
    if os.geteuid() != 0:
        return "A cluster needs root, for network namespaces: run it as root."
    if lacking := [name for name in _PROGRAMS if shutil.which(name) is None]:
        return f"A cluster needs {', '.join(lacking)} (Debian: iproute2 and util-linux)."
    tried = _run(*UNSHARE, "ip", "link", "add", "name", "tried", "type", "bridge")
    if tried.returncode:
        return f"A cluster needs network namespaces and bridges, which this system refuses ({tried.stderr.strip()})."
    if ray and importlib.util.find_spec("ray") is None:
        return "A cluster needs Ray: `make ray` installs it."
    return None


def is_inside() -> bool:
    """Whether this process is the one that `enter` started."""
    return os.environ.get(_INSIDE) == "1"


def enter(arguments: Sequence[str]) -> int:
    """Run `python -m cluster` with these arguments in new namespaces; its exit code. Signals are passed on to it."""
    words = [*UNSHARE, sys.executable, "-m", "cluster", *arguments]
    # In a session of its own: an interrupt from the terminal comes from here, once.
    with subprocess.Popen(words, env=os.environ | {_INSIDE: "1"}, start_new_session=True) as started:

        def pass_on(number: int, _: object) -> None:
            for pid in children_of(started.pid):  # unshare itself ignores it, or dies of it and takes all with it
                os.kill(pid, number)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, pass_on)
        return started.wait()


def build_bridge() -> None:
    """Make the bridge, in the namespace of this process, once. Raises CalledProcessError."""
    ip("link", "set", "lo", "up")
    ip("link", "add", "name", "bridge", "type", "bridge", "stp_state", "0", "forward_delay", "0")
    ip("address", "add", f"{BRIDGE}/24", "dev", "bridge")
    ip("link", "set", "bridge", "up")


def attach(pid: int, name: str, address: str) -> None:
    """Lay a cable called `name` from the bridge to the network of a process, which has this address from then on."""
    ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    there = ("nsenter", "--target", str(pid), "--net", "--")
    ip("address", "add", f"{address}/24", "dev", "eth0", by=there)
    ip("link", "set", "lo", "up", by=there)
    ip("link", "set", "eth0", "up", by=there)
    # It leads nowhere: the bridge passes nothing on. Ray asks by which of its addresses a node would reach the world.
    ip("route", "add", "default", "via", BRIDGE, by=there)
    mend(name)
    ip("link", "set", name, "up")


def cut(name: str) -> None:
    """Pull a cable out of the bridge: what is sent is lost, and nobody is told."""
    ip("link", "set", name, "nomaster")


def mend(name: str) -> None:
    ip("link", "set", name, "master", "bridge")


def ip(*words: str, by: Sequence[str] = ()) -> None:
    """Run ip(8). Raises CalledProcessError, with what it said."""
    done = _run(*by, "ip", *words)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, ["ip", *words], done.stdout, done.stderr)


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def children_of(pid: int) -> list[int]:
    """The processes that the main thread of a process has started and that live; none of one that is gone."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
