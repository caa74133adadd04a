"""The 24 functions by their numbers."""

from __future__ import annotations

from qdbench.tasks.bbob import ill_conditioned, moderate, multimodal, separable, weakly_structured
from qdbench.tasks.bbob.definition import Function

FUNCTIONS: dict[int, Function] = {
    function.number: function
    for module in (separable, moderate, ill_conditioned, multimodal, weakly_structured)
    for function in module.FUNCTIONS
}
