"""Options that the fields of a training configuration make."""

from __future__ import annotations

import shlex
from dataclasses import fields, replace
from typing import Any

import pytest
import typer

from latentpath.cli import training
from latentpath.cli.package import command_of, kind_of
from latentpath.training import ClassifierConfig, DCGANConfig, WAEConfig
from latentpath.training.config import chosen

CONFIGS = [DCGANConfig(), WAEConfig(weight=0.25), ClassifierConfig()]
GROUP: Any = typer.main.get_command(training)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_field_that_can_be_chosen_is_an_option_with_its_default_and_help(config: Any) -> None:
    options = {option.name: option for option in GROUP.commands[kind_of(config)].params}
    for field in chosen(type(config)):
        option = options[field.name]
        assert option.help
        assert option.opts == [f"--{field.name.replace('_', '-')}"]
        if field.name != "weight":  # which depends on the divergence
            assert option.default == field.default
    others = {field.name for field in fields(config) if field not in chosen(type(config))}
    assert options.keys() & others == {"data"}  # an option of its own: where the images are


@pytest.mark.parametrize("config", CONFIGS)
def test_the_recorded_command_gives_the_configuration_back(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"seed": 7, "precision": "bf16", **({} if isinstance(config, ClassifierConfig) else {"flip": True})}
    config = replace(config, **changes)
    _, _, kind, *words = shlex.split(command_of(config))
    command = GROUP.commands[kind]
    given = command.make_context(kind, words).params
    assert {field.name: given[field.name] for field in chosen(type(config))} == {
        field.name: getattr(config, field.name) for field in chosen(type(config))
    }
