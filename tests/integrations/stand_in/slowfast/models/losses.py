from torch import nn

_LOSSES = {"cross_entropy": nn.CrossEntropyLoss}


def get_loss_func(name):
    return _LOSSES[name]
