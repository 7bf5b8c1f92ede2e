"""What code does that has taken over a worker or stands in ffmpeg's place. Only the standard library is needed: the
text of this module is run there. Each attack raises OSError when it is refused, and returns what it got else."""

import ctypes
import os
import resource
import signal
import socket
import time

libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def syscall(number, *arguments):
    return checked(libc.syscall(number, *arguments))


def read_environment(aims):
    with open(f"/proc/{aims['pid']}/environ", "rb") as file:
        return file.read().decode()


def read_own_parents_environment(aims):
    with open(f"/proc/{os.getppid()}/environ", "rb") as file:
        return file.read().decode() or "nothing"


def read_memory(aims):
    with open(f"/proc/{aims['pid']}/mem", "rb") as file:
        return file.name


def read_credentials(aims):
    with open(f"{aims['home']}/credentials.json") as file:
        return file.read()


def list_home(aims):
    return os.listdir(aims["home"])


def write_home(aims):
    with open(f"{aims['home']}/planted", "w") as file:
        return file.write("x")


def write_system(aims):
    with open("/tmp/dreamlake-planted", "w") as file:
        file.write("x")
    os.unlink("/tmp/dreamlake-planted")
    return "written"


def write_input(aims):
    with open(f"{os.environ['TMPDIR']}/../in/planted", "w") as file:
        return file.write("x")


def open_home(aims):
    os.chmod(f"{aims['home']}/credentials.json", 0o666)
    return "open to all"


def connect_tcp(aims):
    socket.create_connection(("127.0.0.1", aims["tcp"]), timeout=2).close()
    return "connected"


def send_udp(aims):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"secret", ("127.0.0.1", aims["udp"]))


def connect_unix(aims):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(aims["unix"])
    return "connected"


def connect_abstract(aims):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + aims["abstract"])
    return "connected"


def trace(aims):
    checked(libc.ptrace(16, aims["pid"], 0, 0))  # PTRACE_ATTACH
    libc.ptrace(17, aims["pid"], 0, 0)
    return "attached"


def read_process(aims):
    class Part(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    mine = ctypes.create_string_buffer(8)
    local, remote = Part(ctypes.addressof(mine), 8), Part(aims["address"], 8)
    return checked(libc.process_vm_readv(aims["pid"], ctypes.byref(local), 1, ctypes.byref(remote), 1, 0))


def signal_process(aims):
    os.kill(aims["pid"], signal.SIGURG)  # which is ignored
    return "signalled"


def limit_process(aims):
    """By prlimit(2); a limit of files or seconds would end it."""
    resource.prlimit(aims["pid"], resource.RLIMIT_CORE, (0, 0))
    return "limited"


def slow_process(aims):
    os.setpriority(os.PRIO_PROCESS, aims["pid"], 5)
    return "slowed"


def mount(aims):
    checked(libc.mount(b"tmpfs", os.fsencode(os.environ.get("TMPDIR", ".")), b"tmpfs", 0, None))
    return "mounted"


def become_root_of_a_namespace(aims):
    checked(libc.unshare(0x10000000))
    return "unshared"


def make_device(aims):
    os.mknod(f"{os.environ['TMPDIR']}/device", 0o600 | 0o020000, os.makedev(1, 1))
    return "made"


def keep_memory_uncounted(aims):
    return os.memfd_create("bomb")


def set_up_io_uring(aims):
    return syscall(425, 1, ctypes.create_string_buffer(256))


def fork_many(aims):
    """More processes than a worker may have."""
    children = []
    try:
        for _ in range(aims["processes"]):
            child = os.fork()
            if child == 0:
                time.sleep(20)
                os._exit(0)
            children.append(child)
        return len(children)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def open_many(aims):
    files = [open(os.devnull) for _ in range(3000)]
    return len(files)


def take_memory(aims):
    try:
        return len(bytearray(20 * 2**30))
    except MemoryError:
        raise OSError(12, "no memory") from None


ATTACKS = {
    one.__name__: one
    for one in (
        *(read_environment, read_own_parents_environment, read_memory, read_credentials, list_home, write_home),
        *(write_system, write_input, open_home, connect_tcp, send_udp, connect_unix, connect_abstract, trace),
        *(read_process, signal_process, mount, become_root_of_a_namespace, make_device, keep_memory_uncounted),
        *(set_up_io_uring, fork_many, open_many, take_memory, limit_process, slow_process),
    )
}


def attack(name, aims):
    """Whether it came to something: what, or None when it was refused."""
    try:
        return repr(ATTACKS[name](aims))[:200]
    except OSError:
        return None
