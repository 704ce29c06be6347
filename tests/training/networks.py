"""Networks with random weights that say something at every point."""

import torch

from maskweave.training.network import Architecture, CompactNet


def random_network(classes=2, *, slope=0.0, seed=0):
    """A compact network whose scores, boxes and masks differ from point to point; nothing was learned."""
    torch.manual_seed(seed)
    network = CompactNet(Architecture(classes)).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("bias", "masks.kernels.weight")) or ".classes." in name:
                parameter.add_(0.2 * torch.randn(parameter.shape))
    network.set_slope(slope)
    return network
