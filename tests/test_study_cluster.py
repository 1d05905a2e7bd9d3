"""A study on a Ray cluster of two nodes, of which one is killed in the middle, ends as it does on one machine."""

import sys
import threading
import time

import pytest

from kact.errors import KactError
from kact.studies.cluster import ClusterPool
from tests.studies import Notes, results, run_study, small_study

pytestmark = pytest.mark.any_backend

STORE_BYTES = 80 << 20
FILES = ("history.csv", "metrics.json")  # of a run that has begun, and of one that has ended


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_node_that_is_killed_takes_no_run_with_it(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False},
    )
    doomed = cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    study = small_study(tmp_path, seeds=2, activations=("relu", "mish", "elu"), epochs=120)
    pool = ClusterPool(cluster.address)

    class KillANode(Notes):
        def stage_began(self, *stage):
            super().stage_began(*stage)
            threading.Thread(target=self.kill, daemon=True).start()

        def kill(self):
            def halfway():
                begun, ended = ({path.parent for path in tmp_path.glob(f"out/runs/*/{name}")} for name in FILES)
                return len(begun - ended)

            while halfway() < 2:  # with one core each, either node is in the middle of a run then
                time.sleep(0.01)
            cluster.remove_node(doomed, allow_graceful=False)

    notes = KillANode()
    try:
        assert pool.free == 2
        rows = run_study(study, tmp_path / "out", pool, notes)
    finally:
        pool.close()
        cluster.shutdown()
    assert [row.status for row in rows] == ["finished"] * 6
    assert notes.lost and all("worker was lost" in reason for reason in notes.lost)
    assert max(row.attempts for row in rows) == 2
    assert results(rows) == results(run_study(study, tmp_path / "here"))


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(KactError, match=r"(?s)not installed.*kact\[cluster\]"):
        ClusterPool("auto")
