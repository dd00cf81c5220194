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
        │   ├── ChainLoop       the CNAMEs lead back to where they have been
        │   ├── ChainTooLong    more CNAMEs than a CA's resolver is sure to follow
        │   ├── ChainEndsOutside  the chain ends where nobody configured may write
        │   ├── TargetNotAllowed  the delegate is not for this name, or not at this target
        │   └── NotServing      the name has not led to our servers for longer than the grace
        ├── WriteError          a provider did not do what it was asked
        │   ├── Refused         ... and certainly wrote nothing
        │   │   └── Unreachable     no request left for it
        │   ├── NoEffect        ... said that it did, and serves nothing of it
        │   └── OutcomeUnknown  ... and may have written
        │       └── Denied          it said no, which proves nothing
        ├── NotServed           the values are not served everywhere in time
        └── SeveralProblems     more than one of the above

Certbot shows any subclass of its own errors as bare text, without a traceback.
"""

import logging
from collections.abc import Sequence

from certbot import errors
from dns.name import Name

from certbot_dns_delegate.text import printable

log = logging.getLogger(__name__)


class DelegateError(errors.PluginError):
    """A failure with its evidence.

    :param problem: what was seen: who answered what to which question. No secret.
    :param hint: what to do about it, ready to paste; empty where there is nothing to advise.
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}\nhint: {self.hint}" if self.hint else self.problem


class SettingsError(DelegateError):
    """The INI file, or a file it names, cannot be used as it is.

    Every problem of the file is told with its line and section. Mend them all; nothing was asked or written.
    """


class StateError(DelegateError):
    """Our own state cannot be written or read; raised before the first write to DNS.

    The directory is missing, full, read-only or somebody else's: the hint shows the command that tells which.
    """


class NotPermitted(StateError):
    """This user may not use a file that Certbot, or this plugin, keeps for root.

    Run the command with ``sudo``, as its hint says; Certbot itself needs root for the same files.
    """


class LookupFailed(DelegateError):
    """A question got no usable answer from any server that could know.

    SERVFAIL, REFUSED, silence or nonsense, from every resolver or server in turn; never taken for "no CNAME". Ask again
    with the ``dig`` command of the hint; choose other resolvers with ``--<authenticator>-resolvers``.
    """

    def __init__(
        self, problem: str, hint: str = "", *, addresses: Sequence[str] = (), owner: Name | None = None
    ) -> None:
        """:param addresses: those of the authoritative servers that gave no useful answer.

        :param owner: the name that a chain had come to.
        """
        super().__init__(problem, hint)
        self.addresses = tuple(addresses)
        self.owner = owner


class PlanError(DelegateError):
    """A name cannot be published; nothing was written for it.

    Also raised itself: no zone or too small a capacity for the order's values. The hint names the setting.
    """


class NotDelegated(PlanError):
    """No CNAME leads from where the CA looks into a delegate.

    Add the record that the hint shows to the zone of the certificate's name.
    """

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


class ChainLoop(PlanError):
    """The CNAMEs lead back to a name that was already passed.

    Correct the CNAME that leads back; the message shows the whole chain.
    """


class ChainTooLong(PlanError):
    """More CNAMEs than a CA's resolver is sure to follow.

    At most eight are followed. Point the first one nearer to the end.
    """


class ChainEndsOutside(PlanError):
    """The chain ends in a zone that is none of the delegates, or in a name that does not exist.

    Either the CNAME is wrong, or the delegate has no section here. Where a wildcard answered, add the real CNAME.
    """


class TargetNotAllowed(PlanError):
    """``for`` or ``targets`` of the delegate, or the name of the account there, forbid this name this target.

    If the name is meant to use it, change the setting; if not, somebody has pointed a CNAME at another's target.
    """


class NotServing(PlanError):
    """The name has not led to our servers for longer than ``serving_grace``.

    When the customer has left, take the name out of the certificate; if not, correct their address, or ``serving``.
    """


class WriteError(DelegateError):
    """A provider did not do what it was asked.

    Also raised itself, for a failure that no better word exists for.
    """


class Refused(WriteError):
    """The service said no, and nothing was written.

    Certain only where the answer proves it: an rcode other than SERVFAIL under a good TSIG signature; over HTTPS a
    status 4xx other than 408, 409 and 429. The server's own words are in the message; the hint says whether to look at
    the key, its policy, the zone or a quota.
    """


class Unreachable(Refused):
    """No connection was made, or not one octet of the request was sent: nothing was written.

    Every address that was tried is in the message. Check that the service runs, and that a firewall lets this host in.
    """


class NoEffect(WriteError):
    """The service said yes, but does not serve what it was asked to write.

    A policy that denies in silence, a quota, a CNAME at the target, or a zone cut above it: the hint names which to
    look for.
    """


class OutcomeUnknown(WriteError):
    """The request left, and no answer came back that proves what became of it: it may have been carried out.

    The values are withdrawn at the end of the run, and looked for again later, until it is certain that they are gone.
    Nothing is left to do but what the hint says.
    """


class Denied(OutcomeUnknown):
    """The service said no in a way that proves nothing: SERVFAIL, an answer without a good signature, a status 5xx.

    What it said is nearly always true, so follow the hint. Since it may be false, the values count as written, as with
    ``OutcomeUnknown``.
    """


class NotServed(DelegateError):
    """The authoritative servers do not all serve the values in the time given.

    The table shows each server's last answer and SOA serial. Mend the one that lags (NOTIFY, transfer), or give it more
    time with ``timeout``. The CA was not asked, so no failed validation was spent.
    """


class SeveralProblems(DelegateError):
    """More than one failure, told together so that they can be mended together."""

    def __init__(self, problems: Sequence[DelegateError]) -> None:
        super().__init__(f"{len(problems)} problems:")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([self.problem, *(f"* {str(p).replace(chr(10), chr(10) + '  ')}" for p in self.problems)])


def as_problem(error: BaseException, doing: str) -> DelegateError:
    """Any failure as one sentence, for a step in which a failure concerns one name alone.

    :param doing: what was tried, for a failure that nobody foresaw.
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

    The same text is told once, however many names ran into it.
    """
    distinct = grouped(list({str(problem): problem for problem in problems}.values()))
    if len(distinct) == 1:
        raise distinct[0]
    if distinct:
        raise SeveralProblems(distinct)
