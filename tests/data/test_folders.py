"""Folders as people have them."""

from __future__ import annotations

import os
import pickle
import random

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from acclimate.core.errors import ConfigurationError, DataError, UnknownNameError
from acclimate.data.file_store import FileStore
from acclimate.data.folders import ANNOTATED, natural_key
from acclimate.data.sources import open_domain, open_source, open_target, shared_classes
from acclimate.data.specs import has_test_split, item_folder

CLASSES = ("cat", "dog")


def test_class_folders(image_folder):
    root = image_folder("class10/1.png", "class2/a/b/2.JPG", "class2/10.png", "class2/9.webp")
    (root / "class2" / "notes.txt").write_text("no image")
    (root / ".hidden").mkdir()
    (root / "class2" / "._9.png").write_bytes(b"what macOS leaves behind")
    domain = open_source(root)
    assert domain.name == "pictures"
    assert domain.class_names == ("class2", "class10")
    assert domain.item_names == (
        "class2/9.webp",
        "class2/10.png",
        "class2/a/b/2.JPG",
        "class10/1.png",
    )
    assert domain.labels.tolist() == [0, 0, 0, 1]
    assert domain.store.shape == (4, 32, 32, 3)
    assert domain.skipped == ()
    assert open_source(root, size=8, channels=1).input_shape == (1, 8, 8)


def test_annotated_copies_beside_the_classes_are_no_class(image_folder):
    root = image_folder("cat/1.png", "dog/1.png", "dog/said/1.png", "said/cat/1.png")
    for folder in (root / "said", root / "dog" / "said"):
        (folder / ANNOTATED).touch()
    domain = open_source(root)
    assert domain.class_names == ("cat", "dog")
    assert domain.item_names == ("cat/1.png", "dog/1.png")


def test_unreadable_files_are_skipped_and_listed(image_folder):
    root = image_folder("cat/1.png", "cat/2.png", "dog/1.png", "loose.png")
    (root / "cat" / "2.png").write_bytes(b"not an image")
    whole = (root / "dog" / "1.png").read_bytes()
    (root / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "dog" / "phone.heic").write_bytes(b"x")
    domain = open_source(root)
    assert domain.item_names == ("cat/1.png", "dog/1.png")
    assert domain.labels.tolist() == [0, 1]
    reasons = dict(line.split(": ", 1) for line in domain.skipped)
    assert set(reasons) == {"cat/2.png", "dog/cut.png", "dog/phone.heic", "loose.png"}
    assert reasons["cat/2.png"] == "not an image, or damaged"


def test_a_class_without_a_readable_image_is_named(image_folder):
    root = image_folder("cat/1.png", "dog/1.png")
    (root / "dog" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match="no image of the class 'dog'"):
        open_source(root)
    (root / "cat" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match="none of its 2 images"):
        open_source(root)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "no class folders"),
        (["a.png", "b.png"], "2 images but no class folders"),
        (["cat/1.png"], "single class, 'cat'"),
        (["train/cat/1.png", "test/cat/1.png"], "look like the splits"),
    ],
)
def test_what_is_no_source(image_folder, paths, message):
    with pytest.raises(DataError, match=message) as caught:
        open_source(image_folder(*paths))
    assert "\n" not in str(caught.value)


def test_empty_class_folders_are_named(image_folder):
    root = image_folder("cat/1.png", "dog/1.png")
    (root / "eel").mkdir()
    with pytest.raises(DataError, match="class folder 'eel' holds no images"):
        open_source(root)
    (root / "fox").mkdir()
    with pytest.raises(DataError, match="class folders 'eel', 'fox' hold no images"):
        open_source(root)


def test_target_with_class_folders_is_labelled_by_name(image_folder):
    root = image_folder("dog/1.png", "cat/1.png")
    assert open_target(root, class_names=("ape", "dog", "cat")).labels.tolist() == [1, 2]
    assert open_target(root, class_names=("ape", "dog", "cat")).item_names == (
        "dog/1.png",
        "cat/1.png",
    )


def test_target_with_other_classes_names_both_sets(image_folder):
    root = image_folder("dog/1.png", "wolf/1.png")
    with pytest.raises(DataError, match=r"'dog', 'wolf', the source 'cat', 'dog'") as caught:
        open_target(root, class_names=CLASSES)
    assert "--unlabelled-target" in str(caught.value)
    plain = open_target(root, class_names=CLASSES, unlabelled=True)
    assert plain.labels is None
    assert plain.class_names == CLASSES


@pytest.mark.parametrize(
    "paths",
    [
        ["1.png", "2.png"],
        ["day1/1.png", "day2/2.png", "3.png"],
        ["day1/a/1.png", "day2/2.png"],
        ["only/1.png", "only/2.png"],
    ],
)
def test_other_targets_are_plain_images(image_folder, paths):
    domain = open_target(image_folder(*paths), class_names=CLASSES)
    assert domain.labels is None
    assert sorted(domain.item_names) == sorted(paths)


def test_required_labels_accept_a_single_known_class(image_folder):
    root = image_folder("dog/1.png", "dog/2.png")
    domain = open_domain(root, labels="required", class_names=CLASSES)
    assert domain.labels.tolist() == [1, 1]
    with pytest.raises(DataError, match="no class folders"):
        open_domain(root / "dog", labels="required", class_names=CLASSES)


def test_empty_target(image_folder):
    with pytest.raises(DataError, match="holds no images"):
        open_target(image_folder(), class_names=CLASSES)


def test_links_are_followed_once(image_folder):
    root = image_folder("cat/1.png", "dog/1.png")
    (root / "dog" / "loop").symlink_to(root)
    elsewhere = image_folder("2.png", name="elsewhere")
    (root / "cat" / "more").symlink_to(elsewhere)
    names = open_source(root).item_names
    assert names == ("cat/1.png", "cat/more/2.png", "dog/1.png")


def test_large_folders_are_decoded_on_demand(image_folder):
    root = image_folder("cat/1.png", "cat/2.png", "dog/1.png")
    (root / "cat" / "0.png").write_bytes(b"no image")
    resident = open_source(root)
    streamed = open_source(root, resident_limit=1000)
    assert isinstance(streamed.store, FileStore)
    assert streamed.skipped == resident.skipped
    again = pickle.loads(pickle.dumps(streamed))
    indices = torch.tensor([2, 0, 1, 1])
    assert torch.equal(again.store.gather(indices), resident.store.gather(indices))
    part = streamed.subset(torch.tensor([2]))
    assert part.item_names == ("dog/1.png",)
    assert torch.equal(part.store.gather(torch.tensor([0])), resident.store.gather(indices[:1]))
    (root / "dog" / "1.png").write_bytes(b"damaged since")
    with pytest.raises(DataError, match=r"dog/1\.png cannot be decoded"):
        streamed.store.gather(torch.tensor([2]))


def test_both_fits(image_folder, monkeypatch):
    root = image_folder("cat/1.png", "dog/1.png")
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    Image.fromarray(pixels).save(root / "cat" / "1.png")
    squashed, cropped = (open_source(root, size=10, fit=fit) for fit in ("squash", "crop"))
    assert cropped.store.tensor[0].min() == 255
    assert squashed.store.tensor[0].min() == 0
    assert torch.equal(squashed.store.tensor[1], cropped.store.tensor[1])


def test_only_some_classes(image_folder):
    root = image_folder("ant/1.png", "bee/1.png", "bee/2.png", "cat/a/1.png", "dog/1.png")
    (root / "empty").mkdir()
    some = open_source(root, only_classes=("dog", "bee"))
    assert some.class_names == ("bee", "dog")
    assert some.item_names == ("bee/1.png", "bee/2.png", "dog/1.png")
    assert some.labels.tolist() == [0, 0, 1]
    assert some.notes == ("2 items of the classes 'ant', 'cat', 'empty' are left out",)
    with pytest.raises(DataError, match=r"has no class 'bees'\. Did you mean 'bee'"):
        open_source(root, only_classes=("bees", "dog"))
    with pytest.raises(DataError, match="single class, 'dog'"):
        open_source(root, only_classes=("dog",))


def test_classes_that_both_have(image_folder):
    one = image_folder("ant/1.png", "bee/1.png", "cat/1.png", name="one")
    two = image_folder("cat/1.png", "bee/1.png", "dog/1.png", name="two")
    with pytest.raises(
        DataError, match="give --classes shared to train on the 2 classes"
    ) as caught:
        open_target(two, class_names=("ant", "bee", "cat"))
    assert "\n" not in str(caught.value)
    shared = shared_classes([one, two])
    assert shared == ("bee", "cat")
    source = open_source(one, only_classes=shared)
    target = open_target(two, class_names=source.class_names, only_classes=shared)
    assert target.item_names == ("bee/1.png", "cat/1.png")
    assert target.labels.tolist() == [0, 1]
    assert target.notes == ("1 item of the class 'dog' is left out",)
    three = image_folder("bee/1.png", "eel/1.png", name="three")
    with pytest.raises(DataError, match="share one class and need two or more"):
        shared_classes([one, three])
    with pytest.raises(DataError, match="has none of the classes 'ant', 'cat'"):
        open_target(three, class_names=("ant", "cat"), only_classes=("ant", "cat"))
    with pytest.raises(DataError, match="four has no classes"):
        shared_classes([one, image_folder("1.png", name="four")])


def test_only_some_classes_of_sets_and_arrays(tmp_path):
    digits = open_source("digits", only_classes=("3", "5", "8"))
    whole = open_source("digits")
    kept = torch.isin(whole.labels, torch.tensor([3, 5, 8]))
    assert digits.class_names == ("3", "5", "8")
    assert torch.equal(digits.store.tensor, whole.store.tensor[kept])
    assert [int(digits.class_names[k]) for k in digits.labels] == whole.labels[kept].tolist()
    x = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)
    np.savez(tmp_path / "a.npz", x=x, y=np.array(["3", "x", "8", "3", "5"]))
    shared = shared_classes(["digits", tmp_path / "a.npz"])
    assert shared == ("3", "5", "8")
    arrays = open_target(tmp_path / "a.npz", class_names=shared, only_classes=shared)
    assert arrays.labels.tolist() == [0, 2, 0, 1]
    assert torch.equal(arrays.store.tensor[..., 0], torch.from_numpy(x[[0, 2, 3, 4]]))
    plain = open_target(
        tmp_path / "a.npz", class_names=shared, only_classes=shared, unlabelled=True
    )
    assert (len(plain), plain.class_names) == (5, shared)


def test_only_some_classes_of_a_table(tmp_path):
    from acclimate.data.table_domains import learn_tables
    from acclimate.data.table_options import TableOptions

    (tmp_path / "a.csv").write_text("x,kind\n" + "1,cat\n2,dog\n3,eel\n" * 4)
    (tmp_path / "b.csv").write_text("x,kind\n" + "1,cat\n2,dog\n3,fox\n" * 4)
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    tables = learn_tables(paths[:1], paths[1], TableOptions(label="kind"))
    shared = shared_classes(paths, tables=tables)
    assert shared == ("cat", "dog")
    source = open_source(paths[0], tables=tables, only_classes=shared)
    assert source.labels.tolist() == [0, 1] * 4
    target = open_target(paths[1], tables=tables, only_classes=shared, class_names=shared)
    assert target.labels.tolist() == [0, 1] * 4


def test_items_are_named_below_their_folder(image_folder, tmp_path):
    root = image_folder("cat/1.png", "dog/1.png")
    assert item_folder(root) == root
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 4, 4), np.uint8), y=[0, 1])
    assert item_folder(tmp_path / "a.npz") is None
    assert item_folder("digits") is None


ODD = (
    "a b",
    "é",
    "emoji 🐈",
    "#hash",
    "100%",
    "two.dots.in",
    "-dash",
    "'quoted\"",
    "ＦＵＬＬ",
    "\\",
)


@pytest.mark.parametrize("resident_limit", [0, 1 << 30])
def test_many_files_with_odd_names_in_nested_folders(
    tmp_path, image_folder, monkeypatch, resident_limit
):
    """A damaged file among a hundred; whoever lists, decodes and keeps them skips just these."""
    from acclimate.data import picture_cache

    monkeypatch.setattr(picture_cache, "WORTHWHILE", 1)
    whole = image_folder("one.png", name="originals") / "one.png"
    (whole.parent / "damaged").write_bytes(b"\x89PNG damaged")
    draw = random.Random(0)
    damaged, names = set(), []
    for number in range(600):
        odd = ODD[number % len(ODD)]
        name = f"class {number % 3}/{'deep/' * (number % 4)}{odd}/{odd} {number}.png"
        (tmp_path / "many" / name).parent.mkdir(parents=True, exist_ok=True)
        broken = draw.random() < 0.01
        os.link(whole.parent / "damaged" if broken else whole, tmp_path / "many" / name)
        names.append(name)
        damaged |= {name} if broken else set()
    cache = picture_cache.PictureCache(tmp_path / "cache", 1 << 30)
    for _ in range(2):
        domain = open_source(tmp_path / "many", size=4, cache=cache, resident_limit=resident_limit)
        assert set(domain.item_names) == set(names) - damaged
        assert {line.partition(": ")[0] for line in domain.skipped} == damaged
        assert [f"class {k}" for k in domain.labels] == [n[:7] for n in domain.item_names]
        assert len(torch.unique(domain.store.gather(torch.arange(len(domain))), dim=0)) == 1
    assert 2 < len(damaged) < 20


def test_names_that_mean_nothing():
    with pytest.raises(UnknownNameError, match="Did you mean 'mnist'"):
        open_source("mnits")
    with pytest.raises(UnknownNameError, match="no existing folder"):
        open_source("./photos/nowhere")
    with pytest.raises(UnknownNameError, match="no existing folder"):
        open_source("")


def test_a_name_that_means_two_things(image_folder, tmp_path, monkeypatch):
    image_folder("cat/1.png", "dog/1.png", name="digits")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"dataset:digits .* \./digits"):
        open_source("digits")
    assert len(open_source("./digits")) == 2
    assert len(open_source("dataset:digits")) == 800
    assert not has_test_split("./digits")


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1))
def test_natural_order_of_numbers_is_that_of_numbers(numbers):
    names = sorted((f"image{n}.png" for n in numbers), key=natural_key)
    assert names == [f"image{n}.png" for n in sorted(numbers)]


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
@example("", "\U00011730:")  # a digit, of Ahom
def test_natural_key_compares_any_two_texts(first, second):
    assert (natural_key(first) < natural_key(second)) in (True, False)


@given(st.sets(st.text(max_size=4), max_size=8))
@example({"A", "a"})
@example({"1", "01", "²"})
def test_no_two_texts_have_the_same_key(texts):
    """The order of a set is another in every process; classes were numbered by it."""
    assert len({natural_key(text) for text in texts}) == len(texts)
