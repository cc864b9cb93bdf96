"""System calls that no tested program needs, refused by a filter that bubblewrap loads.

A list of what is refused, not of what is allowed: programs are of any language, and the namespaces carry the
isolation. The filter takes away what reaches round a namespace (virtual sockets), what escapes the memory
count (anonymous files, System V segments) and the parts of the kernel in which most privilege escalations
were found.
"""

import errno
import os
import tempfile
from functools import cache

REFUSED = {
    "other processes": "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise",
    "mounts": (
        "mount umount2 pivot_root chroot mount_setattr open_tree move_mount fsopen fsconfig fsmount fspick"
    ),
    "namespaces": "unshare setns",
    "large attack surfaces": (
        "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register"
    ),
    "keys": "keyctl add_key request_key",
    "modules": "kexec_load kexec_file_load init_module finit_module delete_module",
    "machine": (
        "reboot swapon swapoff acct quotactl quotactl_fd syslog sethostname setdomainname iopl ioperm vhangup"
    ),
    "clocks": "settimeofday clock_settime clock_adjtime adjtimex",
    "files by handle, round the mount namespace": "open_by_handle_at name_to_handle_at fanotify_init",
}
"""Fail with EPERM."""
ABSENT = {
    "flags out of a filter's sight; the C library then takes clone, whose flags are in sight": "clone3",
    "memory that belongs to no process's resident size": "memfd_create memfd_secret shmget msgget semget",
}
"""Fail with ENOSYS."""
NAMESPACE_FLAGS = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
ROUTE = 0
IOCTL_TIOCSTI, IOCTL_TIOCLINUX = 0x5412, 0x541C


@cache
def filter_program() -> bytes | None:
    """The compiled filter; None where libseccomp is not installed."""
    try:
        import pyseccomp as seccomp

        seccomp.get_api()
    except (ImportError, OSError, RuntimeError):
        return None
    rules = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    refuse, absent = seccomp.ERRNO(errno.EPERM), seccomp.ERRNO(errno.ENOSYS)
    for action, groups in ((refuse, REFUSED), (absent, ABSENT)):
        for name in " ".join(groups.values()).split():
            if seccomp.resolve_syscall(seccomp.Arch.NATIVE, name) >= 0:
                rules.add_rule(action, name)
    for flag in NAMESPACE_FLAGS:
        rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    # Virtual sockets (VSOCK) reach a virtual machine's host from any network namespace.
    for family in range(NETLINK):
        if family not in (UNIX, INET, INET6):
            rules.add_rule(refuse, "socket", seccomp.Arg(0, seccomp.EQ, family))
    rules.add_rule(refuse, "socket", seccomp.Arg(0, seccomp.GT, NETLINK))
    rules.add_rule(refuse, "socket", seccomp.Arg(0, seccomp.EQ, NETLINK), seccomp.Arg(2, seccomp.NE, ROUTE))
    for request in (IOCTL_TIOCSTI, IOCTL_TIOCLINUX):
        rules.add_rule(refuse, "ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, request))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def filter_file() -> int | None:
    """A descriptor to read the filter from, for ``bwrap --seccomp``; the caller closes it."""
    program = filter_program()
    if program is None:
        return None
    reader, writer = os.pipe()
    os.write(writer, program)  # a few KiB: fits into a pipe
    os.close(writer)
    return reader
