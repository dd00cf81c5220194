"""An implementation that another package brings by an entry point: checked, and given the hooks that it lacks."""

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any

from certbot.errors import SignalExit
from dns.name import Name
from zope.interface.exceptions import Invalid, MultipleInvalid  # type: ignore[attr-defined]  # its stubs are older
from zope.interface.verify import verifyClass, verifyObject

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, SettingsError
from certbot_dns_delegate.model import Limits, Sighting
from certbot_dns_delegate.providers import Speaking
from certbot_dns_delegate.providers.interface import IProvider, Provider
from certbot_dns_delegate.schema import Key
from certbot_dns_delegate.text import printable


def load(point: EntryPoint) -> type[Provider]:
    """The provider's class, as the engine needs it.

    :raises SettingsError: when it cannot be imported, or does not keep the contract.
    """
    where = _origin(point)
    with Speaking(f"{where} cannot be loaded"):
        cls = point.load()
    violations = [f"it has no {name}" for name in ("name", "limits") if not hasattr(cls, name)]
    keys = getattr(cls, "KEYS", None)
    if not isinstance(keys, tuple) or not all(isinstance(key, Key) for key in keys):
        violations.append("KEYS must be a tuple of certbot_dns_delegate.schema.Key")
    _refuse(where, [*violations, *_violations(verifyClass, cls)])
    checked = {name: _checked(where, name, getattr(cls, name)) for name in DUE if hasattr(cls, name)}
    bases = (cls,) if issubclass(cls, Provider) else (cls, Provider)
    return types.new_class(cls.__name__, bases, exec_body=lambda body: body.update(checked))


def verify(point: EntryPoint, provider: Provider) -> None:
    """Hold an instance to the parts of the contract that only an instance shows.

    :raises SettingsError: when it does not keep them.
    """
    violations = list(_violations(verifyObject, provider))
    limits: object = provider.limits
    if not isinstance(limits, Limits):
        violations.append("limits must be a certbot_dns_delegate.model.Limits")
    _refuse(_origin(point), violations)


def _origin(point: EntryPoint) -> str:
    return f"provider {printable(point.name, 60)} of {point.dist.name if point.dist else 'an unknown package'}"


def _violations(verify: Callable[..., Any], provider: Any) -> Iterator[str]:
    try:
        verify(IProvider, provider, tentative=True)
    except MultipleInvalid as error:
        # "The object ... has failed to implement interface ...: " is said once already.
        yield from (" ".join(str(each).split()).partition(": ")[2] for each in error.exceptions)
    except (Invalid, AttributeError, TypeError) as error:  # the last two: it is no class at all
        yield " ".join(str(error).split())


def _refuse(where: str, violations: Sequence[str]) -> None:
    if violations:
        raise SettingsError(f"{where} does not keep the contract: {printable('; '.join(violations), 1000)}")


def _is_name(result: object) -> bool:
    return isinstance(result, Name) and result.is_absolute()


def _is_name_or_none(result: object) -> bool:
    return result is None or _is_name(result)


DUE: Mapping[str, Callable[[Any], bool]] = {
    "capacity_key": lambda result: hash(result) is not None,
    "zone_of": _is_name_or_none,
    "publish": lambda result: isinstance(result, Sequence) and all(isinstance(each, Sighting) for each in result),
    "withdraw": lambda _: True,
    "probe": lambda result: isinstance(result, str),
    "register": _is_name,
    "begin": lambda _: True,
    "end": lambda _: True,
    "admit": lambda _: True,
    "recognise": lambda _: True,
    "target_of": _is_name_or_none,
    "other_type": lambda result: result is None or isinstance(result, str),
}
"""The methods of the contract that are called on an instance, and whether a result is one that it allows."""


def _checked(where: str, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A foreign method of which every fault becomes one sentence that names its package."""

    def call(self: Provider, *arguments: Any) -> Any:
        try:
            result = method(self, *arguments)
            if DUE[name](result):
                return result
            said = f"returned {printable(repr(result), 60)}"
        except (DelegateError, NotImplementedError, SignalExit):
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  other people's code: its faults must stay one name's
            said = f"{type(error).__name__}: {printable(str(error))}"
        seen = f"{where} does not keep the contract: {name}(): {said}"
        # A write may have been carried out before the fault.
        raise (OutcomeUnknown if name in {"publish", "withdraw"} else DelegateError)(seen)

    return call
