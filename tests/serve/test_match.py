"""Which pictures are found, against a plain loop over pictures."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from people_models import WIDTH, descriptor_of, draw_people, draw_person, people_model
from people_trees import write_market
from PIL import Image, ImageOps

from acclimate.core.errors import (
    AcclimateError,
    ConfigurationError,
    DataError,
    UnknownNameError,
)
from acclimate.retrieval.cameras import CameraMeans
from acclimate.serve import match as matching
from acclimate.serve.match import COLUMNS, _Nearest, match
from acclimate.serve.people import file_identity


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Probes and a gallery of drawn people in the working folder, by relative names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACCLIMATE_DATA", raising=False)
    draw_people(tmp_path / "probes", range(3), (1,))
    draw_people(tmp_path / "gallery", range(5), (2, 3))
    return tmp_path


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head) == COLUMNS
    return [(probe, int(rank), item, float(value)) for probe, rank, item, value in rows]


def expected(model, probes, gallery, count, mirrored=True):
    """Every probe with every picture, each described by itself; a probe's own file is left out."""
    rows = []
    for probe in probes:
        others = [p for p in gallery if Path(p).resolve() != Path(probe).resolve()]
        ours = descriptor_of(model, probe, mirrored)
        scored = [(float(ours @ descriptor_of(model, p, mirrored)), p) for p in others]
        best = sorted(scored, key=lambda pair: -pair[0])[:count]
        rows += [(str(probe), rank, str(item), s) for rank, (s, item) in enumerate(best, 1)]
    return rows


def assert_rows(found, wanted):
    assert [row[:3] for row in found] == [row[:3] for row in wanted]
    assert [row[3] for row in found] == pytest.approx([row[3] for row in wanted], abs=3e-6)


def pictures(folder):
    return sorted(Path(folder).glob("*.png"))


def refused(kind, call, *words):
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text


@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize("searched", [3, 1000])
@pytest.mark.parametrize("backend", ["matrix", "faiss"])
def test_nearest_as_a_plain_loop_finds_them(places, monkeypatch, mirrored, searched, backend):
    if backend == "faiss":
        pytest.importorskip("faiss")
    monkeypatch.setattr(matching, "SEARCHED", searched)
    model = people_model(mirrored=mirrored)
    some = str(pictures("gallery")[4])
    found = match(
        model,
        [*map(str, pictures("probes")), some],
        ["gallery"],
        Path("out.csv"),
        count=4,
        batch_size=2,
        backend=backend,
    )
    wanted = expected(model, [*pictures("probes"), some], pictures("gallery"), 4, mirrored)
    assert_rows(rows_of("out.csv"), wanted)
    assert_rows(list(found.rows()), wanted)
    assert (found.skipped, found.notes) == ([], [])


def test_a_mirror_image_is_the_same_person(places):
    probe = pictures("probes")[0]
    with Image.open(probe) as image:
        ImageOps.mirror(image).save("turned.png")
    both = [str(probe), "turned.png"]
    match(people_model(), both, ["gallery"], Path("out.csv"), count=10)
    rows = rows_of("out.csv")
    assert_rows([("", *row[1:]) for row in rows[:10]], [("", *row[1:]) for row in rows[10:]])
    match(people_model(mirrored=False), both, ["gallery"], Path("out.csv"), count=10)
    rows = rows_of("out.csv")
    assert [row[3] for row in rows[:10]] != pytest.approx([row[3] for row in rows[10:]], abs=1e-4)


def test_fewer_than_asked_for(places):
    """A probe that is in the gallery itself has one item less than the others."""
    probes = [str(pictures("gallery")[0]), str(pictures("probes")[0])]
    match(people_model(), probes, ["gallery"], Path("out.csv"), count=99)
    found = rows_of("out.csv")
    assert [sum(row[0] == probe for row in found) for probe in probes] == [9, 10]


def test_a_picture_given_twice_is_one(places):
    first = pictures("gallery")[0]
    Path("link.png").symlink_to(first)
    twice = ["gallery", str(first), "link.png", str(first.resolve())]
    found = match(people_model(), ["probes", "probes"], twice, Path("out.csv"))
    assert len(found.probes) == 3
    assert found.gallery == [str(path) for path in pictures("gallery")]
    assert file_identity("link.png") == file_identity(str(first))


@given(st.data())
def test_blocks_of_any_size_come_to_the_same(data):
    """With equal similarities, of which the earlier item comes first, and own files among them."""
    count, width = data.draw(st.integers(1, 12)), 3
    probes = data.draw(st.integers(1, 5))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    ours = torch.from_numpy(random.integers(-2, 3, (probes, width))).float()
    theirs = torch.from_numpy(random.integers(-2, 3, (count, width))).float()
    wanted = data.draw(st.integers(1, 14))
    keys = [str(number) for number in random.permutation(max(probes, count) + 2)]
    nearest = _Nearest(ours, keys[:probes], wanted, "matrix")
    items = [str(number) for number in range(count)]
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "SEARCHED", data.draw(st.integers(1, 8)))
        start = 0
        for size in sizes:
            if start < count:
                nearest.add(theirs[start : start + size], items[start : start + size])
            start += size
    indices, similarities = nearest.found()
    products = ours.numpy() @ theirs.numpy().T
    for number in range(probes):
        order = [
            index
            for index in np.argsort(-products[number], kind="stable")
            if items[index] != keys[number]
        ][:wanted]
        there = similarities[number] > -torch.inf
        assert indices[number][there].tolist() == order
        assert similarities[number][there].tolist() == products[number][order].tolist()


def test_only_a_batch_is_in_memory(places, monkeypatch):
    seen, searched, model = [], [], people_model()
    look, search = type(model).descriptors, matching.search

    def looked(self, domain, *others):
        seen.append(len(domain))
        return look(self, domain, *others)

    def searching(probes, gallery, *others, **options):
        searched.append(len(gallery))
        return search(probes, gallery, *others, **options)

    monkeypatch.setattr(type(model), "descriptors", looked)
    monkeypatch.setattr(matching, "search", searching)
    monkeypatch.setattr(matching, "SEARCHED", 3)
    match(model, ["probes"], ["gallery"], Path("out.csv"), batch_size=2)
    assert max(seen) == 2
    assert max(searched) <= 3 + 2


def test_what_cannot_be_read_is_listed(places):
    Path("gallery/broken.png").write_bytes(b"no picture")
    whole = pictures("gallery")[0].read_bytes()
    Path("gallery/cut.png").write_bytes(whole[: len(whole) * 2 // 3])
    Path("probe.jpg").write_bytes(b"")
    probes = ["probe.jpg", str(pictures("probes")[0])]
    found = match(people_model(), probes, ["gallery"], Path("out.csv"), batch_size=3)
    assert len(found.gallery) == 10
    assert found.probes == [probes[1]]
    assert sorted(line.partition(".png")[0].split("/")[-1] for line in found.skipped[1:]) == [
        "cut",
        "gallery: broken",
    ]
    assert found.skipped[0].startswith("probe.jpg: ")
    before = Path("out.csv").read_bytes()
    call = lambda: match(people_model(), ["probe.jpg"], ["gallery"], Path("out.csv"))  # noqa: E731
    refused(DataError, call, "none of the 1 pictures of the probes", "probe.jpg")
    assert Path("out.csv").read_bytes() == before


def test_nothing_is_written_by_halves(places, monkeypatch):
    Path("out.csv").write_text("from before", encoding="utf-8")
    names = {path.name for path in places.iterdir()}
    model = people_model()
    look = type(model).descriptors

    def stopped(self, domain, *others):
        if len(domain) == 4:  # the probes are three
            raise KeyboardInterrupt
        return look(self, domain, *others)

    monkeypatch.setattr(type(model), "descriptors", stopped)
    with pytest.raises(KeyboardInterrupt):
        match(
            model,
            ["probes"],
            ["gallery"],
            Path("out.csv"),
            batch_size=4,
            descriptors=Path("new/kept.npz"),
        )
    assert Path("out.csv").read_text(encoding="utf-8") == "from before"
    assert {path.name for path in places.iterdir()} == names | {"new"}
    assert list(Path("new").iterdir()) == []


def test_a_diverged_model_is_said(places):
    model = people_model()
    with torch.no_grad():
        next(model.network.parameters()).fill_(torch.nan)
    call = lambda: match(model, ["probes"], ["gallery"], Path("out.csv"))  # noqa: E731
    refused(DataError, call, "not finite", "probes/0000_c1_1.png")


def test_probes_and_gallery_of_a_published_layout(places):
    """Of what has a test, the probes are looked for in its gallery; nothing is trained on there."""
    root = write_market(places / "market")
    found = match(people_model(), [str(root)], [str(root)], Path("out.csv"))
    folders = [{Path(n).parent.name for n in names} for names in (found.probes, found.gallery)]
    assert folders == [{"query"}, {"bounding_box_test"}]


def test_a_list_of_pictures(places):
    lines = ["path,identity", *(f"gallery/{p.name},{p.name[:4]}" for p in pictures("gallery")[:4])]
    Path("some.csv").write_text("\n".join(lines), encoding="utf-8")
    found = match(people_model(), ["probes"], ["some.csv"], Path("out.csv"))
    assert found.gallery == [str(path) for path in pictures("gallery")[:4]]


def test_a_cameras_mean_is_taken_off(places):
    """As the model was told; of pictures whose name says no camera the mean of all cameras."""
    model = people_model(mirrored=False)
    means = CameraMeans(torch.tensor([2, 3]), torch.tensor([[0.5] * 8, [-0.2] * 4 + [0.3] * 4]))
    probe = draw_person(places / "anybody.png", 1, 1)
    taken = {"anybody": means.means.mean(0), "_c2_": means.means[0], "_c3_": means.means[1]}
    rows = {}
    for path in (probe, *pictures("gallery")):
        mean = next(each for key, each in taken.items() if key in path.name).double().numpy()
        row = descriptor_of(model, path, mirrored=False) - mean
        rows[path.name] = row / np.linalg.norm(row)
    centred = dataclasses.replace(model, camera_means=means)
    match(centred, [str(probe)], ["gallery"], Path("out.csv"), batch_size=3)
    for _, _, item, similarity in rows_of("out.csv"):
        wanted = float(rows[probe.name] @ rows[Path(item).name])
        assert similarity == pytest.approx(wanted, abs=3e-6)


def test_advice_that_nobody_can_follow_is_left_out(places):
    """A model has a size of its own; that pictures are distorted is worth knowing all the same."""
    Image.new("RGB", (200, 20)).save(places / "wide.png")
    Path("flat").mkdir()
    for number in range(3):
        Image.new("RGB", (200, 20), (number, 0, 0)).save(f"flat/{number}.png")
    found = match(people_model(), ["probes"], ["flat"], Path("out.csv"))
    assert [note.count("distorted") for note in found.notes] == [1]
    assert "--size" not in found.notes[0]
    assert f"{WIDTH}×" in found.notes[0]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"count": 0}, ConfigurationError, ("count=0",)),
        ({"backend": "fais"}, UnknownNameError, ("'fais'", "faiss")),
        ({"output": Path("gallery")}, ConfigurationError, ("is a folder",)),
        ({"output": Path("list.csv")}, ConfigurationError, ("--output", "one of the inputs")),
        ({"output": Path("probes/0000_c1_1.png")}, ConfigurationError, ("one of the inputs",)),
        ({"descriptors": Path("kept")}, ConfigurationError, (".npz",)),
        (
            {"descriptors": Path("out.npz"), "output": Path("out.npz")},
            ConfigurationError,
            ("--output as well",),
        ),
        ({"probes": ["nobody.png"]}, UnknownNameError, ("nobody.png",)),
        ({"gallery": ["digits"]}, ConfigurationError, ("digits", "viper")),
    ],
)
def test_mistakes_are_one_line(places, change, kind, words):
    Path("list.csv").write_text("path\ngallery/0000_c2_1.png\n", encoding="utf-8")
    given = {"probes": ["probes"], "gallery": ["gallery", "list.csv"], "output": Path("out.csv")}
    refused(kind, lambda: match(people_model(), **{**given, **change}), *words)
    assert issubclass(kind, AcclimateError)
    assert not Path("out.csv").exists()


def test_a_model_of_classes_is_refused(places, model):
    call = lambda: match(model, ["probes"], ["gallery"], Path("out.csv"))  # noqa: E731
    refused(ConfigurationError, call, "4 classes", "acclimate predict")
