"""Models of any make, as the algorithms train them: one vector, and a gradient over rows."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.learning.modules.estimator import PartialFitModel
    from confide.learning.modules.factory import model_factory
    from confide.learning.modules.layout import Layout
    from confide.learning.modules.linear import LinearModel
    from confide.learning.modules.model import Averaged, Model, Session
    from confide.learning.modules.torch_model import TorchModel

__all__ = [
    "Averaged",
    "Layout",
    "LinearModel",
    "Model",
    "PartialFitModel",
    "Session",
    "TorchModel",
    "model_factory",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.learning.modules.estimator": ("PartialFitModel",),
            "confide.learning.modules.factory": ("model_factory",),
            "confide.learning.modules.layout": ("Layout",),
            "confide.learning.modules.linear": ("LinearModel",),
            "confide.learning.modules.model": ("Averaged", "Model", "Session"),
            "confide.learning.modules.torch_model": ("TorchModel",),
        },
    )
