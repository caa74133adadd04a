"""Trains the generator and the CLIP model of LSI-Digits (ten minutes on one core) or of LSI-Fashion (an hour)."""

from __future__ import annotations

import dataclasses
import enum
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import sklearn
import typer
from rich.progress import Progress

from qdbench.tasks.lsi import folders
from qdbench.terminal import console
from scripts.lsi import clip, digits, fashion, generator, quality
from scripts.lsi.subject import END, START, Data, Subject

app = typer.Typer(help=__doc__)
Show = Callable[[int, int], None]
_FOLDER = Path("qdbench/tasks/lsi")


class Name(enum.StrEnum):
    """Of what is in the pictures."""

    digits = "digits"
    fashion = "fashion"


@app.command()
def train(
    name: Annotated[Name, typer.Argument(help="What is in the pictures; fashion reads Fashion-MNIST.")],
    seed: Annotated[int, typer.Option(min=0, help="Of the split, the initial tensors and the batches.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of both models and their training record.")] = None,
) -> None:
    """Train both models and write them with a record of their training."""
    subject, load = {Name.digits: (digits.SUBJECT, digits.load), Name.fashion: (fashion.SUBJECT, fashion.load)}[name]
    found, folder = load(seed), out or _FOLDER / f"{name}_data"
    seconds: dict[str, int] = {}
    models: dict[str, dict[str, Any]] = {}
    with Progress(console=console) as bar:
        learners: dict[str, Callable[[Show], dict[str, Any]]] = {
            "generator": lambda show: generator.train(subject, found.varied_training.images, seed, show),
            "clip": lambda show: clip.train(subject, found.varied_training, seed, show),
        }
        for part, learn in learners.items():
            task = bar.add_task(part)
            began = time.process_time()

            def show(done: int, total: int, task: Any = task) -> None:
                bar.update(task, completed=done, total=total)

            models[part] = learn(show)
            seconds[part] = round(time.process_time() - began)
    write(folder, subject, models["generator"], models["clip"], found)
    content = record(subject, models["generator"], models["clip"], found, seed, seconds)
    folders.write_json(folder / "training.json", content)
    console.print_json(data=content)


def record(
    subject: Subject,
    generated: dict[str, Any],
    embedded: dict[str, Any],
    found: Data,
    seed: int,
    seconds: dict[str, int],
) -> dict[str, Any]:
    """What was trained on what, how, and how good it is."""
    accuracies = {
        name: clip.accuracy(subject, embedded, clip.config(found.varied_training.images), part)
        for name, part in found._asdict().items()
        if name != "training"
    }
    told = ("class", *(measure.__name__ for measure in subject.measures))
    return {
        "seed": seed,
        "data": subject.source,
        "images": {name: len(part.images) for name, part in found._asdict().items()},
        "versions": {"jax": jax.__version__, "numpy": np.__version__, "scikit-learn": sklearn.__version__},
        "generator": {
            **dataclasses.asdict(subject.generator),
            "cpu_seconds": seconds["generator"],
            "parameters": _count(array for name, array in generated.items() if generator.trained(name)),
            "quality": quality.measure(subject, generated, found.varied_training, found.varied_held_out, seed),
        },
        "clip": {
            **dataclasses.asdict(subject.clip),
            "cpu_seconds": seconds["clip"],
            "parameters": _count(embedded.values()),
            "zero_shot_accuracy": {
                name: dict(zip(told, (round(share, 4) for share in shares), strict=True))
                for name, shares in accuracies.items()
            },
        },
    }


def write(out: Path, subject: Subject, generated: dict[str, Any], embedded: dict[str, Any], found: Data) -> None:
    """Writes both checkpoint folders."""
    folders.write(out / "generator", generated, {folders.CONFIG: {"architecture": "stylegan2", "clamp": None}})
    setting = clip.config(found.varied_training.images)
    towers = {
        f"{tower}_config": {
            "hidden_size": width,
            "intermediate_size": clip.RATIO * width,
            "num_hidden_layers": clip.LAYERS[tower],
            "num_attention_heads": clip.HEADS[tower],
            "hidden_act": setting.activation,
            "layer_norm_eps": setting.epsilon,
            "projection_dim": clip.EMBEDDING,
        }
        for tower, width in clip.WIDTHS.items()
    }
    towers["text_config"] |= {
        "vocab_size": len(subject.vocabulary),
        "max_position_embeddings": subject.longest,
        "bos_token_id": subject.vocabulary.index(START),
        "eos_token_id": subject.vocabulary.index(END),
        "pad_token_id": 0,
    }
    towers["vision_config"] |= {"num_channels": 1, "image_size": subject.side, "patch_size": subject.clip.patch}
    folders.write(
        out / "clip",
        embedded,
        {
            folders.CONFIG: {"model_type": "clip", "projection_dim": clip.EMBEDDING, **towers},
            folders.PREPROCESSOR: {"image_mean": list(setting.mean), "image_std": list(setting.deviation)},
            folders.TOKENIZER: _tokenizer(subject),
        },
    )


def _tokenizer(subject: Subject) -> dict[str, Any]:
    ids = {word: index for index, word in enumerate(subject.vocabulary)}
    special = [{"SpecialToken": {"id": word, "type_id": 0}} for word in (START, END)]
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": subject.longest, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special[0], {"Sequence": {"id": "A", "type_id": 0}}, special[1]],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {word: {"id": word, "ids": [ids[word]], "tokens": [word]} for word in (START, END)},
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": ids, "unk_token": subject.vocabulary[0]},
    }


def _count(tensors: Iterable[Any]) -> int:
    return int(sum(array.size for array in tensors))


if __name__ == "__main__":
    app()
