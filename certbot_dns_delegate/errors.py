"""What can go wrong, as one tree.

::

    certbot.errors.PluginError
    └── DelegateError           what was seen, and a hint that can be pasted
        ├── SettingsError       the INI file, or a file it names, cannot be used as it is
        ├── StateError          our own state directory cannot be used
        │   └── NotPermitted    this user may not use a file; root, or its owner, may
        ├── LookupFailed        a question got no usable answer
        ├── PlanError           a name cannot be published: nothing was written
        │   ├── NotDelegated    no CNAME leads from the name into a delegate
        │   ├── NoSuchDomain    the domain of the name does not exist
        │   ├── ChainLoop       the CNAMEs form a circle
        │   ├── ChainTooLong    more CNAMEs than every CA's resolver follows
        │   ├── ChainEndsOutside  the chain ends outside every delegate
        │   ├── TargetNotAllowed  the delegate does not allow this name, or this target
        │   └── NotServing      the name has not led to our servers for longer than the grace
        ├── WriteError          a provider could not write or remove values
        │   ├── Refused         nothing was written
        │   │   └── Unreachable     no request was sent
        │   ├── NoEffect        the service reported success, but serves nothing of it
        │   └── OutcomeUnknown  the values may have been written
        │       └── Denied          the service refused, which proves nothing
        ├── NotServed           not all servers serve the values in time
        └── SeveralProblems     more than one of the above

Certbot shows any subclass of its own errors as bare text, without a traceback.
"""

import logging
from collections.abc import Sequence

from certbot import errors
from dns.name import Name

from certbot_dns_delegate.places import PAGE, address, place_of
from certbot_dns_delegate.text import printable

log = logging.getLogger(__name__)

MANUAL = ""
"""Where the manual is published, with a slash at its end; empty until it is, and no error names an address."""


class DelegateError(errors.PluginError):
    """A failure with its evidence.

    :param problem: what was seen: which server gave which answer to which question. It contains no secret.
    :param hint: what to do, ready to paste; empty if there is nothing to advise.
    """

    anchor = ""
    """The place on the manual's page :data:`~certbot_dns_delegate.places.PAGE` that explains errors of this kind."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    @property
    def page(self) -> str:
        """The page of the manual that explains this error, and the place on it: ``troubleshooting#no-cname``."""
        return "#".join(filter(None, [PAGE, place_of(self.problem) or self.anchor]))

    def __str__(self) -> str:
        lines = [self.problem, self.hint and f"hint: {self.hint}", MANUAL and f"more: {address(MANUAL, self.page)}"]
        return "\n".join(filter(None, lines))


class SettingsError(DelegateError):
    """The INI file, or a file it names, cannot be used as it is.

    The message lists every problem of the file with its line and section. Fix them all. Nothing was asked or written.
    """

    anchor = "settings"


class StateError(DelegateError):
    """The plugin's state directory cannot be written or read; raised before the first write to DNS.

    The directory is missing, full or read-only, or belongs to another user. The command in the hint shows which.
    """

    anchor = "state"


class NotPermitted(StateError):
    """This user may not use a file that belongs to root.

    Run the command with ``sudo``, as the hint shows. Certbot itself needs root for the same files.
    """

    anchor = "not-permitted"


class LookupFailed(DelegateError):
    """A question got no usable answer from any server that could know.

    Every resolver or server in turn answered SERVFAIL or REFUSED, sent a malformed reply, or did not answer. This is
    never mistaken for "no CNAME". Ask again with the command in the hint, or choose other resolvers with
    ``--<authenticator>-resolvers``.
    """

    anchor = "no-answer"

    def __init__(
        self,
        problem: str,
        hint: str = "",
        *,
        addresses: Sequence[str] = (),
        owner: Name | None = None,
    ) -> None:
        """:param addresses: of the authoritative servers that gave no useful answer.

        :param owner: the name at which the chain was.
        """
        super().__init__(problem, hint)
        self.addresses = tuple(addresses)
        self.owner = owner


class PlanError(DelegateError):
    """A value for this name cannot be written; nothing was written for it.

    Raised directly when no zone was found, or when the target cannot hold all values of the order. The hint names the
    setting to change.
    """

    anchor = "names"


class NotDelegated(PlanError):
    """No CNAME leads from ``_acme-challenge.<name>`` into a delegate.

    Add the record in the hint to the zone of the certificate's name.
    """

    anchor = "no-cname"

    def __init__(self, problem: str, hint: str = "", *, common: str = "", record: str = "") -> None:
        """:param common: what is said of several names with the same problem.

        :param record: the record to add, as a line of a zone file; with both, many errors become one list.
        """
        super().__init__(problem, hint)
        self.common = common
        self.record = record


class NoSuchDomain(PlanError):
    """The domain of the certificate's name does not exist, so there is no zone to add a record to.

    Check the spelling; if the domain exists inside your network only, name a resolver that knows it.
    """

    anchor = "no-such-domain"


class ChainLoop(PlanError):
    """The CNAMEs form a circle.

    The message shows the whole chain. Correct the CNAME that leads back.
    """

    anchor = "loop"


class ChainTooLong(PlanError):
    """More CNAMEs than every CA's resolver follows.

    At most eight are followed. Let the first CNAME lead directly to a name near the end.
    """

    anchor = "too-long"


class ChainEndsOutside(PlanError):
    """The chain ends at a target that is not inside one of the delegates.

    Either the CNAME is wrong, or the INI file has no section with a title above the target. If a wildcard answered, add
    a CNAME for the name itself.
    """

    anchor = "ends-outside"


class TargetNotAllowed(PlanError):
    """This name may not use this target: ``for`` or ``targets`` of the delegate, or the name of the account, forbid it.

    If the name is meant to use the target, change the setting. If not, its CNAME leads to another name's target.
    """

    anchor = "not-allowed"


class NotServing(PlanError):
    """The name has not led to our servers for longer than ``serving_grace``.

    If the customer has left, remove the name from the certificate. If not, correct their address, or ``serving``.
    """

    anchor = "not-serving"


class WriteError(DelegateError):
    """A provider could not write or remove values.

    Raised directly for a failure that fits none of the kinds below.
    """

    anchor = "denied"


class Refused(WriteError):
    """The service refused, and nothing was written.

    Raised only if the answer proves it: an rcode other than SERVFAIL with a valid TSIG signature, or over HTTPS a
    status 4xx other than 408, 409 and 429. The message has the server's answer; the hint says whether to check the key,
    its policy, the zone or a quota.
    """

    anchor = "denied"


class Unreachable(Refused):
    """No connection was made, or not one octet of the request was sent: nothing was written.

    The message has every address that was tried. Check that the service runs and that no firewall blocks this host.
    """

    anchor = "unreachable"


class NoEffect(WriteError):
    """The service reported success, but does not serve the values.

    A policy dropped them, a quota is used up, the target has a CNAME, or there is a zone cut above it. The hint says
    what to check.
    """

    anchor = "no-effect"


class OutcomeUnknown(WriteError):
    """A request was sent, and no answer proves what became of it: the values may have been written.

    They are withdrawn at the end of the run, and checked again later until they are certainly gone. Follow the hint.
    """

    anchor = "outcome-unknown"


class Denied(OutcomeUnknown):
    """The service refused in a way that proves nothing: SERVFAIL, an answer without a valid signature, a status 5xx.

    The refusal is nearly always true, so follow the hint. It may be false, so the values count as written, as with
    ``OutcomeUnknown``.
    """

    anchor = "denied"


class NotServed(DelegateError):
    """Not all authoritative servers served the values in time.

    The table shows the last answer and the SOA serial of each server. Fix the one that lags (NOTIFY, zone transfer), or
    give it more time with ``timeout``. The CA was not asked, so this does not count as a failed validation.
    """

    anchor = "not-served"


class SeveralProblems(DelegateError):
    """More than one failure, reported together so that they can be fixed together."""

    def __init__(self, problems: Sequence[DelegateError]) -> None:
        super().__init__(f"{len(problems)} problems:")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([self.problem, *(f"* {str(p).replace(chr(10), chr(10) + '  ')}" for p in self.problems)])


def as_problem(error: BaseException, doing: str) -> DelegateError:
    """Any failure as one sentence, for a step in which a failure concerns one name only.

    :param doing: what was tried, for an unexpected failure.
    :raises SignalExit: when the failure is that: a signal ends the run, not one step of it.
    """
    if isinstance(error, errors.SignalExit):
        raise error
    if isinstance(error, DelegateError):
        return error
    log.debug("%s", doing, exc_info=error)
    return DelegateError(f"{doing}: unexpected {type(error).__name__}: {printable(str(error))}", "please report it")


def grouped(problems: Sequence[DelegateError]) -> list[DelegateError]:
    """The problems, with the records that several names need in one list that can be copied as it is."""
    alike: dict[str, list[NotDelegated]] = {}
    for problem in problems:
        if isinstance(problem, NotDelegated) and problem.record:
            alike.setdefault(problem.common, []).append(problem)
    found: dict[int, DelegateError] = {}
    for problem in problems:
        same = alike.get(problem.common, []) if isinstance(problem, NotDelegated) and problem.record else []
        if len(same) < 2:
            found[id(problem)] = problem
            continue
        lines = dict.fromkeys(each.record for each in same)
        hint = "\n".join(["add", *lines])
        found.setdefault(id(same[0]), NotDelegated(f"{len(lines)} names {same[0].common}", hint))
    return list(found.values())


def raise_all(problems: Sequence[DelegateError]) -> None:
    """Raise nothing for none, the one itself for one, and :class:`SeveralProblems` for more.

    The same text is reported once, however many names it concerns.
    """
    distinct = grouped(list({str(problem): problem for problem in problems}.values()))
    if len(distinct) == 1:
        raise distinct[0]
    if distinct:
        raise SeveralProblems(distinct)
