"""The callables that users hand in: which mode counts, what hooks on them see, and whose errors come through."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import latentpath as lp
from latentpath import priors
from latentpath.callables import leaf_and_view, training_parts
from latentpath.errors import GeneratorError
from latentpath.jacobian import jacobian_products, pushforward

F64 = torch.float64


def network(dim: int = 3, *middle: nn.Module) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Linear(dim, 8), nn.Tanh(), *middle, nn.Linear(8, 6)
        return nn.Sequential(*layers).double().eval()


def solve(generator: Callable[[Tensor], Tensor], dim: int = 3, **options: object) -> lp.Path:
    start, end = torch.randn(2, dim, dtype=F64, generator=torch.Generator().manual_seed(1))
    return lp.interpolate(generator, priors.standard_normal(dim, dtype=F64), start, end, **{"segments": 6, **options})


class Around(nn.Module):
    """A user's wrapper that does nothing else."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, z: Tensor) -> Tensor:
        return self.inner(z)


class Shaken(Around):
    def forward(self, z: Tensor) -> Tensor:
        found = self.inner(z)
        if self.training:
            found = found * 1.5
        return found


class Named(Around):
    """The same by name, in a function inside a decorated method."""

    @torch.no_grad()
    def forward(self, z: Tensor) -> Tensor:
        def factor() -> float:
            return 1.5 if getattr(self, "training") else 1.0  # noqa: B009

        return self.inner(z) * factor()


class Helped(Around):
    """The same in a method that its forward calls."""

    @property
    def factor(self) -> float:
        return 1.5 if self.training else 1.0

    def forward(self, z: Tensor) -> Tensor:
        return self.inner(z) * self.factor


class Inherited(nn.Dropout):
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z) + 0


class Listed(nn.Module):
    """A list has no forward of its own."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList([inner])

    def forward(self, z: Tensor) -> Tensor:
        for part in self.parts:
            z = part(z)
        return z


# ---------------------------------------------------------------------------------------------------------------------
# The mode.


def exported(net: nn.Module) -> nn.Module:
    rows = {0: torch.export.Dim("rows")}
    return torch.export.export(net, (torch.zeros(2, 3, dtype=F64),), dynamic_shapes=(rows,)).module()


IN_EVAL_MODE: dict[str, Callable[[nn.Module], nn.Module]] = {
    "DataParallel": nn.DataParallel,
    "an average of weights": lambda net: torch.optim.swa_utils.AveragedModel(net.eval()),
    "a user's wrapper": Around,
    "beside a fresh layer": lambda net: nn.Sequential(net, nn.Flatten()),
    "wrapped twice": lambda net: nn.DataParallel(nn.Sequential(Around(net), nn.Identity())),
    "a custom forward in eval mode": lambda net: nn.DataParallel(Shaken(net).eval()),
    "TorchScript": torch.jit.script,
    "traced": lambda net: torch.jit.trace(net, torch.zeros(2, 3, dtype=F64)),
    "frozen TorchScript": lambda net: torch.jit.freeze(torch.jit.script(net)),
    "frozen, in a wrapper": lambda net: Around(torch.jit.freeze(torch.jit.script(net))),
    "a scripted wrapper": lambda net: torch.jit.script(Around(net)),
    "in a list": Listed,
    "in a scripted list": lambda net: torch.jit.script(Listed(net)),
    "exported": exported,
    "exported, in a wrapper": lambda net: Around(exported(net)),
    "compiled": lambda net: torch.compile(net, backend="eager"),
}


@pytest.mark.parametrize("wrap", IN_EVAL_MODE.values(), ids=IN_EVAL_MODE)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:.*not a leaf Tensor")
def test_what_computes_as_in_eval_mode_is_in_eval_mode(wrap: Callable[[nn.Module], nn.Module]) -> None:
    net = network(3, nn.Dropout(0.5), nn.BatchNorm1d(8).double())
    wrapped = wrap(net)
    assert training_parts(wrapped) == ""
    torch.testing.assert_close(solve(wrapped).cost, solve(net).cost)


def spectral(net: nn.Sequential) -> nn.Module:
    layer = torch.nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6).double())
    return nn.Sequential(net, layer)  # takes a step of the power iteration at every call


def old_spectral(net: nn.Sequential) -> nn.Module:
    return nn.Sequential(net, torch.nn.utils.spectral_norm(nn.Linear(6, 6).double()))  # the same, by a hook


IN_TRAINING_MODE: dict[str, tuple[Callable[[nn.Sequential], nn.Module], str]] = {
    "all of it": (lambda net: network().train(), "Sequential, 0, 1"),
    "all of it, wrapped": (lambda net: nn.DataParallel(network().train()), "DataParallel, module, module.0"),
    "dropout": (lambda net: nn.DataParallel(nn.Sequential(net, nn.Dropout(0.5))), "module.1"),
    "a user's dropout": (lambda net: nn.Sequential(net, Inherited(0.5)), "1"),
    "batch normalisation": (lambda net: nn.Sequential(net, nn.BatchNorm1d(6).double()), "1"),
    "random slopes": (lambda net: nn.Sequential(net, nn.RReLU()), "1"),
    "the power iteration": (spectral, "1.parametrizations.weight.0"),
    "the power iteration of a hook": (old_spectral, "1"),
    "a forward that asks": (Shaken, "Shaken"),
    "a forward that asks by name": (Named, "Named"),
    "a property that asks": (Helped, "Helped"),
    "a scripted forward that asks": (lambda net: torch.jit.script(Shaken(net)), "RecursiveScriptModule"),
    "a part that asks": (lambda net: Around(nn.Sequential(Shaken(net), nn.Tanh())), "inner.0"),
}


@pytest.mark.parametrize(("wrap", "names"), IN_TRAINING_MODE.values(), ids=IN_TRAINING_MODE)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_what_computes_as_in_training_is_refused_by_name(wrap: Callable[[nn.Module], nn.Module], names: str) -> None:
    wrapped = wrap(network())
    assert training_parts(wrapped).startswith(names)
    with pytest.raises(GeneratorError, match="training mode"):
        solve(wrapped)
    assert training_parts(wrapped.eval()) == ""


def test_a_method_in_place_of_the_forward_is_read_too() -> None:
    wrapped = Around(network())
    wrapped.forward = functools.partial(lambda self, z: self.inner(z) * (2 if self.training else 1), wrapped)  # type: ignore[method-assign]
    assert training_parts(wrapped) == "Around"


# ---------------------------------------------------------------------------------------------------------------------
# Hooks.


@pytest.mark.parametrize("dim", [3, 64])
@pytest.mark.parametrize(
    "options",
    [{}, {"solver": "adam", "max_evaluations": 20}, {"restarts": 2, "max_points": 40, "max_evaluations": 10}],
    ids=str,
)
def test_a_module_can_be_counted_while_it_is_solved(dim: int, options: dict[str, object]) -> None:
    net = network(dim)
    plain = solve(net, dim, **options)
    with FlopCounterMode(display=False) as counter:
        counted = solve(net, dim, **options)
    assert torch.equal(counted.latents, plain.latents)
    points = float(plain.evaluations.sum()) * 6  # forward and backward, of the weights 2 flops each, and the audits
    assert counter.get_total_flops() > points * 2 * 2 * (dim * 8 + 8 * 6)


@pytest.mark.parametrize("dim", [3, 64])
def test_networks_of_an_index_and_of_an_inversion_can_be_counted(dim: int) -> None:
    net, judge, prior = network(dim), nn.Linear(6, 1).double().eval(), priors.standard_normal(dim, dtype=F64)

    def found() -> tuple[Tensor, Tensor]:
        index = lp.DiscriminatorIndex(prior, generator=net, discriminator=judge, samples=50)
        start, end = torch.randn(2, dim, dtype=F64, generator=torch.Generator().manual_seed(1))
        path = lp.interpolate(net, index, start, end, segments=4, max_evaluations=5)
        model = lp.Model(net, prior)
        return path.latents, lp.invert(model, net(start[None]).detach(), steps=3, starts=2).latents

    plain = found()
    with FlopCounterMode(display=False) as counter:
        counted = found()
    assert all(map(torch.equal, plain, counted))
    assert counter.get_total_flops() > 0


def test_a_leaf_and_its_view_share_their_numbers() -> None:
    points = torch.ones(2, 3)
    with torch.no_grad():
        leaf, view = leaf_and_view(points)
    assert leaf.data_ptr() == view.data_ptr() == points.data_ptr()
    assert leaf.is_leaf
    assert not view.is_leaf
    assert not points.requires_grad


# ---------------------------------------------------------------------------------------------------------------------
# Errors.


class OneWay(torch.autograd.Function):
    """The sine, without forward mode, a rule for vmap, or a second derivative."""

    @staticmethod
    def forward(ctx: object, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)  # type: ignore[attr-defined]
        return z.sin()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return grad * ctx.saved_tensors[0].cos()  # type: ignore[attr-defined]


class NoVmap(torch.autograd.Function):
    """The sine in forward mode too, without a rule for vmap."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return z.sin()

    @staticmethod
    def setup_context(ctx: object, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)  # type: ignore[attr-defined]
        ctx.save_for_forward(*inputs)  # type: ignore[attr-defined]

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return grad * ctx.saved_tensors[0].cos()  # type: ignore[attr-defined]

    @staticmethod
    def jvp(ctx: object, tangent: Tensor) -> Tensor:
        return tangent * ctx.saved_tensors[0].cos()  # type: ignore[attr-defined]


def checkpointed(z: Tensor) -> Tensor:
    return torch.utils.checkpoint.checkpoint(torch.sin, z, use_reentrant=False)


def branching(z: Tensor) -> Tensor:
    return z.sin() if bool(z.abs().max() < 99) else z.cos()


@pytest.mark.parametrize("sine", [OneWay.apply, NoVmap.apply, checkpointed, branching, torch.sin])
def test_where_pytorch_lacks_a_rule_there_is_another_way(sine: Callable[[Tensor], Tensor]) -> None:
    z, v = torch.randn(2, 4, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pushforward(sine, z, v), v * z.cos(), rtol=1e-8, atol=1e-8)
    found, _ = jacobian_products(sine, z, v[:, None])
    torch.testing.assert_close(found[:, 0], v * z.cos(), rtol=1e-8, atol=1e-8)


ERRORS = {
    "a value": ValueError("mine"),
    "at run time": RuntimeError("mine"),
    "the device's memory": torch.OutOfMemoryError("mine"),
    "the machine's memory": MemoryError("mine"),
    "the device": torch.AcceleratorError("mine"),
    "a bug": AttributeError("mine"),
    "an interrupt": KeyboardInterrupt("mine"),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("sine", [torch.sin, OneWay.apply, NoVmap.apply], ids=["all rules", "none", "no vmap"])
def test_an_error_of_the_callers_own_reaches_the_caller_whichever_call_it_comes_from(
    error: BaseException, sine: Callable[[Tensor], Tensor]
) -> None:
    calls = fails = 0

    def generator(z: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == fails:
            raise error
        return sine(z).repeat(1, 2)

    options = {"segments": 4, "max_evaluations": 5}
    solve(generator, **options)
    for fails in range(1, calls + 1):  # noqa: B007
        calls = 0
        with pytest.raises((type(error), GeneratorError), match="mine") as caught:
            solve(generator, **options)
        found: BaseException | None = caught.value
        while isinstance(found, GeneratorError):  # of the checks, with the error for a cause
            assert not isinstance(error, MemoryError | torch.OutOfMemoryError | KeyboardInterrupt)
            found = found.__cause__
        assert found is error


@pytest.mark.parametrize("held", [False, True], ids=["plain", "adapted"])
def test_memory_that_pytorch_finds_exhausted_inside_a_derivative_reaches_the_caller(held: bool) -> None:
    class Greedy(torch.autograd.Function):
        @staticmethod
        def forward(z: Tensor) -> Tensor:
            return z.sin()

        @staticmethod
        def setup_context(ctx: object, inputs: tuple[Tensor], output: Tensor) -> None:
            pass

        @staticmethod
        def jvp(ctx: object, tangent: Tensor) -> Tensor:
            return torch.empty(2**60)  # raised by PyTorch: more than any machine has

    def generator(z: Tensor, shift: Tensor | float = 0.0) -> Tensor:
        return Greedy.apply(z) + shift

    z = torch.zeros(2, 3, dtype=F64)
    adapted = lp.adapters.conditional(generator, [0.0] * 3) if held else generator
    with pytest.raises(RuntimeError, match="memory"):
        pushforward(adapted, z, z)
