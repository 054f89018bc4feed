"""Drawn people, and small models that tell them apart."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from acclimate.core.types import Spec
from acclimate.data.preprocessing import Preprocessing
from acclimate.models.files import ModelDescription, save_model
from acclimate.models.network import build_network
from acclimate.training.inference import LoadedModel

HEIGHT, WIDTH = 32, 16
SPEC = Spec((3, HEIGHT, WIDTH), (), objective="retrieval")
OPTIONS = {"maps": 4, "descriptor": 8, "normalisation": "batch"}


def draw_person(path: Path, person: int, camera: int) -> Path:
    """A head, a jacket and trousers in three colours of one's own; a camera has a light of its own."""
    colours = np.random.default_rng(person).integers(20, 236, (3, 3))
    light = np.random.default_rng([camera, 7]).integers(0, 50, 3)
    noise = np.random.default_rng([person, camera]).integers(0, 20, (HEIGHT, WIDTH, 3))
    image = Image.new("RGB", (WIDTH, HEIGHT), tuple(int(value) for value in 90 + light))
    draw = ImageDraw.Draw(image)
    for box, colour in zip(((6, 2, 10, 7), (3, 8, 9, 19), (5, 20, 11, 31)), colours, strict=True):
        draw.rectangle(box, fill=tuple(int(value) for value in colour))
    pixels = np.clip(np.asarray(image) + noise.astype(int), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def draw_people(root: Path, people, cameras=(1, 2)) -> Path:
    """``0003_c1_1.png`` and so on: each of ``people`` as each camera sees them."""
    for person in people:
        for camera in cameras:
            draw_person(root / f"{person:04}_c{camera}_1.png", person, camera)
    return root


def people_model(seed=0, mirrored=True, **options) -> LoadedModel:
    torch.manual_seed(seed)
    network = build_network("strips-cnn", {**OPTIONS, **options}, SPEC).eval()
    return LoadedModel(network, Preprocessing(kind="per-image"), SPEC, mirrored=mirrored)


def save_people_model(folder: Path, seed=0) -> Path:
    """A folder with a model alone, as a run leaves it."""
    description = ModelDescription(
        network="strips-cnn",
        options=OPTIONS,
        input_shape=SPEC.input_shape,
        class_names=(),
        objective="retrieval",
        preprocessing={"kind": "per-image"},
    )
    save_model(folder, people_model(seed).network, description)
    return folder


def descriptor_of(model: LoadedModel, path: Path, mirrored=True) -> np.ndarray:
    """One picture at a time, in float64 after the network, from the paper's formula."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))
    looks = [pixels, pixels[:, ::-1]] if mirrored else [pixels]
    found = []
    for look in looks:
        inputs = model.preprocessing(torch.from_numpy(look.copy())[None])
        with torch.no_grad():
            row = model.network(inputs).layers[model.network.feature_layer][0].double().numpy()
        found.append(row / np.linalg.norm(row))
    return np.mean(found, axis=0)
