"""Optimizers of other libraries, as they are, behind qdbench's protocol. Each needs its package.

Importing this package imports none of them.
"""

from __future__ import annotations

from qdbench.registry import OPTIMIZERS

# All that evosax 0.3 ships but LGA, which is evosax-lga with the settings of its paper, and CMAAnchoredLES.
_EVOSAX = (
    "ARS", "ASEBO", "CMA_ES", "CR_FM_NES", "DES", "DifferentialEvolution", "DiffusionEvolution", "ESMC", "EvoTF_ES",
    "GESMR_GA", "GradientlessDescent", "GuidedES", "HillClimbing", "LES", "LM_MA_ES", "MA_ES", "MR15_GA",
    "NoiseReuseES", "Open_ES", "PGPE", "PSO", "PersistentES", "RandomSearch", "Rm_ES", "SAMR_GA", "SNES", "SV_CMA_ES",
    "SV_Open_ES", "Sep_CMA_ES", "SimpleES", "SimpleGA", "SimulatedAnnealing", "iAMaLGaM_Full", "iAMaLGaM_Univariate",
    "xNES",
)  # fmt: skip

_OTHERS = (
    ("evosax-lga", "evosax", "evosax_lga:make", "evosax's learned GA with the parameters that evosax ships"),
    ("evosax-cmaanchoredles", "evosax", "evosax_algorithms:make_cma_anchored_les", "evosax's CMAAnchoredLES"),
    ("pyribs-cma-me", "ribs", "pyribs_searches:make_cma_me", "pyribs' CMA-ME"),
    ("pyribs-cma-mae", "ribs", "pyribs_searches:make_cma_mae", "pyribs' CMA-MAE"),
    ("pyribs-cma-mega", "ribs", "pyribs_searches:make_cma_mega", "pyribs' CMA-MEGA"),
    ("pyribs-cma-maega", "ribs", "pyribs_searches:make_cma_maega", "pyribs' CMA-MAEGA"),
    ("pycma-cma-es", "cma", "pycma_es:PycmaEs", "pycma's CMA-ES, restarted when it stops"),
    ("nevergrad-de", "nevergrad", "nevergrad_optimizers:make_de", "nevergrad's differential evolution"),
    ("nevergrad-pso", "nevergrad", "nevergrad_optimizers:make_pso", "nevergrad's particle swarm"),
    ("scipy-de", "scipy", "scipy_de:ScipyDe", "SciPy's differential evolution"),
)


def register() -> None:
    """Registers their ids."""
    for algorithm in _EVOSAX:
        id = f"evosax-{algorithm.lower().replace('_', '-')}"
        made_by = "baselines.third_party.evosax_algorithms:make"
        OPTIMIZERS.register(id, made_by, summary=f"evosax's {algorithm}", requires="evosax", algorithm=algorithm)
    for id, package, made_by, summary in _OTHERS:
        OPTIMIZERS.register(id, f"baselines.third_party.{made_by}", summary=summary, requires=package)
