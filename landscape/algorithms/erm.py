"""Empirical risk minimisation, and what every other algorithm shares with it until it starts to differ."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam

from landscape.config import RunConfig
from landscape.data import Minibatch
from landscape.fgmix import FeatureMoments
from landscape.hardware import autocast
from landscape.models import Network


class ERM:
    """Adam on the mean cross entropy of the pooled source minibatches (algorithms: ERM).

    It also tracks the moving moments of the latent codes, which a weight policy's prior needs from the
    first step on (FGMix paper, section 3.3), so that any algorithm can branch from its trajectory.

    Args:
        network: the network to train, on its device.
        config: learning rate, weight decay, momentum of the moments, precision.
    """

    def __init__(self, network: Network, config: RunConfig) -> None:
        self.network = network
        self.config = config
        self.device = next(network.parameters()).device
        # A network without separate featurizer and classifier has no latent codes.
        self.moments: FeatureMoments | None = None
        if network.split:
            self.moments = FeatureMoments(network.feature_dim, momentum=config.mixup.momentum).to(self.device)
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.optimizers = {"base": adam(trained, config.lr, config.weight_decay)}

    def update(self, batch: Minibatch, step: int) -> dict[str, Tensor]:
        """One update; `step` counts from 1. Returns what to log, as scalar tensors on the device."""
        if self.network.split:
            codes, labels = self.featurize(batch)
            logits = self.network.classifier(codes)
        else:
            labels = batch.labels.flatten()
            with self.autocast():
                logits = self.network(batch.images.flatten(0, 1)).float()
        loss = F.cross_entropy(logits, labels)
        self.base_step(loss)
        return {"loss": loss.detach()}

    def featurize(self, batch: Minibatch) -> tuple[Tensor, Tensor]:
        """Latent codes (nB, D) in float32 and labels (nB,) of the pooled batch, domain after domain.

        The codes enter the moving moments.
        """
        with self.autocast():
            codes = self.network.featurizer(batch.images.flatten(0, 1))
        codes = codes.float()
        if self.moments is not None:
            self.moments.update(codes.detach())
        return codes, batch.labels.flatten()

    def base_step(self, loss: Tensor) -> None:
        """Adam on featurizer and classifier."""
        optimizer = self.optimizers["base"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def autocast(self) -> torch.autocast:
        """bf16 for the featurizer when the run's precision says so."""
        return autocast(self.device, self.config.precision)

    def modules(self) -> dict[str, torch.nn.Module]:
        """Trained or tracked modules beyond the network, by the name they have in a checkpoint."""
        return {"moments": self.moments} if self.moments is not None else {}

    def tensors(self) -> dict[str, Tensor]:
        """The state beyond the network that goes into every checkpoint."""
        return {f"{name}/{key}": t for name, module in self.modules().items() for key, t in module.state_dict().items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a saved state. Modules that it lacks keep their own (a trunk knows no policy)."""
        for name, module in self.modules().items():
            saved = {key.removeprefix(f"{name}/"): t for key, t in tensors.items() if key.startswith(f"{name}/")}
            if saved:
                module.load_state_dict(saved)


def adam(parameters: list[torch.nn.Parameter], lr: float, weight_decay: float = 0.0) -> Adam:
    """Adam with L2 inside (coupled), as DomainBed uses it; the fused kernel where the device has one."""
    fused = parameters[0].device.type in ("cpu", "cuda")
    return Adam(parameters, lr=lr, weight_decay=weight_decay, fused=fused)
