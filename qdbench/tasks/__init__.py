"""The standard tasks, one a file. Importing this package registers their ids and imports none of them."""

from qdbench.registry import TASKS
from qdbench.tasks.bbob.names import NAMES

TASKS.register(
    "LP-Sphere-v0",
    "qdbench.tasks.linear_projection:make",
    summary="linear projection with the sphere objective (QD, differentiable)",
    function="sphere",
)
TASKS.register(
    "LP-Rastrigin-v0",
    "qdbench.tasks.linear_projection:make",
    summary="linear projection with the Rastrigin objective (QD, differentiable)",
    function="rastrigin",
)
TASKS.register(
    "Arm-v0",
    "qdbench.tasks.arm:make",
    summary="arm repertoire: end effector positions of a planar arm (QD, differentiable)",
)
TASKS.register(
    "LSI-Digits-v0",
    "qdbench.tasks.lsi.digits:make",
    summary="latent space illumination: pictures of a wanted digit, by ink and slant (QD, differentiable)",
)
TASKS.register(
    "LSI-Digits-CLIP-v0",
    "qdbench.tasks.lsi.digits_clip:make",
    summary="latent space illumination: pictures of digits by texts alone (QD, differentiable)",
)
TASKS.register(
    "LSI-Fashion-v0",
    "qdbench.tasks.lsi.fashion:make",
    summary="latent space illumination: pictures of a wanted article, by ink and width (QD, differentiable)",
)
TASKS.register(
    "LSI-StyleGAN-CLIP-v0",
    "qdbench.tasks.lsi.stylegan_clip:make",
    summary="latent space illumination of StyleGAN with CLIP (QD, differentiable; needs weights: docs/lsi.md)",
    kind="stylegan",
)
TASKS.register(
    "LSI-StyleGAN2-CLIP-v0",
    "qdbench.tasks.lsi.stylegan_clip:make",
    summary="latent space illumination of StyleGAN2 with CLIP (QD, differentiable; needs weights: docs/lsi.md)",
    kind="stylegan2",
)
TASKS.register(
    "BBOB-v0",
    "qdbench.tasks.bbob.task:make",
    summary="BBOB with COCO's instances: functions 1 to 24 (single objective, differentiable)",
)
for _number, _name in enumerate(NAMES, start=1):
    TASKS.register(
        f"BBOB-F{_number:02d}-v0", "qdbench.tasks.bbob.task:make_one", summary=f"BBOB: {_name}", function=_number
    )
TASKS.register(
    "BBOB-Noisy-v0",
    "qdbench.tasks.bbob.noisy:make",
    summary="BBOB with Gaussian, uniform or Cauchy noise: functions 101 to 130 (single objective)",
)
TASKS.register(
    "HPOB-v0",
    "qdbench.tasks.hpob.task:make",
    summary="HPO-B: hyperparameters of classifiers, judged by its surrogates (single objective; needs its data)",
    data="hpob",
)
TASKS.register(
    "HPO-Mini-v0",
    "qdbench.tasks.hpob.mini:make",
    summary="HPO-Mini: hyperparameters of scikit-learn's models, judged by surrogates (single objective; embedded)",
)
TASKS.register(
    "HPO-Own-v0",
    "qdbench.tasks.hpob.task:make_own",
    summary="hyperparameters judged by surrogates of your own (single objective; needs a pack)",
)
for _environment, _factory, _package, _summary in (
    ("Pendulum", "make", None, "a pendulum that swings up"),
    ("Ant", "make", "brax", "Brax's ant (needs brax)"),
    ("HalfCheetah", "make", "brax", "Brax's half-cheetah (needs brax)"),
    ("Hopper", "make", "brax", "Brax's hopper (needs brax)"),
    ("Reacher", "make", "brax", "Brax's reacher (needs brax)"),
    ("Walker2d", "make", "brax", "Brax's walker (needs brax)"),
    ("SpaceInvaders", "make_minatar", None, "Space Invaders of MinAtar"),
    ("Breakout", "make_minatar", None, "Breakout of MinAtar"),
    ("Asterix", "make_minatar", None, "Asterix of MinAtar"),
):
    TASKS.register(
        f"Neuro-{_environment}-v0",
        f"qdbench.tasks.neuroevolution.control:{_factory}",
        summary=f"weights of a policy for {_summary} (QD, neuroevolution)",
        requires=_package,
        environment=_environment,
    )
for _id, _source, _title in (
    ("Neuro-MNIST-v0", "mnist", "MNIST"),
    ("Neuro-FashionMNIST-v0", "fashion_mnist", "Fashion-MNIST"),
    ("Neuro-KMNIST-v0", "kmnist", "K-MNIST"),
    ("Neuro-Digits-v0", "digits", "scikit-learn's digits"),
):
    TASKS.register(
        _id,
        "qdbench.tasks.neuroevolution.images:make",
        summary=f"weights of a convolutional network that classifies {_title} (QD, neuroevolution)",
        data=None if _source == "digits" else _source,
        source=_source,
    )
