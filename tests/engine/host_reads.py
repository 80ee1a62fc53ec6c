"""Finding, on a CPU, where the host would wait for a GPU: reads of numbers that come out of a network."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import FrameType

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Operators whose result depends on values, so the host waits for them: one number, or how many there are.
_READS = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "equal", "is_nonzero"}
# Methods that read memory without an operator.
_READING_METHODS = {"tolist", "numpy", "__array__", "item", "cpu", "__bool__", "__int__", "__float__", "__index__"}


class HostReads(TorchFunctionMode):
    """Notes each read of a value that would be on the device: a module's, one made there, or one copied there.

    Everything that an operator makes of such a value is one itself. Numbers of the host, such as a batch's labels
    before they are copied, may be read.

    Attributes:
        places: ``module.function`` of this package that read, in order, or "elsewhere".
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.places: list[str] = []
        self._known: dict[int, object] = {}
        self.mark(module.state_dict(keep_vars=True).values())
        self._operators = _Operators(self)

    def __enter__(self) -> HostReads:
        super().__enter__()
        self._operators.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._operators.__exit__(*error)
        super().__exit__(*error)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        if name in _READING_METHODS and self.knows(args):
            self.note()
        result = function(*args, **kwargs)
        if name == "to" and any(isinstance(argument, torch.device) for argument in args):
            # On a CPU it is the same tensor; on a GPU a copy, while the one of the host may still be read.
            result = result.clone()
            self.mark([result])
        elif isinstance(kwargs.get("device"), torch.device):  # not "cpu", by which torch's optimizers mean the host
            self.mark(_tensors(result))
        return result

    def mark(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            self._known[storage._cdata] = storage  # kept, so that no other one gets its address

    def knows(self, values: object) -> bool:
        return any(tensor.untyped_storage()._cdata in self._known for tensor in _tensors(values))

    def note(self) -> None:
        frame = sys._getframe(1)
        while frame is not None and not (_module(frame).startswith("rhovideo.") and frame.f_code.co_name[0] != "<"):
            frame = frame.f_back
        if frame is None:
            self.places.append("elsewhere")
        else:
            self.places.append(f"{_module(frame).rpartition('.')[2]}.{frame.f_code.co_name}")


class _Operators(TorchDispatchMode):
    """The half of :class:`HostReads` that sees operators."""

    def __init__(self, reads: HostReads) -> None:
        super().__init__()
        self._reads = reads

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        values = (args, kwargs or {})
        known = self._reads.knows(values)
        name = operator._schema.name.partition("::")[2]
        if known and (name in _READS or (name in ("index", "index_put", "index_put_") and _by_a_mask(args[1]))):
            self._reads.note()
        elif known and name == "index_put_" and not self._reads.knows(args[2]):
            # A number of Python's, assigned to places by their indices: copying it to a GPU waits as well.
            self._reads.note()
        result = operator(*args, **(kwargs or {}))
        if known:
            self._reads.mark(_tensors(result))
            for argument, value in zip(operator._schema.arguments, args, strict=False):
                if argument.alias_info is not None and argument.alias_info.is_write:
                    self._reads.mark(_tensors(value))
        return result


def _module(frame: FrameType) -> str:
    return frame.f_globals.get("__name__", "")


def _by_a_mask(indices: Iterable[Tensor | None]) -> bool:
    return any(index is not None and index.dtype == torch.bool for index in indices)


def _tensors(values: object) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor))
