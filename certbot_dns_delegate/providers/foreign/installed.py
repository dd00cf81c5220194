"""Find a Certbot DNS plugin that is installed here and construct it outside Certbot's own run.

Its options cannot come from Certbot's command line: on renewal Certbot restores only those of the selected
authenticator, which is ours. So they are in our section, and go into a namespace made for this plugin alone.
"""

import argparse
import difflib
import types
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NoReturn

from certbot import configuration, errors
from certbot._internal import constants
from certbot.plugins.common import Plugin, dest_namespace, option_namespace
from certbot.plugins.dns_common import DNSAuthenticator

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.providers.foreign import fitness
from certbot_dns_delegate.providers.foreign.guard import Guard
from certbot_dns_delegate.providers.foreign.openness import hiding
from certbot_dns_delegate.providers.http.redaction import Redactor
from certbot_dns_delegate.text import printable

GROUP = "certbot.plugins"
OURS = __name__.partition(".")[0]
CREDENTIALS = "credentials"
UNUSED = "propagation_seconds"
"""Every DNS plugin has it, for a sleep that we do not make."""
ROUTE53 = "dns-route53"


def names() -> list[str]:
    """The installed plugins that may be wrapped, by the names of their entry points; nothing is imported."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    return sorted(
        name for name in points if name.startswith("dns-") and name not in fitness.KNOWN and not _is_ours(points[name])
    )


def find(name: str) -> type[Plugin]:
    """The class of the installed plugin called ``name``, one that accepts the name to write at.

    :raises SettingsError: when it is not installed, cannot be imported, or would not write at a given name.
    """
    shown = printable(name, 60)
    if (known := fitness.KNOWN.get(name)) is not None:
        raise SettingsError(f"plugin = {shown} cannot be used: {known.why}", known.hint)
    point = next(iter(entry_points(group=GROUP, name=name)), None)
    if point is None:
        near = difflib.get_close_matches(name, names(), n=1)
        installed = ", ".join(names()) or "none"
        did_you_mean = f"; did you mean {near[0]}?" if near else ""
        raise SettingsError(f"there is no Certbot plugin {shown!r} here (installed: {installed}){did_you_mean}")
    if _is_ours(point):
        hint = f"provider = {name.removeprefix('dns-delegate-')}" if name != "dns-delegate" else ""
        raise SettingsError(f"plugin = {shown} is one of ours, which would follow the CNAME once more", hint)
    plugin = _loaded(point)
    if why := _why_not(name, plugin):
        others = [other for other in names() if other != name and _is_fit(other)]
        hint = f"plugin = {' | '.join(others)}" if others else "provider = lexicon  may have the service"
        raise SettingsError(f"plugin = {shown} cannot be used: {why}", hint)
    return plugin  # type: ignore[no-any-return]  # an entry point loads anything


def _loaded(point: EntryPoint) -> Any:
    shown = printable(point.name, 60)
    with Guard(Redactor(), lambda seen: SettingsError(f"plugin = {shown} cannot be loaded: {seen}")):
        return point.load()


def _why_not(name: str, plugin: Any) -> str:
    return fitness.unfit(plugin) if name != ROUTE53 else ""


def _is_fit(name: str) -> bool:
    """Whether another plugin could be advised instead; it is imported for that."""
    try:
        return not any(_why_not(name, _loaded(point)) for point in entry_points(group=GROUP, name=name))
    except SettingsError:
        return False


def _is_ours(point: EntryPoint) -> bool:
    return point.value.partition(":")[0].partition(".")[0] == OURS


class _Parser(argparse.ArgumentParser):
    """Reports a wrong option instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


class Arguments:
    """The options of a plugin as it declares them for Certbot's command line."""

    def __init__(self, name: str, plugin: type[Plugin]) -> None:
        self._name = name
        self._parser = _Parser(prog=name, add_help=False, allow_abbrev=False)
        self._actions: dict[str, argparse.Action] = {}
        with Guard(Redactor(), lambda seen: SettingsError(f"plugin = {name}: its options cannot be read: {seen}")):
            plugin.add_parser_arguments(self._add)

    def _add(self, option: str, *arguments: Any, **keywords: Any) -> None:
        flag = f"--{option_namespace(self._name)}{option}"
        action = self._parser.add_argument(flag, *arguments, **keywords)
        self._actions[action.dest] = action

    def __contains__(self, option: str) -> bool:
        return self.dest(option) in self._actions

    def names(self) -> list[str]:
        """What may be in our section, without the plugin's prefix."""
        prefix = dest_namespace(self._name)
        return [dest.removeprefix(prefix) for dest in self._actions]

    def parse(self, options: Mapping[str, str]) -> dict[str, Any]:
        """The plugin's part of the namespace: its defaults, and over them ``options``.

        :param options: with or without the plugin's prefix, dashes or underscores; ``true`` and ``false`` for flags.
        :raises SettingsError: when one is unknown or its value cannot be used.
        """
        line = []
        for option, value in options.items():
            if option not in self:
                near = difflib.get_close_matches(option, self.names(), n=1)
                did_you_mean = f"; did you mean {near[0]}?" if near else f" (it has: {', '.join(self.names())})"
                raise SettingsError(f"{self._name} has no option {printable(option, 60)}{did_you_mean}")
            action = self._actions[self.dest(option)]
            takes_value = action.nargs != 0
            if takes_value:
                line.append(f"{action.option_strings[0]}={value}")
            elif value.lower() in {"true", "yes", "1", "on"}:
                line.append(action.option_strings[0])
            elif value.lower() not in {"false", "no", "0", "off"}:
                raise SettingsError(f"{printable(option, 60)} is a flag of {self._name}: true or false")
        # A value may be a secret, and argparse shows it.
        redact = hiding(options.items())
        with Guard(redact, lambda seen: SettingsError(f"{self._name}: {seen}")):
            return vars(self._parser.parse_args(line))

    def dest(self, option: str) -> str:
        """What an option is called in Certbot's namespace."""
        prefix = dest_namespace(self._name)
        return prefix + option.replace("-", "_").removeprefix(prefix)


def construct(name: str, plugin: type[Plugin], options: Mapping[str, str], state: Path, redact: Redactor) -> Any:
    """An instance of ``plugin`` that nobody selected and that asks nobody.

    :param state: where Certbot's directories would be, should it look for them; not created.
    :raises SettingsError: when it refuses its options.
    """
    arguments = Arguments(name, plugin)
    base = str(state / "certbot")
    own = arguments.parse(options)
    namespace = argparse.Namespace(
        **constants.CLI_DEFAULTS
        | {
            # What Certbot's own class reads when it is made, and what a plugin may look at.
            "config_dir": base,
            "work_dir": base,
            "logs_dir": base,
            "authenticator": name,
            "installer": None,
            "noninteractive_mode": True,
            "quiet": True,
        }
        | own
    )
    config = configuration.NamespaceConfig(namespace)
    if hasattr(config, "set_argument_sources"):  # since 2.7, for plugins that ask what the user has set
        given = {arguments.dest(option) for option in options}
        config.set_argument_sources(dict.fromkeys(given, configuration.ArgumentSource.COMMAND_LINE))
    with Guard(redact, lambda seen: SettingsError(f"{name}: {seen}")):
        if issubclass(plugin, DNSAuthenticator):
            plugin = types.new_class(plugin.__name__, (_Unattended, plugin))
        return plugin(config, name)


class _Unattended(DNSAuthenticator):
    """What a plugin must not do here: ask. Mixed in before its own class."""

    @staticmethod
    def _prompt_for_data(label: str) -> str:
        raise errors.PluginError(f"{label} is missing")

    @staticmethod
    def _prompt_for_file(label: str, _validator: Callable[[str], None] | None = None) -> str:
        raise errors.PluginError(f"the path of the {label} is missing")
