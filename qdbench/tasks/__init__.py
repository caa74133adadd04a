"""The standard tasks, one a file. Importing this package registers their ids and imports none of them."""

from qdbench.registry import TASKS

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
