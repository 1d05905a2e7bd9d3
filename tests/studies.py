"""A very small study on digits, a pool that does its jobs at once, and the rows that must come out the same."""

from kact.studies.directory import StudyDirectory
from kact.studies.job import Outcome, carry_out
from kact.studies.runner import StudyRunner
from kact.studies.study_file import load_study
from kact.studies.workers import Event

FILE = """# A very small study.
compare = "activation"
seeds = {seeds}
[base]
task = "digits"
epochs = {epochs}
train_examples = 100
"model.hidden_units" = [8]
[grid]
activation = {activations}
"""
TUNE = "[tune]\nlearning_rate = [0.01, 0.001]\n"


def small_study(folder, *, seeds=2, epochs=1, activations=("relu", "mish"), tune=False):
    """Return a study, read from a file of its own."""
    text = FILE.format(seeds=seeds, epochs=epochs, activations=list(activations)) + (TUNE if tune else "")
    (folder / "small.toml").write_text(text)
    return load_study(folder / "small.toml")


class PoolHere:
    """Does each job in this process as soon as it is asked for events; `before` may make an outcome of its own."""

    def __init__(self, before=lambda job: None, size=1):
        self.before = before
        self.size = size
        self.jobs = []
        self.done = []

    @property
    def free(self):
        return self.size - len(self.jobs)

    def submit(self, job):
        self.jobs.append(job)

    def events(self, timeout_seconds):
        job = self.jobs.pop()
        made = self.before(job)
        if isinstance(made, str):
            return [Event(job, "lost", reason=made)]
        epochs = []
        outcome = made or carry_out(job, epochs.append)
        if not job.prepare:
            self.done.append(job.experiment)
        return [*(Event(job, "epoch", epochs=count) for count in epochs), Event(job, "done", outcome=outcome)]

    def close(self):
        self.jobs.clear()


class Notes:
    """Writes down what a runner tells of."""

    def __init__(self):
        self.stages = []
        self.rows = []
        self.lost = []
        self.epochs = 0

    def stage_began(self, stage, runs, epochs, rows):
        self.stages.append((stage, runs, epochs, len(list(rows))))

    def epochs_done(self, epochs):
        self.epochs += epochs

    def run_done(self, row):
        self.rows.append(row)

    def run_lost(self, experiment, reason):
        self.lost.append(reason)


def run_study(study, folder, pool=None, notes=None, **settings):
    """Run a study in a folder and return its rows."""
    directory = StudyDirectory(folder)
    with directory.opened(study):
        StudyRunner(study, directory, pool or PoolHere(), notes or Notes(), **settings).run()
    return directory.table.rows()


def trained(experiment, accuracy=0.5):
    """Return the outcome of a run that was never made."""
    scores = {"accuracy": accuracy, "loss": 1.0}
    epoch = {"epoch": 1, "train_loss": 1.0, "validation_accuracy": accuracy, "validation_loss": 1.0}
    return Outcome("finished", {"validation": scores, "test": scores}, [epoch])


def pretend(job):
    """Do a job without training anything."""
    return None if job.prepare else trained(job.experiment)


def results(rows):
    """Return what must be the same however a study came to its end, by stage, hash and seed."""
    found = {}
    for row in rows:
        metrics = {name: row.metrics[name] for name in ("status", "epochs", "train", "validation", "test")}
        assert found.setdefault((row.stage, row.hash, row.seed), (row.cell, row.history, metrics)) is not None
    assert len(found) == len(rows), "a run is there twice"
    return found
