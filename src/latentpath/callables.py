"""Users' callables: their training or eval mode, their precision, and the errors that they raise.

**Mode.** A module that was never put in eval mode is refused as a whole. Where only parts of it are in training mode,
such as a wrapper around a network in eval mode, the parts count whose code reads its mode: dropout, batch
normalisation, a user's forward method with ``if self.training``. The check reads the code, since a trial run would
change the running statistics of the user's network.

**Precision.** Solves and measurements run without the caller's ``torch.autocast``, the caller's networks included: it
rounds their output to 8 or 11 bits, and a solve needs differences of it. Networks with weights in half precision are
given latents in the dtype of their weights, unless they take others.

**Errors.** Where PyTorch has no rule to differentiate or to vectorise an operation, another way leads to the same
numbers. Only a missing rule leads there: no error of the user's own code, and no exhausted memory.

**Forward mode.** PyTorch counts its levels for the whole process, so two threads that differentiate in forward mode at
once disturb each other; every use in this package takes its turn, see `forward_mode`.
"""

import inspect
import opcode
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

from .errors import GeneratorError, LatentPathError

_HALF = (torch.float16, torch.bfloat16)
_DEVICES = ("cpu", "cuda", "mps", "xpu")
_SETTERS = ("__init__", "__setstate__", "__repr__", "extra_repr", "train", "eval")
_FORWARD_MODE = threading.RLock()


@contextmanager
def without_autocast() -> Iterator[None]:
    """Switches the caller's ``torch.autocast`` off, on every device; also a decorator."""
    with ExitStack() as stack:
        for device in _DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def forward_mode() -> Iterator[None]:
    """Lets one thread at a time use ``torch.func.jvp``, whose levels belong to the process; nests within a thread.

    It hides a warning that PyTorch raises on first use, since it compiles its own rules with ``torch.jit.script``.
    """
    with _FORWARD_MODE, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)
        yield


def leaf_and_view(points: Tensor) -> tuple[Tensor, Tensor]:
    """Returns a leaf to differentiate with respect to, and a view of it for the network, both without a copy.

    A network that is given the leaf itself cannot be watched by hooks on its inputs, such as those of
    ``torch.utils.flop_counter.FlopCounterMode``: they take no leaf in ``torch.autograd.grad``.
    """
    leaf = points.detach().requires_grad_()
    with torch.enable_grad():
        return leaf, leaf.view_as(leaf)


def in_weights_dtype(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Returns ``function``, fed in the dtype of its weights where these are half precision and it takes no other.

    Every dtype is tried once, with one point of zeros. Other functions than modules and their methods are returned
    unchanged.
    """
    weights = _weights_dtype(function)
    if weights not in _HALF:
        return function
    taken: dict[torch.dtype, bool] = {weights: True}

    def fed(points: Tensor) -> Any:
        if points.dtype not in taken:
            taken[points.dtype] = _takes(function, points)
        return function(points if taken[points.dtype] else points.to(weights))

    return fed


def any_precision(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Returns ``function`` as `in_weights_dtype` feeds it, with half-precision results in the dtype of its input."""
    fed = in_weights_dtype(function)
    return lambda points: _widened(fed(points), points)


def flat_output(
    generator: Callable[[Tensor], Tensor], features: Callable[[Tensor], Tensor] | None = None
) -> Callable[[Tensor], Tensor]:
    """Returns the flattened output of a generator, or features of it: ``(N, D) -> (N, M)``, in the latents' dtype.

    A network in half precision is given latents in its own dtype, and half-precision data reach ``features`` in the
    latents' dtype.
    """
    if features is None:
        decode = in_weights_dtype(generator)
        return lambda z: decode(z).flatten(1).to(z.dtype)
    data, describe_data = any_precision(generator), in_weights_dtype(features)
    return lambda z: describe_data(data(z)).flatten(1).to(z.dtype)


def _widened(found: Any, points: Tensor) -> Any:
    return found.to(points.dtype) if isinstance(found, Tensor) and found.dtype in _HALF else found


def _weights_dtype(function: object) -> torch.dtype | None:
    """Returns the dtype of the first floating-point weight of a module, or of the module that a method belongs to."""
    module = function if isinstance(function, nn.Module) else getattr(function, "__self__", None)
    weights = module.parameters() if isinstance(module, nn.Module) else iter(())
    return next((weight.dtype for weight in weights if weight.is_floating_point()), None)


def _takes(function: Callable[[Tensor], Tensor], points: Tensor) -> bool:
    """Returns True if it takes points of this dtype; plain ones, since ``points`` may be inside a transform."""
    try:
        with torch.no_grad():
            function(torch.zeros(1, *points.shape[1:], dtype=points.dtype, device=points.device))
    except RuntimeError as error:
        if out_of_memory(error):
            raise
        return False
    return True


def training_parts(module: object) -> str:
    """Returns the names of the first sub-modules that compute as in training; empty without any."""
    if not isinstance(module, nn.Module):
        return ""
    fixed = tuple(f"{name}." if name else "" for name, part in module.named_modules() if _is_exported(part))
    busy, any_in_eval = [], False
    for name, part in module.named_modules():
        training = getattr(part, "training", False)  # frozen TorchScript has no mode: it is in eval mode for good
        exported = f"{name}.".startswith(fixed) if fixed else False
        any_in_eval |= not training or exported
        if training:
            busy.append((name or type(part).__name__, part))
    names = [name for name, part in busy if not any_in_eval or _asks_for_mode(part)]
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def check_eval(module: object, name: str, advice: str = "Call .eval() on it first.") -> None:
    """Refuses a module with `training_parts`, by a GeneratorError."""
    if busy := training_parts(module):
        raise GeneratorError(f"{name} must be in eval mode; got training mode ({busy}). {advice}")


def _is_exported(part: nn.Module) -> bool:
    """Returns True for a module of ``torch.export``, whose mode is fixed: its flag means nothing, ``eval()`` raises."""
    return isinstance(part, torch.fx.GraphModule) and "eval" in vars(part)


def _asks_for_mode(part: nn.Module) -> bool:
    """Returns True if the code of this module, or of a hook on it, mentions ``training`` or cannot be read."""
    if isinstance(part, torch.jit.ScriptModule):
        return 'name="training"' in str(part.graph) if hasattr(part, "forward") else False
    kind = type(part)
    if "forward" not in vars(part) and kind.forward is not nn.Module.forward and not _codes(kind.forward):
        return True
    classes = [base for base in kind.__mro__ if base not in (nn.Module, object)]
    # overridden methods too: they are called by super()
    functions = [value for base in classes for name, value in vars(base).items() if name not in _SETTERS]
    functions += [vars(part).get("forward"), *part._forward_pre_hooks.values(), *part._forward_hooks.values()]
    return any(_mentions_training(code) for function in functions for code in _codes(function))


def _codes(function: Any) -> list[CodeType]:
    """Returns the byte code of a function, a method, a property, a decorated function, or an object that is called."""
    function = getattr(function, "fget", None) or getattr(function, "__func__", function)
    if not callable(function):
        return []
    unwrapped = inspect.unwrap(function)
    unwrapped = getattr(unwrapped, "func", unwrapped)  # functools.partial
    code = getattr(unwrapped, "__code__", None) or getattr(type(unwrapped).__call__, "__code__", None)
    return [code] if isinstance(code, CodeType) else []


def _mentions_training(code: CodeType) -> bool:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return "training" in (*code.co_names, *code.co_consts) or any(map(_mentions_training, inner))


def out_of_memory(error: BaseException) -> bool:
    """Returns True for an error of exhausted memory, of a device or of the machine."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def lacks_rule(error: BaseException) -> bool:
    """Returns True if PyTorch lacks a rule to differentiate or to vectorise an operation, so another way is needed.

    PyTorch has an error type of its own for some operations only; for the rest it raises a `RuntimeError` or a
    `ValueError` with any text. So the source of the error counts: PyTorch, or a ``raise`` in a user's Python. An error
    of PyTorch that has another cause, such as shapes that do not fit, comes up again on the other way.
    """
    while isinstance(error, LatentPathError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, NotImplementedError):
        return True
    if out_of_memory(error) or isinstance(error, torch.AcceleratorError | RecursionError):
        return False
    return isinstance(error, RuntimeError | ValueError) and not _raised_in_python(error)


def _raised_in_python(error: BaseException) -> bool:
    """Returns True if the error comes from a ``raise`` statement outside of PyTorch."""
    trace = error.__traceback__
    if trace is None:
        return True
    while trace.tb_next is not None:
        trace = trace.tb_next
    frame = trace.tb_frame
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return package != "torch" and frame.f_code.co_code[trace.tb_lasti] == opcode.opmap["RAISE_VARARGS"]
