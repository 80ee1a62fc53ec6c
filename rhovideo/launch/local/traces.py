"""Traces of a job in its process, taken away after it: the next job of the process begins as in a new one.

Jobs of one process share imported modules, which are the reason to run them in one. What a job sets for the whole
process is put back here: random generators, threads, kernels and number formats of torch, handlers of logs, variables
of the environment, the working folder. What the package remembers by itself is remembered under the content that it
was read from.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rhovideo.engine.log.logging_setup import shut_down_logging

# torch's switches, each with what it is an attribute of. Precision of matrix products has functions of its own.
_SWITCHES: tuple[tuple[Any, str], ...] = (
    (torch.backends.mkldnn, "enabled"),
    (torch.backends.cudnn, "enabled"),
    (torch.backends.cudnn, "benchmark"),
    (torch.backends.cudnn, "deterministic"),
)


@contextlib.contextmanager
def leaving_no_trace() -> Iterator[None]:
    """Put back what the code inside changes for the whole process, however it ends."""
    restorers = [
        _random_generators(),
        _torch_settings(),
        _environment(),
        _warning_filters(),
    ]
    try:
        yield
    finally:
        shut_down_logging()
        for restore in restorers:
            restore()
        _drop_compiled()
        _give_back_memory()


def _random_generators() -> Callable[[], None]:
    of_torch, of_numpy, of_python = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002

    def restore() -> None:
        torch.set_rng_state(of_torch)
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)

    return restore


def _torch_settings() -> Callable[[], None]:
    switches = [getattr(owner, name) for owner, name in _SWITCHES]
    threads, number_format, gradients = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    precision = torch.get_float32_matmul_precision()
    deterministic = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()

    def restore() -> None:
        for (owner, name), value in zip(_SWITCHES, switches, strict=True):
            if getattr(owner, name) != value:
                setattr(owner, name, value)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_default_dtype(number_format)
        torch.set_grad_enabled(gradients)
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(deterministic, warn_only=only_warns)

    return restore


def _environment() -> Callable[[], None]:
    variables, folder = dict(os.environ), Path.cwd()

    def restore() -> None:
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        for name, value in variables.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        os.chdir(folder)

    return restore


def _warning_filters() -> Callable[[], None]:
    filters = list(warnings.filters)

    def restore() -> None:
        if list(warnings.filters) != filters:
            warnings.filters[:] = filters  # type: ignore[index]
            # Else the modules would go by the filters that they have seen.
            warnings._filters_mutated()  # type: ignore[attr-defined]

    return restore


def _drop_compiled() -> None:
    """Forget compiled networks: after some others of other shapes torch would compile no more."""
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()


def _give_back_memory() -> None:
    # A trainer and its loader may hold one another.
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    # The peak that the log of the next job shows is to be its own. Only Linux can, and not every sandbox allows it.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
