"""`python cable.py`, in namespaces of its own: a node is reached, is not while its cable is cut, and is again.

It prints a word for each of these three, `reached` or `lost`.
"""

import socket
import subprocess
import sys
import time

from cluster import namespaces

ADDRESS, PORT = "10.77.0.11", 7000
_LISTENER = f"""
import socket
listener = socket.create_server(("", {PORT}))
print("up", flush=True)
while True:
    listener.accept()[0].close()
"""


def reach(seconds: float) -> str:
    """Whether the node is reached within so many seconds."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            with socket.create_connection((ADDRESS, PORT), min(left, 1)):
                return "reached"
        except OSError:
            time.sleep(0.05)
    return "lost"


def main() -> None:
    namespaces.build_bridge()
    words = [*namespaces.UNSHARE, sys.executable, "-c", _LISTENER]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        assert node.stdout.readline() == "up\n"
        (first,) = namespaces.children_of(node.pid)
        namespaces.attach(first, "to-node", ADDRESS)
        print(reach(30))
        namespaces.cut("to-node")
        print(reach(1.5))
        namespaces.mend("to-node")
        print(reach(30))
        node.kill()


main()
