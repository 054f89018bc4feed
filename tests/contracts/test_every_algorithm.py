"""What every registered algorithm has to keep, whatever it does otherwise."""

import inspect
import pickle
import re

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from acclimate.algorithms import algorithms, names_for
from acclimate.cli.watch import TerminalObserver
from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Batch, Views
from acclimate.training.checkpoint import latest_checkpoint, restore, save_checkpoint
from acclimate.training.fit import fit
from acclimate.training.settings import make_settings

COMBINED = "dann+mi"
#: those for identities alone are put to their tests in test_every_objective.py
CLASSIFYING = {name: algorithms.get(name) for name in names_for("classification")}
every_algorithm = pytest.mark.parametrize("name", algorithms.names())
every_method = pytest.mark.parametrize("name", [*CLASSIFYING, COMBINED])
adapting = pytest.mark.parametrize(
    "name",
    [
        *(
            n
            for n, kind in CLASSIFYING.items()
            if kind.uses_target and kind.learns_from_target and not kind.target_after_training
        ),
        COMBINED,
    ],
)
honest = pytest.mark.parametrize(
    "name", [*(name for name, kind in CLASSIFYING.items() if not kind.oracle), COMBINED]
)
PROGRESS = (0.0, 0.3, 1.0)


def weights(step):
    return {name: value.clone() for name, value in step.state_dict().items()}


def gradients(step, batch, progress):
    """Gradients of all phases, each phase's own, by parameter name."""
    found = {}
    for phase in step.algorithm.phases:
        step.zero_grad(set_to_none=True)
        step(batch, progress, phase.name)["loss"].backward()
        for name, parameter in step.named_parameters():
            if parameter.grad is not None:
                found[phase.name, name] = parameter.grad.clone()
    return found


def unlike(first, second):
    """Whether two dictionaries of tensors or numbers differ anywhere."""
    assert first.keys() == second.keys()
    return any(
        not torch.equal(torch.as_tensor(first[key]), torch.as_tensor(second[key])) for key in first
    )


@every_method
@pytest.mark.parametrize("progress", PROGRESS)
def test_losses_are_finite_scalars_and_add_up(name, progress, make_step, make_batch):
    step, batch = make_step(name), make_batch(name)
    for phase in step.algorithm.phases:
        values = step(batch, progress, phase.name)
        assert all(torch.isfinite(torch.as_tensor(value)).all() for value in values.values())
        assert all(torch.as_tensor(value).ndim == 0 for value in values.values())
        terms = [value for key, value in values.items() if key.startswith("loss/")]
        torch.testing.assert_close(values["loss"].detach(), torch.stack(terms).sum())
        assert not any(value.requires_grad for value in terms)


@adapting
def test_the_target_batch_matters(name, make_step, make_batch):
    """A target batch that is accepted and ignored is the oldest fault of this field."""
    batch = make_batch(name)
    step = _opinionated(make_step(name, options=_confident(name)), batch)
    other = batch._replace(target=3 * batch.target.flip(1) - 1)
    if batch.target_weak is not None:
        other = other._replace(target_weak=3 * batch.target_weak.flip(1) - 1)
    assert unlike(gradients(step, batch, 0.5), gradients(step, other, 0.5))
    assert step(batch, 0.5)["loss"] != step(other, 0.5)["loss"]


@every_method
def test_every_parameter_gets_a_gradient(name, make_step, make_batch):
    """Also the ones that another library loses: a domain classifier behind a constant loss."""
    step = _opinionated(make_step(name, options=_confident(name)), make_batch(name))
    reached = set()
    for number, progress in enumerate((0.1, 0.5, 1.0)):
        for (_, parameter), gradient in gradients(step, make_batch(name, number), progress).items():
            if gradient.abs().max() > 0:
                reached.add(parameter)
    trainable = {key for key, parameter in step.named_parameters() if parameter.requires_grad}
    assert reached == trainable
    assert not any(key.startswith("average.") for key in trainable)


def _confident(name):
    # an untrained teacher is sure of nothing
    kinds = [algorithms.get(part) for part in name.split("+")]
    return {"threshold": 0.0} if any("threshold" in kind.model_fields for kind in kinds) else {}


def _opinionated(step, batch):
    """The same step, its teacher brought to see more than one class in the target batch."""
    if step.average is not None:
        with torch.no_grad():
            step.average.head.bias -= step.average(batch.target).logits.mean(0)
    return step


@every_method
def test_unequal_batches(name, make_step, make_batch):
    step = make_step(name)
    for source, target in ((9, 3), (2, 8), (1, 1)):
        found = gradients(step, make_batch(name, source=source, target=target), 0.5)
        assert all(torch.isfinite(gradient).all() for gradient in found.values())


@every_algorithm
def test_configuration_survives_pickle_and_json(name):
    kind = algorithms.get(name)
    made = kind()
    assert pickle.loads(pickle.dumps(made)) == made
    assert kind.model_validate_json(made.model_dump_json()) == made
    assert kind.build("x", made.model_dump(mode="json")) == made
    with pytest.raises(ValueError, match="frozen"):
        made.anything = 1


@every_algorithm
def test_wrong_options_are_explained(name):
    kind = algorithms.get(name)
    owner = f"algorithm {name}"
    with pytest.raises(ConfigurationError, match=re.escape(f"{owner}: no option 'xyzzy'")):
        kind.build(owner, {"xyzzy": 1})
    for option in kind.model_fields:
        with pytest.raises(ConfigurationError, match=f"Did you mean '{option}'"):
            kind.build(owner, {f"{option}x": 1})
        with pytest.raises(ConfigurationError, match=rf"{owner}: {option}.*got <object"):
            kind.build(owner, {option: object()})


@every_algorithm
def test_it_is_described(name):
    kind = algorithms.get(name)
    assert len(kind.description()) > 20
    assert all(field.description for field in kind.model_fields.values())
    assert kind.oracle == ("oracle" in kind.description().lower())


def _halved(part):
    floating = isinstance(part, torch.Tensor) and part.is_floating_point()
    return part.to(torch.bfloat16) if floating else part


@every_method
def test_bf16_autocast(name, make_step, make_batch, run_steps):
    step, batch = make_step(name), make_batch(name)
    exact = step(batch, 0.5)["loss"]
    halved = Batch(*(_halved(part) for part in batch))  # as Fabric hands them over
    with torch.autocast("cpu", torch.bfloat16):
        values = step(halved, 0.5)
    values["loss"].backward()
    assert torch.isfinite(values["loss"])
    torch.testing.assert_close(values["loss"].float(), exact, atol=0.1, rtol=0.05)
    gradient = [p.grad for p in step.parameters() if p.grad is not None]
    assert gradient
    assert all(torch.isfinite(each).all() for each in gradient)


@every_method
def test_same_seed_same_weights(name, make_step, run_steps):
    found = []
    for disturbance in (0, 1):
        step = make_step(name, dropout=0.3)
        torch.manual_seed(1000 + disturbance)  # what others do with the global generator
        seen, _ = run_steps(name, step)
        found.append((weights(step), seen))
    assert not unlike(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


@every_method
def test_another_seed_other_weights(name, make_step, run_steps):
    first, second = make_step(name, dropout=0.3), make_step(name, dropout=0.3)
    run_steps(name, first, seed=0)
    run_steps(name, second, seed=1)
    assert unlike(weights(first), weights(second))


@every_method
def test_looking_in_between_changes_nothing(name, make_step, make_batch, run_steps):
    undisturbed, looked_at = make_step(name, dropout=0.3), make_step(name, dropout=0.3)

    def look(step):
        step.eval()
        step.deployed.eval()
        with torch.no_grad():
            step.deployed(make_batch(name, 99).source)
        torch.rand(7)

    run_steps(name, undisturbed)
    run_steps(name, looked_at, look=look)
    assert not unlike(weights(undisturbed), weights(looked_at))


@every_method
def test_dropout_only_in_training(name, make_step, make_batch):
    step = make_step(name, averaging=0.9, dropout=0.5)
    batch = make_batch(name)
    step.train()
    assert step(batch, 0.5)["loss"] != step(batch, 0.5)["loss"]
    assert not step.average.training
    step.eval()
    losses = []
    for _ in range(2):
        torch.manual_seed(0)  # an algorithm may draw numbers of its own
        losses.append(step(batch, 0.5)["loss"])
    assert losses[0] == losses[1]
    assert not any(module.training for module in step.modules() if isinstance(module, nn.Dropout))


@every_method
@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_resumed_is_uninterrupted(name, kind, make_step, run_steps, tmp_path):
    def optimiser_of(step):
        parameters = [p for p in step.parameters() if p.requires_grad]
        if kind == "sgd":
            return torch.optim.SGD(parameters, 1e-2, momentum=0.9)
        return torch.optim.Adam(parameters, 1e-2)

    whole = make_step(name, averaging=0.9, dropout=0.3)
    all_values, _ = run_steps(name, whole, optimiser=optimiser_of(whole))
    first = make_step(name, averaging=0.9, dropout=0.3)
    before, optimiser = run_steps(name, first, stop=3, optimiser=optimiser_of(first))
    save_checkpoint(tmp_path, 3, first, optimiser, {})

    second = make_step(name, seed=77, averaging=0.9, dropout=0.3)
    optimiser = optimiser_of(second)
    checkpoint = latest_checkpoint(tmp_path)
    restore(checkpoint, second, optimiser)
    after, _ = run_steps(name, second, start=checkpoint.step, optimiser=optimiser)
    assert not unlike(weights(whole), weights(second))
    assert before + after == all_values


@every_method
def test_a_step_never_waits_for_the_device(name, make_step, make_batch):
    """A fake tensor has no values: whoever asks for one, or for the length of a mask, is refused."""
    step, batch = make_step(name, options=_confident(name), averaging=0.9), make_batch(name)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = Batch(*(part if part is None else mode.from_tensor(part) for part in batch))
        for phase in step.algorithm.phases:
            values = step(fake, 0.7, phase.name)
            values["loss"].backward()
        # the test can see it
        with pytest.raises(DataDependentOutputException):
            values["loss"].item()


@every_method
def test_all_that_is_logged_is_logged_each_time(name, make_step, run_steps):
    """The first row decides the columns of ``metrics.csv``."""
    seen, _ = run_steps(name, make_step(name))
    assert all(row.keys() == seen[0].keys() for row in seen)


@every_method
def test_the_progress_line_says_what_is_logged(name, make_step, run_steps):
    seen, _ = run_steps(name, make_step(name))
    with TerminalObserver() as watch:
        watch.run_started(name, 10, 0)
        for step, row in enumerate(seen):
            watch.logged(step, row)


def test_there_is_no_place_for_target_labels():
    named = {kind: [field for field in kind._fields if "label" in field] for kind in (Batch, Views)}
    # what was given for training is the step's, see test_labelled_target.py
    assert named == {Batch: ["source_labels", "labelled_target"], Views: ["source_labels"]}
    signature = inspect.signature(algorithms.get("dann").losses)
    assert list(signature.parameters) == ["self", "views", "modules", "phase"]


def trained(name, files, folder):
    """Bytes of the trained model and of everything that was chosen on the way."""
    source, target = files
    settings = make_settings(
        source=str(source),
        target=str(target),
        algorithm=name,
        steps=6,
        batch_size=12,
        evaluations=3,
        log_every=2,
    )
    record = fit(settings, folder, baseline=False)
    chosen = (record.chosen, record.estimate, [each.scores for each in record.evaluations])
    return (folder / "model.safetensors").read_bytes(), chosen, record.oracle_target_metrics


@honest
def test_labels_of_the_target_change_nothing(name, task_files, tmp_path):
    model, chosen, oracle = trained(name, task_files(), tmp_path / "run")
    other_model, other_chosen, other_oracle = trained(name, task_files(mixed=True), tmp_path / "b")
    assert model == other_model
    assert chosen == other_chosen
    # the test can see labels: what is called oracle does change, if by chance not its accuracy
    assert oracle.confusion != other_oracle.confusion


def test_the_oracle_does_see_them(task_files, tmp_path):
    model, *_ = trained("train-on-target", task_files(), tmp_path / "a")
    other, *_ = trained("train-on-target", task_files(mixed=True), tmp_path / "b")
    assert model != other
