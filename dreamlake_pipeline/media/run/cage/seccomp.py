"""Seccomp: system calls that no decoder needs are refused, among them all that open a socket, look into another
process, mount, or change whose a file is.

The instructions are made by libseccomp, which knows every architecture, and put on by prctl(2): so a worker that is
forked needs neither that library nor the time to ask it. pyseccomp is the library's binding, in Python alone; its
wheel carries no libseccomp.so.2, which most systems have.
"""

from __future__ import annotations

import ctypes
import errno
import tempfile
from functools import cache

from .layer import SECCOMP, Layer, Missing, Plan
from .system import prctl, refuse_new_privileges

_SET_SECCOMP, _MODE_FILTER = 22, 2
_INSTRUCTION = 8  # bytes (struct sock_filter)

# A call that a system does not know is left out; what a kernel adds later is most likely refused by other layers.
_REFUSED = {
    "sockets": "socket socketcall socketpair bind connect listen accept accept4 sendto sendmsg sendmmsg",
    "other processes": "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_open "
    "pidfd_getfd pidfd_send_signal migrate_pages move_pages setpriority ioprio_set sched_setscheduler sched_setparam "
    "sched_setattr",
    "mounts": "mount umount umount2 pivot_root chroot open_tree open_tree_attr move_mount fsopen fsconfig fsmount "
    "fspick mount_setattr unshare setns name_to_handle_at open_by_handle_at",
    "large parts of the kernel": "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register "
    "add_key request_key keyctl fanotify_init fanotify_mark modify_ldt vm86 vm86old iopl ioperm mbind set_mempolicy "
    "set_mempolicy_home_node lookup_dcookie nfsservctl",
    "the machine": "kexec_load kexec_file_load init_module finit_module delete_module create_module reboot swapon "
    "swapoff acct syslog quotactl quotactl_fd vhangup settimeofday clock_settime clock_adjtime adjtimex stime "
    "sethostname setdomainname",
    "memory that no limit counts": "memfd_create memfd_secret shmget shmat shmctl shmdt semget semop semctl "
    "semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify",
    "owners and modes": "mknod mknodat chmod fchmod fchmodat fchmodat2 chown fchown fchownat lchown setxattr "
    "lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat",
    "users": "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset",
}
# Their first argument is a process, 0 for the caller. Of one of the same user, a process may take all files and time by
# prlimit(2), and no other layer knows that but namespaces and another user.
_OWN_ONLY = ("prlimit64", "sched_setaffinity")
_NEW_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)


@cache
def program() -> bytes:
    """The instructions (struct sock_filter[]) for this machine. Raises Missing."""
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError) as error:
        raise Missing(f"there is no libseccomp.so.2 on this system ({error})") from None
    refused = pyseccomp.ERRNO(errno.EPERM)
    try:
        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        for name in " ".join(_REFUSED.values()).split():
            try:
                number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
            except OSError:
                continue
            if number >= 0:  # below are those of other architectures
                rules.add_rule(refused, number)
        for name in _OWN_ONLY:
            rules.add_rule(refused, name, pyseccomp.Arg(0, pyseccomp.NE, 0))
        for flag in _NEW_NAMESPACES:
            rules.add_rule(refused, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
        # Its flags are in memory, where no filter sees them. The C library then takes clone.
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
        with tempfile.TemporaryFile() as file:
            rules.export_bpf(file)
            file.seek(0)
            return file.read()
    except OSError as error:
        raise Missing(f"libseccomp makes no filter here ({error})") from None


class _Program(ctypes.Structure):
    _fields_ = (("count", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def enter(plan: Plan) -> Layer:
    """Put the filter of the plan on this process, which gets no new privileges. Raises Missing."""
    if not plan.program:
        raise Missing(plan.no_program)
    instructions = ctypes.create_string_buffer(plan.program, len(plan.program))
    given = _Program(len(plan.program) // _INSTRUCTION, ctypes.addressof(instructions))
    try:
        refuse_new_privileges()
        prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(given))
    except OSError as error:
        raise Missing(f"the kernel takes no filter ({error.strerror})") from None
    return Layer(SECCOMP, True, "no sockets, no other processes, no mounts, no owners and modes")
