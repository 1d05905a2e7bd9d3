"""One attempt: a command, a fault at some moment, the same command again, compared with one that was left in peace."""

import contextlib
import os
import random
import re
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path

from kact.errors import KactError
from tests.chaos import children
from tests.chaos.commands import files_of
from tests.chaos.faults import Scene

MOST_REMEDIES = 4
FAKE_TIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"  # of Debian's package libfaketime


@dataclass
class Undisturbed:
    """What a command does when nothing happens to it: facts, files, seconds, changes to files by process."""

    facts: dict
    files: list
    seconds: float
    changes: dict


@dataclass
class Attempt:
    """What was tried and what came of it.

    Attributes:
        command, fault: their names.
        moment: when.
        code: how the command ended under the fault.
        remedies: what messages told to do before the command could go on.
        broken: the promises that were not kept.
        printed: what it printed.
        seed: of the siege that it is of.
    """

    command: str
    fault: str
    moment: str = ""
    code: int | None = None
    remedies: list = field(default_factory=list)
    broken: list = field(default_factory=list)
    printed: str = ""
    seed: int = 0


def undisturbed(command, folder):
    """Run a command from its beginning to its end, twice, and return what it does."""
    prepare(command, folder)
    ending, changes = children.changes_of(command.given, folder)
    if ending.code != 0:
        raise RuntimeError(f"{command.name} does not work at all:\n{ending.printed}")
    facts = command.facts(folder)
    again = children.start(command.given, folder).wait()
    if again.code != 0 or command.facts(folder) != facts:
        raise RuntimeError(f"{command.name} is not the same when it is given again:\n{again.printed}")
    return Undisturbed(facts, files_of(folder), ending.seconds, changes)


def strike(command, fault, disk, usual, dice):
    """Let one fault befall a command; return the attempt, or None where it ended before its moment."""
    folder = _folder(command, disk, fault.user)
    user = disk.user if fault.user else None
    moment = _moment(dice, usual, command.workers and fault.in_worker)
    made = Attempt(command.name, fault.name, str(moment))
    child = children.start(command.given, folder, moment, user)
    held = child.wait_until_held(moment, usual.seconds)
    if held is None:
        child.wait()
        shutil.rmtree(folder)
        return None
    scene = Scene(folder, disk, command, held, child, dice, user)
    try:
        undo = fault.strike(scene)
    finally:
        _go_on(held)
    ending = child.wait()
    if undo is not None:
        undo()
    if ending.code == 0 and fault.name == "SIGKILL":
        shutil.rmtree(folder)
        return None  # its last line was behind it as the blow fell
    made.code, made.printed = ending.code, ending.printed
    codes = fault.codes if not moment.in_worker else (0, 1, 2)
    if ending.code not in codes:
        made.broken.append(f"it ended with code {ending.code}")
    _check_telling(made, ending)
    if scene.second is not None:
        _check_second(made, scene.second)
    _begin_again(command, folder, usual, made, user)
    return _done(made, folder)


def flip(command, disk, usual, dice):
    """Flip a bit of a file, of a command that is done or was killed; then give the command again."""
    folder = _folder(command, disk)
    moment = _moment(dice, usual, command.workers)
    whole = dice.random() < 0.5
    child = children.start(command.given, folder, None if whole else moment)
    if not whole and (held := child.wait_until_held(moment, usual.seconds)) is not None:
        os.kill(held, signal.SIGKILL)
        os.kill(child.process_id, signal.SIGKILL)
        _go_on(child.process_id)
    child.wait()
    kinds = {kind: sorted(folder.glob(kind)) for kind in command.kinds}
    there = [kind for kind, files in kinds.items() if files and any(file.stat().st_size for file in files)]
    if not there:
        shutil.rmtree(folder)
        return None
    kind = dice.choice(there)
    file = dice.choice([file for file in kinds[kind] if file.stat().st_size])
    content = bytearray(file.read_bytes())
    place, bit = dice.randrange(len(content)), dice.randrange(8)
    content[place] ^= 1 << bit
    file.write_bytes(bytes(content))
    made = Attempt(
        command.name,
        "flipped byte",
        f"{file.relative_to(folder)}, bit {bit} of byte {place}; {'done' if whole else moment}",
    )
    _begin_again(command, folder, usual, made, damaged=file)
    return _done(made, folder)


def apart(command, disk, usual, dice, blow):
    """Let something befall a command that a new interpreter runs, somewhere in its start or its work.

    Args:
        blow: a signal; or None, and its clock jumps, by libfaketime.
    """
    folder = _folder(command, disk)
    seconds = usual.seconds + 8.0
    moment = children.Moment(share=dice.random())
    made = Attempt(command.name, apart_name(blow), str(moment))
    clock = Path(os.environ["CHAOS_SCRATCH"]) / "clock"
    clock.write_text("+0")
    environment = {"LD_PRELOAD": FAKE_TIME, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    environment |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    child = children.start_apart(command.given, folder, {} if blow else environment)
    if child.wait_until_held(moment, seconds) is not None:
        if blow:
            os.kill(child.process_id, blow)
        else:
            clock.write_text(dice.choice(["-10y", "-1h", "+1h", "+10y"]))
        _go_on(child.process_id)
    ending = child.wait()
    made.code, made.printed = ending.code, ending.printed
    if ending.code not in ((0, 130, -blow) if blow else (0,)):
        made.broken.append(f"it ended with code {ending.code}")
    _check_telling(made, ending)
    _begin_again(command, folder, usual, made)
    return _done(made, folder)


def apart_name(blow):
    """Return the name of what befalls a command that a new interpreter runs; None is its clock."""
    return f"{blow.name if blow else 'clock jumps'}, fresh process"


def prepare(command, folder):
    """Make a folder with what a command needs, and a cache of its own."""
    (folder / "cache").mkdir(parents=True)
    os.environ["KACT_CACHE_DIR"] = str(folder / "cache")
    command.prepare(folder)


def _folder(command, disk, given_away=False):
    folder = Path(disk.place) / "attempt"
    prepare(command, folder)
    if given_away:
        disk.give_away(folder)
    return folder


def _moment(dice, usual, in_worker):
    kind = "worker" if in_worker and "worker" in usual.changes and dice.random() < 0.5 else "main"
    if kind == "main" and dice.random() < 0.35:
        return children.Moment(share=dice.random())
    return children.Moment(change=dice.randint(1, usual.changes[kind]), in_worker=kind == "worker")


def _go_on(process_id):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGCONT)


def _check_telling(made, ending):
    if not ending.told_plainly:
        made.broken.append("it showed a traceback")
        made.printed += ending.printed
    if ending.code == 2 and not re.search(r"^kact: ", ending.printed, re.MULTILINE):
        made.broken.append("it did not say what happened")


def _check_second(made, second):
    refused = second.code == 2 and "Another " in second.printed
    if not refused and second.code != 0:
        made.broken.append(f"the second process ended with code {second.code}: {second.printed[-500:]}")
    if not second.told_plainly:
        made.broken.append(f"the second process showed a traceback: {second.printed[-1500:]}")


def _begin_again(command, folder, usual, made, user=None, damaged=None):
    """Give the same command again, do what its messages say, and compare."""
    try:
        before = command.safe(folder)
    except KactError as error:
        if damaged is None:
            made.broken.append(f"what is safe cannot be read: {error}")
        before = {}
    for _ in range(MOST_REMEDIES):
        ending = children.start(_with_retry(command.given, made), folder, user=user).wait()
        _check_telling(made, ending)
        said = ending.printed
        if ending.code == 0:
            try:
                facts = command.facts(folder)
            except KactError as error:
                said = f"kact: {error}"
            else:
                if damaged is None or made.remedies == []:
                    _compare(command, folder, before, ending, made)
                if facts != usual.facts:
                    made.broken.append(f"other results: {_difference(facts, usual.facts)}")
                left = [name for name in set(files_of(folder)) ^ set(usual.files) if "cache/" not in name]
                if left:
                    made.broken.append(f"other files: {left}")
                return
        remedy = obey(said, folder)
        if remedy is None:
            made.broken.append(f"it does not go on, and does not say how: code {ending.code}: {said[-1500:]}")
            return
        made.remedies.append(remedy)
        if command.maker is not None and re.search(r"(`kact study run`|training command) again", said):
            _check_telling(made, children.start(command.maker, folder, user=user).wait())
    made.broken.append(f"it does not go on after all that it told to do: {made.remedies}")


def _with_retry(given, made):
    """Return the command, or where runs are recorded as failed, what the study says to try them again."""
    failed = given[1:3] == ("study", "run") and " failed." in made.printed
    return (*given, "--retry-failed") if failed else given


def _compare(command, folder, before, ending, made):
    after = command.safe(folder)
    lost = [name for name, value in before.items() if after.get(name) != value]
    if lost:
        made.broken.append(f"finished before and not the same now: {lost}")
    if again := command.wrongly_repeated(before, ending):
        made.broken.append(f"done twice: {again}")


def obey(said, folder):
    """Do what a message says, and return it in words; None where it says nothing that can be done to a file."""
    found = re.search(r"^kact: (.*)(?:\n(.*))?", said, re.MULTILINE)
    named = (
        [Path(name) for name in re.findall(r"'([^'\n]+)'", "\n".join(found.groups(""))) if "/" in name] if found else []
    )
    named = [name if name.is_absolute() else folder / name for name in named]
    steps = found[2] or "" if found else ""
    if not named:
        return None
    if match := re.search(r"Delete it and the folder '", steps):
        named[0].unlink()
        shutil.rmtree(named[-1], ignore_errors=True)
    elif match := re.search(r"Delete it and the file '", steps):
        named[0].unlink()
        named[-1].unlink(missing_ok=True)
    elif match := re.search(r"Delete it and the run's metrics.json", steps):
        named[0].unlink()
        (named[0].parent / "metrics.json").unlink(missing_ok=True)
    elif match := re.search(r"Delete the folder '", steps):
        shutil.rmtree(named[-1])
    elif match := re.search(r"Delete the run's metrics.json", steps):
        (named[0].parent / "metrics.json").unlink(missing_ok=True)
    elif match := re.search(r"(?:else d|D)elete (?:it|that file)|Move it away", steps):
        (named[0] if not named[0].is_dir() else named[0] / "experiment.toml").unlink()
    return match and match[0]


def _difference(found, wanted):
    if isinstance(found, dict) and isinstance(wanted, dict):
        parts = [
            f"{key}: {_difference(found.get(key), wanted.get(key))}"
            for key in {**found, **wanted}
            if found.get(key) != wanted.get(key)
        ]
        return "; ".join(parts)[:1500]
    return f"{str(found)[:300]} for {str(wanted)[:300]}"


def _done(made, folder):
    if not made.broken:
        shutil.rmtree(folder)
    return made


def dice_of(seed, number):
    """Return the random numbers of one attempt."""
    return random.Random(f"{seed} {number}")
