"""Heads, which sit on the pooled feature: the projection MLP, BYOL's predictor, the classifier."""

from __future__ import annotations

from fvcore.common.config import CfgNode
from fvcore.nn.weight_init import c2_xavier_fill
from torch import Tensor, nn

from rhovideo.models.sync_batchnorm import Norm, embedding_norm_layer, mlp_norm_layer


class ProjectionMLP(nn.Module):
    """Linear, [batch norm], ReLU, ..., Linear, as in the released code, and a last norm where it is asked for.

    A hidden linear layer has no bias if a batch norm follows it. The layers are in ``layers`` (an ``nn.Sequential``).
    They are initialised as in the released code: Xavier-like uniform, but a Gaussian for a single layer.

    Args:
        dim_in: size of the input.
        hidden: width of the hidden layers.
        dim_out: size of the output.
        num_layers: linear layers, at least 1; 1 is a plain linear layer.
        norm: makes the batch norm after each hidden layer; called with ``num_features``. None: no norm.
        single_std: standard deviation of the weights of a single layer.
        last_norm: makes a norm after the last layer; called with ``num_features``. None: no norm.

    Raises:
        ValueError: there are fewer than 1 layers.
    """

    def __init__(
        self,
        dim_in: int,
        hidden: int,
        dim_out: int,
        num_layers: int,
        norm: Norm | None = None,
        single_std: float = 0.01,
        last_norm: Norm | None = None,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"an MLP needs at least one layer, not {num_layers}")
        layers: list[nn.Module] = []
        width = dim_in
        for _ in range(num_layers - 1):
            layers.append(nn.Linear(width, hidden, bias=norm is None))
            if norm is not None:
                layers.append(norm(num_features=hidden))
            layers.append(nn.ReLU(inplace=True))
            width = hidden
        layers.append(nn.Linear(width, dim_out))
        if last_norm is not None:
            layers.append(last_norm(num_features=dim_out))
        self.layers = nn.Sequential(*layers)
        self.dim_out = dim_out
        self._initialise(single_std)

    def _initialise(self, single_std: float) -> None:
        linears = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        for linear in linears:
            c2_xavier_fill(linear)
        if len(linears) == 1:
            nn.init.normal_(linears[0].weight, std=single_std)

    def forward(self, x: Tensor) -> Tensor:
        """[N,dim_in] to [N,dim_out], not normalised to unit length."""
        return self.layers(x)


class ClassificationHead(nn.Module):
    """Dropout and one linear layer.

    Args:
        dim: size of the feature.
        num_classes: number of scores.
        dropout: probability that an entry of a feature is dropped in training.
        init_std: standard deviation of the initial weights; the bias starts at 0.
    """

    def __init__(self, dim: int, num_classes: int, dropout: float = 0.0, init_std: float = 0.01) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(dim, num_classes)
        nn.init.normal_(self.projection.weight, std=init_std)
        nn.init.zeros_(self.projection.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Features [...,dim] to logits [...,num_classes]."""
        return self.projection(self.dropout(x))


def build_projection(cfg: CfgNode, dim_in: int) -> ProjectionMLP:
    """The MLP from the encoder's feature [N,dim_in] to the embedding [N,CONTRASTIVE.DIM]."""
    return ProjectionMLP(
        dim_in,
        cfg.CONTRASTIVE.MLP_DIM,
        cfg.CONTRASTIVE.DIM,
        cfg.CONTRASTIVE.NUM_MLP_LAYERS,
        norm=mlp_norm_layer(cfg),
        single_std=cfg.MODEL.FC_INIT_STD,
        last_norm=embedding_norm_layer(cfg),
    )


def build_predictor(cfg: CfgNode) -> ProjectionMLP:
    """The MLP from embedding to embedding that BYOL puts on its query; it has PREDICTOR_DEPTHS[0] layers.

    Raises:
        ValueError: CONTRASTIVE.PREDICTOR_DEPTHS does not name exactly one predictor.
    """
    depths = list(cfg.CONTRASTIVE.PREDICTOR_DEPTHS)
    if len(depths) != 1:
        raise ValueError(f"CONTRASTIVE.PREDICTOR_DEPTHS is {depths}: write one depth, as in [2]")
    dim = cfg.CONTRASTIVE.DIM
    return ProjectionMLP(dim, cfg.CONTRASTIVE.MLP_DIM, dim, depths[0], norm=mlp_norm_layer(cfg))
