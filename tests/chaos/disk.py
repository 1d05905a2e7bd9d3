"""The disk that attempts work on: small, so that it can be full; a file system of its own where one may be mounted."""

import errno
import os
import resource
import subprocess
from pathlib import Path

MEGABYTES = 48
NOBODY = 65534  # the user that writes where somebody may be kept from it: root may write everywhere


class Disk:
    """A folder, and what can befall it.

    Args:
        place: an empty folder.
    """

    def __init__(self, place):
        self.place = Path(place)
        options = f"size={MEGABYTES}m,mode=755"
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        self.mounted = os.getuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
        self.user = NOBODY if os.getuid() == 0 else None

    def close(self):
        """Take the file system away again."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.place)], check=True)

    @property
    def how_full(self):
        """How a full disk is made, in words."""
        return f"a tmpfs of {MEGABYTES} MB" if self.mounted else "RLIMIT_FSIZE, as this user may mount nothing"

    @property
    def how_read_only(self):
        """How a folder is made read-only, in words."""
        return "chmod, and the command as the user `nobody`" if self.user is not None else "chmod"

    def fill(self, process_id, left_kilobytes):
        """Fill it but for some room, and return what makes room again."""
        if not self.mounted:
            limit = left_kilobytes << 10
            resource.prlimit(process_id, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            return lambda: None
        ballast = self.place / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            while True:
                free = os.statvfs(self.place)
                size = free.f_bavail * free.f_bsize - (left_kilobytes << 10)
                if size <= 0:
                    break
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                    break
                except OSError as error:  # another process of the command took some of it just now
                    if error.errno != errno.ENOSPC:
                        raise
        return ballast.unlink

    def forbid(self, folder):
        """Make all in a folder read-only, and return what allows it again."""
        everything = [folder, *folder.rglob("*")]
        modes = {path: path.stat().st_mode for path in everything}
        for path in reversed(everything):
            path.chmod(modes[path] & ~0o222)

        def allow():
            for path in everything:
                if path.exists():
                    path.chmod(modes[path])

        return allow

    def give_away(self, folder):
        """Make all in a folder belong to the user that the command will be."""
        if self.user is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self.user, self.user)
