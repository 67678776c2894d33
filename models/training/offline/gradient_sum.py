"""Gradients of one optimizer step over the windows of all processes of a training."""

import torch
from torch import Tensor

from models.network.interest_network import ITEM_TABLES, InterestNetwork
from models.training.loss import Gradients, SampledCandidates
from models.training.offline.process_group import ProcessGroup
from models.training.optimizer import RowGradient


def sum_gradients(
    gradients: Gradients | None, network: InterestNetwork, candidates: SampledCandidates, group: ProcessGroup
) -> Gradients | None:
    """Those of all processes' windows together, the same in each; None where none of them has a target.

    All processes must have the same network and candidates. `own` is None where this one has no target.
    """
    if group.size == 1:
        return gradients
    device = network.item.device
    by_name = {} if gradients is None else {gradient.name: gradient.values for gradient in gradients.row_gradients}
    weight = 0.0 if gradients is None else gradients.weight
    shapes = _shapes(network, len(candidates.log_count))
    # One message: the weight, the loss, which parameters have a gradient (a part without text has none of text's), and
    # the gradients, all as sums over the targets instead of means.
    head = [weight, 0.0 if gradients is None else gradients.loss * weight, *(float(name in by_name) for name in shapes)]
    values = [
        by_name[name].float() * weight if name in by_name else torch.zeros(shape, device=device)
        for name, shape in shapes.items()
    ]
    message = torch.cat([torch.tensor(head, device=device), *(value.flatten() for value in values)])
    group.sum(message)
    head, rest = message[: len(head)].tolist(), message[len(head) :]
    total = head[0]
    if not total:
        return None
    rows = torch.arange(len(candidates.log_count)) if candidates.rows is None else torch.from_numpy(candidates.rows)
    rows = rows.to(device)
    row_gradients, low = [], 0
    for (name, shape), used in zip(shapes.items(), head[2:], strict=True):
        part = rest[low : low + shape.numel()].view(shape)
        low += shape.numel()
        if used:
            row_gradients.append(RowGradient(name, part / total, rows if name in ITEM_TABLES else None))
    return Gradients(head[1] / total, total, row_gradients)


def _shapes(network: InterestNetwork, rows: int) -> dict[str, torch.Size]:
    """Shape of each parameter's gradient where the loss compares so many items."""

    def shape(name: str, parameter: Tensor) -> torch.Size:
        return torch.Size((rows, *parameter.shape[1:])) if name in ITEM_TABLES else parameter.shape

    return {name: shape(name, parameter) for name, parameter in network.named_parameters()}
