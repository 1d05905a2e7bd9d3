"""The commands under attack: what each is given, what must come out whatever happens, and what of it is safe already.

`facts` reads with kact's own readers, as whoever believes the results does; it raises a `KactError` where they refuse.
"""

import hashlib
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np

from kact.runs import Run
from kact.runs.checkpoint import Checkpoint
from kact.studies.directory import StudyDirectory
from tests.studies import results, small_study
from tests.tuning_runs import BASE

TRAIN = (
    *("train", "--task", "digits", "--model", "mlp", "--hidden-units", "8", "--epochs", "4", "--train-examples", "200"),
    *("--dropout", "0.2", "--diagnose", "--test-curve", "--out", "runs"),
)


class Command:
    """One command.

    Attributes:
        name: in the table.
        given: the program, "kact" or "tuning", and its arguments.
        kinds: of files that it writes or stands on, as patterns below its folder; those whose bytes are flipped.
        workers: whether it has processes of its own.
        maker: the command that made what it stands on, where a message may tell to give that again.
    """

    workers = False
    maker = None

    def prepare(self, folder):
        """Put into an empty folder what the command needs."""

    def safe(self, folder):
        """Return what is finished, by name: it must still be there, the same, after the command was given again."""
        return {}

    def facts(self, folder):
        """Return all that must be the same as if nothing had happened."""
        raise NotImplementedError

    def wrongly_repeated(self, before, ending):
        """Return what the command, given again, said that it did although it was done before."""
        return []


class Train(Command):
    name, given = "train", ("kact", *TRAIN)
    kinds = (
        "runs/*/experiment.toml", "runs/*/checkpoint.npz", "runs/*/history.csv", "runs/*/diagnostics.csv",
        "runs/*/test_curve.csv", "runs/*/metrics.json", "runs/*/model.keras", "cache/digits/*/*.npy",
        "cache/digits/*/manifest.json",
    )  # fmt: skip

    def safe(self, folder):
        files = list(folder.glob("runs/*/checkpoint.npz"))
        return {f"epoch {row['epoch']}": row for row in Checkpoint.load(files[0]).history} if files else {}

    def facts(self, folder):
        (path,) = [file.parent for file in folder.glob("runs/*/experiment.toml")]
        return facts_of_run(Run.load(path)) | {"diary": Run.load(path).file("diagnostics.csv").read_text()}

    def wrongly_repeated(self, before, ending):
        trained = re.findall(r"^epoch +(\d+)/", ending.printed, re.MULTILINE)
        return [f"epoch {one}" for one in trained if f"epoch {one}" in before]


class StudyRun(Command):
    name, given, workers = "study", ("kact", "study", "run", "small.toml", "--out", "study", "--workers", "2"), True
    kinds = (
        "study/study.toml", "study/results.sqlite", "study/runs/*/metrics.json", "study/runs/*/history.csv",
        "study/runs/*/model.keras", "study/runs/*/experiment.toml", "study/runs/*/checkpoint.npz",
    )  # fmt: skip

    def prepare(self, folder):
        small_study(folder, seeds=2, epochs=2, tune=True)

    def safe(self, folder):
        rows = StudyDirectory(folder / "study").table.rows()
        return {f"{row.path} ({row.stage})": row.finished_at for row in rows if row.status != "failed"}

    def facts(self, folder):
        directory = StudyDirectory(folder / "study")
        rows = directory.table.rows()
        runs = {row.path: facts_of_run(Run.load(directory.path / row.path)) for row in rows}
        return {"rows": results(rows), "runs": runs, "study": directory.study().seeds}


class Tune(Command):
    name = "tune"
    given = (
        *(
            "tuning",
            "--config",
            "base.toml",
            "--tuner",
            "random",
            "--trials",
            "3",
            "--search",
            "learning_rate",
            "dropout",
        ),
        *("--final-seeds", "1", "--project", "search"),
    )
    kinds = (
        "search/search.toml", "search/search/oracle.json", "search/search/trial_*/trial.json",
        "search/search/trial_*/executions.json", "search/probe/pace.json", "search/best.toml", "search/trials.csv",
        "search/runs/*/metrics.json", "search/runs/*/history.csv", "search/final/*/metrics.json", "search/report.html",
    )  # fmt: skip

    def prepare(self, folder):
        (folder / "base.toml").write_text(BASE.to_toml())

    def safe(self, folder):
        files = [file for place in ("runs", "final") for file in folder.glob(f"search/{place}/*/metrics.json")]
        return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in files}

    def facts(self, folder):
        from kact.experiment import Experiment
        from tuning.records import load_trials

        trials = load_trials(folder / "search" / "search")
        runs = [
            file.parent for place in ("runs", "final") for file in sorted(folder.glob(f"search/{place}/*/metrics.json"))
        ]
        scores = [
            (trial.name, str(dict(trial.settings)), one.status, one.accuracy, one.loss)
            for trial in trials
            for one in trial.executions
        ]
        runs = {str(run.relative_to(folder)): facts_of_run(Run.load(run)) for run in runs}
        return {"trials": scores, "best": Experiment.load(folder / "search" / "best.toml"), "runs": runs}


class Export(Command):
    name = "export"
    kinds = ("exported/model.onnx", "runs/*/model.keras", "runs/*/metrics.json", "runs/*/experiment.toml")
    maker = Train.given

    def __init__(self, run):
        self.run = run
        self.given = ("kact", "export", f"runs/{run.name}", "--format", "onnx", "--out", "exported/model.onnx")

    def prepare(self, folder):
        shutil.copytree(self.run, folder / "runs" / self.run.name)

    def facts(self, folder):
        import onnx

        network = onnx.load(folder / "exported" / "model.onnx")
        about = {one.key: one.value for one in network.metadata_props}
        weights = {one.name: hashlib.sha256(one.SerializeToString()).hexdigest() for one in network.graph.initializer}
        nodes = [(node.op_type, list(node.input), list(node.output)) for node in network.graph.node]
        return {"about": about, "weights": weights, "nodes": nodes}


class Report(Command):
    name, given, maker = "report", ("kact", "report", "study", "--interactive", "no"), StudyRun.given
    kinds = (
        "study/report/report.html",
        "study/report/report.md",
        "study/report/figures/*",
        "study/results.sqlite",
        "study/study.toml",
    )

    def __init__(self, study):
        self.study = study

    def prepare(self, folder):
        shutil.copytree(self.study, folder / "study")
        small_study(folder, seeds=2, epochs=2, tune=True)

    def facts(self, folder):
        files = sorted(path for path in (folder / "study" / "report").rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def facts_of_run(run):
    """Return what a run came to, but for its seconds."""
    metrics = {key: value for key, value in run.metrics.items() if key not in ("timing", "provenance")}
    with zipfile.ZipFile(run.model_path) as archive:
        weights = hashlib.sha256(archive.read("model.weights.h5")).hexdigest()
    found = {"metrics": metrics, "history": run.history, "weights": weights, "experiment": run.experiment}
    if (run.path / "test_curve.csv").exists():
        found["test_curve"] = run.file("test_curve.csv").read_text()
    if (run.path / "checkpoint.npz").exists():
        kept = Checkpoint.load(run.path / "checkpoint.npz")
        found["checkpoint"] = [
            np.asarray(one).tobytes() for one in (*kept.weights, *kept.optimizer, *kept.best_weights)
        ]
    return found


def files_of(folder):
    """Return the names of all files in a folder, but for what locks and logs leave."""
    found = (path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.name not in (".lock", "workers.log") and path.suffix != ".lock")
