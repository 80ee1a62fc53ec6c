from __future__ import annotations

import inspect
import sys
from types import ModuleType

import pytest

from rhovideo.integrations.substitution import restore, substitute


@pytest.fixture
def package():
    module = ModuleType("somebodys")
    exec("def greet(name, *, loudly=False):\n    return name.upper() if loudly else name", module.__dict__)
    return module


def and_back(original, name, **others):
    return f"{original(name, **others)} and back"


def test_whoever_has_the_function_already_calls_ours(package):
    imported_before = package.greet
    substitute(package, "greet", and_back)
    assert imported_before("there", loudly=True) == "THERE and back"
    assert package.greet is imported_before
    assert list(inspect.signature(package.greet).parameters) == ["name", "loudly"]


def test_twice_wraps_the_original_once(package):
    substitute(package, "greet", and_back)
    substitute(package, "greet", and_back)
    assert package.greet("there") == "there and back"


def test_restoring_gives_the_original_back(package):
    restore(package, "greet")
    substitute(package, "greet", and_back)
    restore(package, "greet")
    assert package.greet("there", loudly=True) == "THERE"
    with pytest.raises(TypeError):
        package.greet("there", True)


def test_what_has_no_body_of_its_own_is_refused(package):
    secret = 1
    package.greet = lambda name: name * secret
    with pytest.raises(TypeError, match=r"somebodys\.greet is .* register rhovideo before that"):
        substitute(package, "greet", and_back)
    with pytest.raises(TypeError, match=r"sys\.getrefcount"):
        substitute(sys, "getrefcount", and_back)
