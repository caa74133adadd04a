"""Trains the generator and the CLIP model of LSI-Digits on scikit-learn's digits: ten minutes on one core."""

from __future__ import annotations

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
from scripts.lsi_digits import clip, data, generator, quality

app = typer.Typer(help=__doc__)
Show = Callable[[int, int], None]
_OUT = Path("qdbench/tasks/lsi/digits_data")


@app.command()
def train(
    seed: Annotated[int, typer.Option(min=0, help="Of the split, the initial tensors and the batches.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of both models and their training record.")] = _OUT,
) -> None:
    """Train both models and write them with a record of their training."""
    found = data.load(seed)
    seconds: dict[str, int] = {}
    models: dict[str, dict[str, Any]] = {}
    with Progress(console=console) as bar:
        learners: dict[str, Callable[[Show], dict[str, Any]]] = {
            "generator": lambda show: generator.train(found.varied_training.images, seed, show),
            "clip": lambda show: clip.train(found.varied_training, seed, show),
        }
        for name, learn in learners.items():
            task = bar.add_task(name)
            began = time.process_time()

            def show(done: int, total: int, task: Any = task) -> None:
                bar.update(task, completed=done, total=total)

            models[name] = learn(show)
            seconds[name] = round(time.process_time() - began)
    write(out, models["generator"], models["clip"], found)
    content = record(models["generator"], models["clip"], found, seed, seconds)
    folders.write_json(out / "training.json", content)
    console.print_json(data=content)


def record(
    generated: dict[str, Any], embedded: dict[str, Any], found: data.Data, seed: int, seconds: dict[str, int]
) -> dict[str, Any]:
    """What was trained on what, how, and how good it is."""
    accuracies = {
        name: clip.accuracy(embedded, clip.config(found.varied_training.images), part)
        for name, part in found._asdict().items()
        if name != "training"
    }
    return {
        "seed": seed,
        "data": "scikit-learn's load_digits (UCI Optical Recognition of Handwritten Digits, CC BY 4.0)",
        "images": {name: len(part.images) for name, part in found._asdict().items()},
        "versions": {"jax": jax.__version__, "numpy": np.__version__, "scikit-learn": sklearn.__version__},
        "generator": {
            **generator.SETTINGS,
            "cpu_seconds": seconds["generator"],
            "parameters": _count(array for name, array in generated.items() if generator.trained(name)),
            "quality": quality.measure(generated, found.varied_training, found.varied_held_out, seed),
        },
        "clip": {
            **clip.SETTINGS,
            "cpu_seconds": seconds["clip"],
            "parameters": _count(embedded.values()),
            "zero_shot_accuracy": {
                name: dict(zip(("number", "weight", "slant"), (round(share, 4) for share in shares), strict=True))
                for name, shares in accuracies.items()
            },
        },
    }


def write(out: Path, generated: dict[str, Any], embedded: dict[str, Any], found: data.Data) -> None:
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
    end = data.VOCABULARY.index(data.END)
    towers["text_config"] |= {
        "vocab_size": len(data.VOCABULARY),
        "max_position_embeddings": data.LONGEST,
        "bos_token_id": data.VOCABULARY.index(data.START),
        "eos_token_id": end,
        "pad_token_id": 0,
    }
    towers["vision_config"] |= {"num_channels": 1, "image_size": clip.SIDE, "patch_size": clip.PATCH}
    folders.write(
        out / "clip",
        embedded,
        {
            folders.CONFIG: {"model_type": "clip", "projection_dim": clip.EMBEDDING, **towers},
            folders.PREPROCESSOR: {"image_mean": list(setting.mean), "image_std": list(setting.deviation)},
            folders.TOKENIZER: _tokenizer(),
        },
    )


def _tokenizer() -> dict[str, Any]:
    ids = {word: index for index, word in enumerate(data.VOCABULARY)}
    special = [{"SpecialToken": {"id": word, "type_id": 0}} for word in (data.START, data.END)]
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": data.LONGEST, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special[0], {"Sequence": {"id": "A", "type_id": 0}}, special[1]],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {
                word: {"id": word, "ids": [ids[word]], "tokens": [word]} for word in (data.START, data.END)
            },
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": ids, "unk_token": data.VOCABULARY[0]},
    }


def _count(tensors: Iterable[Any]) -> int:
    return int(sum(array.size for array in tensors))


if __name__ == "__main__":
    app()
