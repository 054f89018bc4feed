"""Curves go where they were asked to, once each, and no training ends for their sake."""

import inspect
import sys
import types
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from acclimate.core.errors import ConfigurationError, UnknownNameError
from acclimate.training.loggers import check_loggers, loggers
from acclimate.training.logs import MetricsLog

SETTINGS = {
    "steps": 9,
    "network_options": {"name": "resnet18", "layers": [1, 2]},
    "note": "x" * 900,
}


class FakeRun:
    """``wandb.Run`` as far as it is used: it refuses what W&B would drop."""

    def __init__(self, service, offline):
        self.service, self.offline = service, offline
        self.starting_step = 0 if offline or not service.rows else max(service.rows) + 1

    # wandb.Run.log(data, step=None, commit=None)
    def log(self, data, step=None, commit=None):
        assert step >= self.service.current, "W&B ignores steps that go back, with a warning"
        self.service.current = step
        for name, value in data.items():
            self.service.points.append((name, step, value))
        self.service.rows.setdefault(step, {}).update(data)

    def finish(self, exit_code=None, quiet=None):
        self.service.exit_codes.append(exit_code)


class FakeWandb(types.ModuleType):
    """The documented signature of ``wandb.init``; everything else is an error."""

    def __init__(self):
        super().__init__("wandb")
        self.rows, self.points, self.inits, self.exit_codes, self.current = {}, [], [], [], 0
        self.offline = False

    def init(self, entity=None, project=None, dir=None, id=None, name=None, notes=None, tags=None,
             config=None, config_exclude_keys=None, config_include_keys=None,
             allow_val_change=None, group=None, job_type=None, mode=None, force=None,
             reinit=None, resume=None, resume_from=None, fork_from=None, save_code=None,
             tensorboard=None, sync_tensorboard=None, monitor_gym=None, settings=None):  # fmt: skip
        self.inits.append({"project": project, "dir": dir, "id": id, "name": name,
                           "config": config, "resume": resume, "mode": mode})  # fmt: skip
        run = FakeRun(self, self.offline)
        self.current = run.starting_step
        return run


class FakeMlflowClient:
    """``mlflow.MlflowClient`` as far as it is used, with its signatures."""

    def __init__(self, tracking_uri=None, registry_uri=None):
        self.store = sys.modules["mlflow"].store

    def get_experiment_by_name(self, name):
        return self.store["experiments"].get(name)

    def create_experiment(self, name, artifact_location=None, tags=None):
        self.store["experiments"][name] = SimpleNamespace(experiment_id="7", name=name)
        return "7"

    def create_run(self, experiment_id, start_time=None, tags=None, run_name=None):
        identity = f"run{len(self.store['runs'])}"
        self.store["runs"][identity] = {
            "experiment": experiment_id, "name": run_name, "points": [], "params": {},
            "status": "RUNNING", "statuses": [],
        }  # fmt: skip
        return SimpleNamespace(info=SimpleNamespace(run_id=identity))

    def get_run(self, run_id):
        return self.store["runs"][run_id]  # KeyError where mlflow has an error of its own

    def update_run(self, run_id, status=None, name=None):
        self.store["runs"][run_id]["statuses"].append(status)

    def log_batch(self, run_id, metrics=(), params=(), tags=(), synchronous=None):
        assert len(params) <= 100
        self.store["requests"] += 1
        run = self.store["runs"][run_id]
        run["points"] += [(m.key, m.step, m.value) for m in metrics]
        for param in params:
            assert len(param.value) <= 500
            assert run["params"].setdefault(param.key, param.value) == param.value

    def get_metric_history(self, run_id, key):
        points = self.store["runs"][run_id]["points"]
        return [SimpleNamespace(step=step, value=v) for name, step, v in points if name == key]

    def set_terminated(self, run_id, status=None, end_time=None):
        self.store["runs"][run_id]["statuses"].append(status)


@pytest.fixture
def wandb(monkeypatch):
    for name in ("WANDB_PROJECT", "WANDB_NAME", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


@pytest.fixture
def mlflow(monkeypatch):
    for name in ("MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    fake, entities = types.ModuleType("mlflow"), types.ModuleType("mlflow.entities")
    fake.MlflowClient, fake.entities = FakeMlflowClient, entities
    fake.store = {"experiments": {}, "runs": {}, "requests": 0}

    def metric(key, value, timestamp, step):
        assert isinstance(value, float)
        assert timestamp > 1e12  # milliseconds
        return SimpleNamespace(key=key, value=value, step=step)

    entities.Metric = metric
    entities.Param = lambda key, value: SimpleNamespace(key=key, value=value)
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    return fake


def train(folder, steps, resumed_at=0, *, names, failed=False):
    """What a run does to its log: a row every step, scores every other one."""
    log = MetricsLog(folder, resumed_at, loggers=names, run_name="office", settings=SETTINGS)
    for step in steps:
        log.write(step, {"loss": 1 / step, "loss/domain": 0.5})
        if step % 2 == 0:
            log.scalars(step, {"validate/entropy": -float(step)})
    log.close(failed)


def curve(points, name):
    return [(step, value) for key, step, value in points if key == name]


WHOLE = [(step, 1 / step) for step in range(1, 8)]


def test_wandb_gets_one_run_with_settings_and_points(tmp_path, wandb):
    train(tmp_path, range(1, 8), names=("wandb",))
    (init,) = wandb.inits
    assert (init["project"], init["name"], init["resume"]) == ("acclimate", "office", "allow")
    assert init["config"] == SETTINGS
    assert init["mode"] is None  # WANDB_MODE decides
    assert curve(wandb.points, "train/loss") == WHOLE
    assert curve(wandb.points, "validate/entropy") == [(2, -2.0), (4, -4.0), (6, -6.0)]
    assert wandb.exit_codes == [0]


@pytest.mark.parametrize("offline", [False, True])
def test_wandb_run_goes_on_without_doubled_points(tmp_path, wandb, offline):
    wandb.offline = offline
    train(tmp_path, range(1, 6), names=("wandb",), failed=True)  # killed after step 5 …
    train(tmp_path, range(4, 8), 3, names=("wandb",))  # … its last checkpoint being step 3's
    first, second = wandb.inits
    assert first["id"] == second["id"]
    assert not set("/\\#?%:") & set(first["id"])
    assert curve(wandb.points, "train/loss") == WHOLE
    assert curve(wandb.points, "validate/entropy") == [(2, -2.0), (4, -4.0), (6, -6.0)]
    assert wandb.exit_codes == [1, 0]


def test_wandb_environment_is_followed(tmp_path, wandb, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "photos")
    monkeypatch.setenv("WANDB_NAME", "mine")
    train(tmp_path, [1], names=("wandb",))
    assert (wandb.inits[0]["project"], wandb.inits[0]["name"]) == ("photos", "mine")


def test_values_that_are_not_finite_are_not_sent_to_wandb(tmp_path, wandb):
    log = MetricsLog(tmp_path, loggers=("wandb",))
    log.write(1, {"loss": float("nan"), "other": 1.0})
    log.scalars(1, {"validate/x": float("inf")})
    log.close()
    assert wandb.points == [("train/other", 1, 1.0)]


def test_mlflow_gets_one_run_with_flat_settings_and_points(tmp_path, mlflow):
    train(tmp_path, range(1, 8), names=("mlflow",))
    (run,) = mlflow.store["runs"].values()
    assert (run["experiment"], run["name"]) == ("7", "office")
    assert run["params"]["network_options.name"] == "resnet18"
    assert curve(run["points"], "train/loss") == WHOLE
    assert curve(run["points"], "train/loss/domain") == [(s, 0.5) for s in range(1, 8)]
    assert run["statuses"] == ["FINISHED"]
    assert mlflow.store["requests"] == 1 + 7 + 3  # settings, rows, scores: one request each


def test_mlflow_run_goes_on_without_doubled_points(tmp_path, mlflow):
    train(tmp_path, range(1, 6), names=("mlflow",), failed=True)
    train(tmp_path, range(4, 8), 3, names=("mlflow",))
    (run,) = mlflow.store["runs"].values()
    assert curve(run["points"], "train/loss") == WHOLE
    assert curve(run["points"], "validate/entropy") == [(2, -2.0), (4, -4.0), (6, -6.0)]
    assert run["statuses"] == ["FAILED", "RUNNING", "FINISHED"]


def test_mlflow_begins_anew_on_another_server(tmp_path, mlflow):
    train(tmp_path, range(1, 4), names=("mlflow",))
    mlflow.store["runs"].clear()
    train(tmp_path, range(3, 5), 2, names=("mlflow",))
    (run,) = mlflow.store["runs"].values()
    assert [step for step, _ in curve(run["points"], "train/loss")] == [3, 4]


def test_mlflow_experiment_is_the_environments(tmp_path, mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "photos")
    train(tmp_path, [1], names=("mlflow",))
    assert list(mlflow.store["experiments"]) == ["photos"]
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "31")
    (tmp_path / "other").mkdir()
    train(tmp_path / "other", [1], names=("mlflow",))
    assert mlflow.store["runs"]["run1"]["experiment"] == "31"


def test_several_loggers_each_once_and_metrics_csv_always(tmp_path, wandb, mlflow):
    train(tmp_path, range(1, 4), names=("csv", "wandb", "mlflow", "wandb"))
    assert len(wandb.inits) == len(mlflow.store["runs"]) == 1
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 4
    assert not (tmp_path / "tensorboard").exists()


def test_csv_alone_draws_nothing_else(tmp_path):
    train(tmp_path, range(1, 4), names=("csv",))
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_tensorboard_run_goes_on_without_doubled_points(tmp_path):
    train(tmp_path, range(1, 6), names=("tensorboard",))
    train(tmp_path, range(4, 8), 3, names=("tensorboard",))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    drawn = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert drawn == [(step, pytest.approx(value)) for step, value in WHOLE]


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_logger_that_is_not_installed_is_one_line_with_the_command(tmp_path, name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)  # import raises ModuleNotFoundError
    monkeypatch.delitem(sys.modules, f"{name}.entities", raising=False)
    for attempt in (lambda: check_loggers([name]), lambda: MetricsLog(tmp_path, loggers=(name,))):
        with pytest.raises(ConfigurationError, match=f"pip install {name}") as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_an_unknown_logger_has_a_near_miss():
    with pytest.raises(UnknownNameError, match="Did you mean 'wandb'"):
        check_loggers(["csv", "wandbb"])


def test_a_logger_that_cannot_start_is_one_line(tmp_path, wandb, mlflow):
    def refuse(**_):
        raise RuntimeError("no API key\nconfigured")

    wandb.init = refuse
    with pytest.raises(ConfigurationError, match=r"wandb cannot start: no API key configured") as e:
        MetricsLog(tmp_path, loggers=("mlflow", "wandb"))
    assert "\n" not in str(e.value)
    (run,) = mlflow.store["runs"].values()  # the one that had started is closed
    assert run["statuses"] == ["FAILED"]


def test_a_service_that_goes_away_does_not_end_the_training(tmp_path, wandb, mlflow, caplog):
    log = MetricsLog(tmp_path, loggers=("wandb", "mlflow"))
    log.write(1, {"loss": 1.0})

    def unreachable(*_, **__):
        raise ConnectionError("gone")

    FakeRun.log, kept = unreachable, FakeRun.log
    try:
        log.write(2, {"loss": 0.5})
        log.write(3, {"loss": 0.25})
    finally:
        FakeRun.log = kept
    log.close()
    assert len(caplog.messages) == 1  # said once
    assert "wandb" in caplog.text
    assert "gone" in caplog.text
    (run,) = mlflow.store["runs"].values()
    assert len(curve(run["points"], "train/loss")) == 3
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize("name", loggers.names())
def test_every_logger_keeps_the_protocol(name):
    made = loggers.get(name)
    assert list(inspect.signature(made.scalars).parameters) == ["self", "step", "values"]
    assert inspect.signature(made.close).parameters["failed"].default is False
    assert made.module
    assert isinstance(made.remote, bool)
