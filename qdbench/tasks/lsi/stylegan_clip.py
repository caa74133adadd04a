"""LSI-StyleGAN-CLIP and LSI-StyleGAN2-CLIP: faces by texts, the paper's latent space illumination."""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key

from qdbench.arguments import check_integer
from qdbench.datasets import DataError
from qdbench.protocols import Evaluation, Task, precision_of
from qdbench.spec import Measure, TaskSpec
from qdbench.tasks.lsi import clip, folders, prompts
from qdbench.tasks.lsi.checkpoints.known import find
from qdbench.tasks.lsi.derivatives import evaluate_rows
from qdbench.tasks.lsi.latents import Whitened, whiten
from qdbench.tasks.lsi.layers import Noise, matmul
from qdbench.tasks.lsi.resize import Resize, resize

Score = Literal["inverse", "angle"]
Latent = Literal["w", "w+"]

_CELLS = 200
_BUDGET = 360_100
_FLOOR = 0.05
# Of images of this many pixels a side, so many fit a batch; as many times more as they have fewer pixels.
_SIDE, _IMAGES = 1024, 4
_BOUNDS: dict[Score, tuple[float, float, str]] = {"inverse": (0.0, 6.0, ""), "angle": (1.0, 1.6, "radians")}
_OBJECTIVE, _FIRST, _SECOND = "Elon Musk with short hair.", "A man with blue eyes.", "A person with red hair."
_CITATIONS = ("fontaine2021dqd", "radford2021clip")


class StyleGanClip(Task):
    r"""Latent space illumination of a StyleGAN generator with CLIP, for users who have both models' weights.

    A solution is a latent. With ``latent="w"`` it is one w of the generator for all layers, and 0 is w = 0, as in
    fontaine2021dqd; with ``latent="w+"`` it is a point of the whitened W+ space
    (:class:`~qdbench.tasks.lsi.latents.Whitened`), as in the later fontaine2023cmamae, and 0 is the mean face. The
    generator's image is mapped to [0, 1] by (x + 1) / 2 (not clipped), resized and normalised as CLIP expects. With
    :math:`c(t)` the cosine between CLIP's embeddings of the image and of the text t, the loss is
    :math:`L(t) = 1 / \max(c(t), 0.05)` and

    .. math:: f = 100 - 10 L(t_0), \qquad m_1 = L(t_1), \qquad m_2 = L(t_2), \qquad m \in [0, 6]^2,

    200 x 200 cells. A lower measure is a better match. With ``score="angle"``, for models whose cosines may be
    negative, :math:`f = 100 (1 - a(t_0) / \pi)` and the measures are the angles :math:`a(t_1), a(t_2)` in [1, 1.6].

    Where the published code differs, an argument follows it: ``noise="fresh"`` (noise inputs are drawn again at every
    call; here ``"const"``), ``normalize=False`` (CLIP gets the generator's values without mapping and normalisation),
    ``resize="corners"`` (no antialiasing), and the prompt ``first="An man with blue eyes."``. It has no lower bound of
    the cosine, computes f, m and their gradients from images of different noise, and hands out the measures'
    gradients with the wrong sign; these are not offered.

    Images are made ``image_batch`` at a time and made again for gradients, so that memory does not grow with the batch.
    The texts are embedded once, when the task is made.

    Shapes: solutions ``(batch, w_dim)`` or, with w+, ``(batch, num_ws * w_dim)``, objective ``(batch,)``, measures
    ``(batch, 2)``.

    Source: fontaine2021dqd, section 5; karras2019stylegan or karras2020stylegan2; radford2021clip.

    Version history: LSI-StyleGAN-CLIP-v0, LSI-StyleGAN2-CLIP-v0: as described.
    """

    spec: TaskSpec = eqx.field(static=True)
    generator: folders.Generator
    clip: clip.Clip
    whitened: Whitened | None
    texts: Float[Array, "3 embedding"]
    score: Score = eqx.field(static=True)
    noise: Noise = eqx.field(static=True)
    normalize: bool = eqx.field(static=True)
    resize: Resize = eqx.field(static=True)
    image_batch: int = eqx.field(static=True)

    def images(
        self, solutions: Float[Array, "batch dim"], key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch h w colors"]:
        """The images of solutions, in about [0, 1]; without a key, those of fresh noise have none."""
        return (self._generated(solutions, key) + 1) / 2

    def _evaluate(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch n"], gradients: bool) -> Evaluation:
        if self.noise == "fresh" and key is None:
            raise ValueError(f"{self.spec.id} with fresh noise needs a key: evaluate(jax.random.key(0), solutions)")
        batch, chunk = solutions.shape[0], min(self.image_batch, solutions.shape[0])
        chunks = -(-batch // chunk)
        padded = jnp.concatenate([solutions, jnp.repeat(solutions[-1:], chunks * chunk - batch, axis=0)])
        keys = jax.random.split(key, chunks) if self.noise == "fresh" and key is not None else jnp.zeros(chunks)

        def one(part: tuple[Array, Any]) -> tuple[Array, ...]:
            drawn = part[1] if self.noise == "fresh" else None
            return tuple(
                field
                for field in evaluate_rows(
                    jax.checkpoint(lambda rows: self._values(rows, drawn)), part[0], gradients, sequential=True
                )
                if field is not None
            )

        parts = padded.reshape(chunks, chunk, -1), keys
        fields = lax.map(one, parts)
        return Evaluation(*(field.reshape(-1, *field.shape[2:])[:batch] for field in fields))

    def _values(self, solutions: Array, key: Key[Array, ""] | None) -> Array:
        images = self._generated(solutions, key)
        images = resize((images + 1) / 2 if self.normalize else images, self.clip.side, self.resize)
        pictures = self.clip.embed_images(self.clip.normalize(images) if self.normalize else images)
        if self.score == "angle":
            found = clip.angles(pictures, self.texts)
            return jnp.concatenate([100 * (1 - found[:, :1] / np.pi), found[:, 1:]], axis=1)
        losses = 1 / jnp.maximum(matmul(pictures, self.texts.T), _FLOOR)
        return jnp.concatenate([100 - 10 * losses[:, :1], losses[:, 1:]], axis=1)

    def _generated(self, solutions: Array, key: Key[Array, ""] | None) -> Array:
        ws = self.generator.repeat(solutions) if self.whitened is None else self.whitened(solutions)
        return self.generator.synthesize(ws, "off" if self.noise == "fresh" and key is None else self.noise, key)


def make(
    id: str,
    kind: Literal["stylegan", "stylegan2"],
    generator: str = "",
    model: str = "",
    prompt: str = _OBJECTIVE,
    first: str = _FIRST,
    second: str = _SECOND,
    latent: str = "",
    score: str = "inverse",
    noise: str = "const",
    normalize: bool = True,
    resize: str = "antialias",
    image_batch: int = 0,
) -> StyleGanClip:
    """Makes the task.

    Args:
        id: The registered id.
        kind: The generator's architecture.
        generator: The folder that ``qdbench data import`` made of a generator; empty for that of the data folder.
        model: The folder of CLIP; empty for that of the data folder.
        prompt: The text of the objective.
        first: The text of the first measure.
        second: The text of the second measure.
        latent: ``"w"``, or ``"w+"`` for the whitened W+; empty for w with StyleGAN and w+ with StyleGAN2.
        score: ``"inverse"`` or ``"angle"``.
        noise: ``"const"``, ``"fresh"`` or ``"off"``.
        normalize: Whether CLIP gets normalised images.
        resize: ``"antialias"`` or ``"corners"``.
        image_batch: Images at a time; 0 for as many as some 4 GB hold. It does not change results beyond rounding, so
            it is no part of the spec.

    Raises:
        DataError: If a checkpoint is missing, damaged or of another kind, or a text takes a missing tokenizer.
        ValueError: If an argument has another value.
    """
    latent = latent or ("w" if kind == "stylegan" else "w+")
    choices = {"latent": (latent, Latent), "score": (score, Score), "noise": (noise, Noise), "resize": (resize, Resize)}
    for name, (value, known) in choices.items():
        if value not in get_args(known):
            raise ValueError(f"{id}: {name} must be one of {', '.join(get_args(known))}, but it is {value!r}")
    image_batch = check_integer(id, "image_batch", image_batch, 0)
    folder, clip_folder = find(kind, generator), find("clip", model)
    made, tower = folders.load_generator(folder), folders.load_clip(clip_folder)
    if folders.architecture(folder) != kind:
        raise DataError(f"{folder} holds a {folders.architecture(folder)} generator; {id} takes {kind}")
    if made.colors != tower.mean.shape[0]:
        raise DataError(f"{folder} makes images of {made.colors} colours, {clip_folder} takes {tower.mean.shape[0]}")
    given = {name: value for name, value in (("generator", generator), ("model", model)) if value}
    low, high, unit = _BOUNDS[score]  # type: ignore[index]
    spec = TaskSpec(
        id=id,
        arguments={
            **given,
            "prompt": prompt,
            "first": first,
            "second": second,
            "latent": latent,
            "score": score,
            "noise": noise,
            "normalize": normalize,
            "resize": resize,
        },
        family=f"lsi-{kind}",
        summary=f"Latent space illumination of {kind}, {made.resolution} x {made.resolution}: {prompt}",
        dim=made.w_dim * (made.num_ws if latent == "w+" else 1),
        measures=tuple(Measure(name=text, low=low, high=high, unit=unit) for text in (first, second)),
        archive_shape=(_CELLS, _CELLS),
        objective_range=(0.0, 100.0),
        budget=_BUDGET,
        differentiable=True,
        deterministic=noise != "fresh",
        citations=(*_CITATIONS, "karras2019stylegan" if kind == "stylegan" else "karras2020stylegan2"),
    )
    with precision_of(spec):
        ids = clip.pad([prompts.encode(clip_folder, text) for text in (prompt, first, second)], prompts.LONGEST)
        return StyleGanClip(
            spec=spec,
            generator=made,
            clip=tower,
            whitened=whiten(made, spec.precision) if latent == "w+" else None,
            texts=jax.jit(lambda known: tower.embed_texts(known))(jnp.asarray(ids)),
            score=score,  # type: ignore[arg-type]
            noise=noise,  # type: ignore[arg-type]
            normalize=normalize,
            resize=resize,  # type: ignore[arg-type]
            image_batch=image_batch or max(1, _IMAGES * (_SIDE // made.resolution) ** 2),
        )
