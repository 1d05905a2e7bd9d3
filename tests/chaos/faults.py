"""The faults: what is done to a command while it is held, and how it may end after that."""

import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import children

HOURS = 3600.0
YEAR = 365.25 * 24 * HOURS


@dataclass
class Scene:
    """What a fault may touch: the folder of the attempt, its disk, the command, and the process that is held."""

    folder: object
    disk: object
    command: object
    held: int
    child: object
    dice: object
    user: int | None = None
    second: object = None


def kill(scene):
    """SIGKILL."""
    os.kill(scene.held, signal.SIGKILL)


def terminate(scene):
    """SIGTERM, as `kill`, systemd and batch systems send it."""
    os.kill(scene.held, signal.SIGTERM)


def hold(scene):
    """SIGSTOP for a while, then SIGCONT, which comes with every fault."""
    time.sleep(scene.dice.uniform(0.1, 0.5))


def fill_disk(scene):
    """No space left on the disk, or a few kilobytes."""
    return scene.disk.fill(scene.held, scene.dice.choice([0, 0, 1, 4, 16, 64]))


def forbid(scene):
    """The folder and all in it become read-only."""
    return scene.disk.forbid(scene.folder)


def limit_memory(scene):
    """The process may have no more memory than it has, or a few megabytes more."""
    pages = int(Path(f"/proc/{scene.held}/statm").read_text().split()[0])
    room = scene.dice.choice([0, 0, 1, 4, 16]) << 20
    limit = pages * os.sysconf("SC_PAGE_SIZE") + room
    resource.prlimit(scene.held, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def change_clock(scene):
    """The time of day jumps, by an hour or by years, forward or back; and back again before the next start."""
    children.CLOCK.offset = scene.dice.choice([-10 * YEAR, -YEAR, -HOURS, HOURS, YEAR, 10 * YEAR])

    def right():
        children.CLOCK.offset = 0.0

    return right


def run_beside(scene):
    """The same command in the same folder while this one is at work; it ends, or says that it waits for this one."""
    second = children.start(scene.command.given, scene.folder, user=scene.user)
    second.wait_until_said("waiting for it")

    def join():
        scene.second = second.wait()

    return join


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: in the table.
        strike: does it, and returns what undoes it, if that is needed.
        codes: how the command may end; the negative are signals.
        user: whether the command is run as another user than root.
        in_worker: whether it may befall a study's worker as well.
    """

    name: str
    strike: object
    codes: tuple = ()
    user: bool = False
    in_worker: bool = True


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("SIGKILL", kill, (-signal.SIGKILL,)),
        Fault("SIGTERM", terminate, (130, -signal.SIGTERM)),
        Fault("SIGSTOP, SIGCONT", hold, (0,)),
        Fault("full disk", fill_disk, (0, 2)),
        Fault("read-only folder", forbid, (0, 2), user=True),
        Fault("memory limit", limit_memory, (0, 1, 2)),
        Fault("clock jumps", change_clock, (0,)),
        Fault("two processes", run_beside, (0,), in_worker=False),
    )
}
FLIPPED = "flipped byte"
