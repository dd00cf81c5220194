"""Certbot's edge: one small class per entry point. Certbot imports this at every start; the rest waits for its use."""

import logging
import os
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acme import challenges
from certbot import achallenges, errors, interfaces
from certbot.plugins import common

if TYPE_CHECKING:
    from certbot_dns_delegate.lookup.recursive import Resolver
    from certbot_dns_delegate.model import Challenge
    from certbot_dns_delegate.order.account import AcmeAccount
    from certbot_dns_delegate.order.choice import Chosen
    from certbot_dns_delegate.order.engine import Engine
    from certbot_dns_delegate.order.registration import Terminal
    from certbot_dns_delegate.order.watcher import Watcher

log = logging.getLogger(__name__)

# As in order.owner, which is not imported where nobody asks for more than dns-01.
DNS01, ACCOUNT, PERSIST, AUTO = "dns-01", "dns-account-01", "dns-persist-01", "auto"


class Delegate(common.Plugin, interfaces.Authenticator):
    """Writes the challenge where the CNAME of ``_acme-challenge`` leads; one INI file, one section per delegate."""

    description = "DNS via several services, chosen by where the CNAME of _acme-challenge leads."

    def __init__(self, config: Any, name: str) -> None:
        super().__init__(config, name)
        self._engine: Engine | None = None
        self._chosen: dict[str, Chosen] = {}
        """The type of each name of the order, where the choice is left to us."""
        self._without: Collection[str] = ()
        """Names of the order that have no standing record."""

    @classmethod
    def add_parser_arguments(cls, add: Callable[..., None]) -> None:
        add("credentials", help="INI file that says which zones may be written, and how.")
        add(
            "propagation-seconds",
            type=int,
            default=None,
            help="The longest time to wait until all authoritative servers serve the values; the wait ends as soon as"
            " they do. 0: do not look. (default: as the kind of service needs)",
        )
        add(
            "resolvers",
            help="Recursive resolvers that follow the CNAMEs, comma separated: 192.0.2.53, 192.0.2.53@5353,"
            " [2001:db8::53]@53, tls://9.9.9.9#dns.quad9.net, https://dns.example/dns-query. (default: the system's)",
        )
        add(
            "challenge",
            type=_challenge_type,
            help="How the CA checks a name: dns-01; dns-account-01, at a name of the account's own; auto, for each name"
            " dns-account-01 where that name has a CNAME, else dns-01; dns-persist-01, by a record that stays, so that"
            " nothing is written. (default: dns-01)",
        )

    def more_info(self) -> str:
        return (
            "This plugin follows the CNAME of _acme-challenge, writes the TXT record at its target, proves that every"
            " authoritative server serves it, and removes exactly what it wrote."
        )

    def get_chall_pref(self, identifier: str) -> Iterable[type[challenges.Challenge]]:
        if _is_address(identifier):
            from certbot_dns_delegate.text import printable

            raise errors.PluginError(
                f"{printable(identifier, 80)} is an IP address, which has no name in DNS to put a challenge at\n"
                "hint: use an http-01 authenticator for it, such as --webroot or --standalone"
            )
        if self._choice == DNS01:
            return [challenges.DNS01]
        from certbot_dns_delegate.order import challenges as types

        if self._choice != AUTO:
            return [types.registered(self._choice) or challenges.DNS01]
        account = types.registered(ACCOUNT)
        if account is None or self._choose(identifier).kind == DNS01:
            return [challenges.DNS01]
        return [account, challenges.DNS01]

    @property
    def _choice(self) -> str:
        return self.conf("challenge") or DNS01

    def prepare(self) -> None:
        if self._choice != DNS01:
            from certbot_dns_delegate.order import challenges as types

            # Before an order is placed, and only where it was asked for.
            types.register(self._choice)
        path = self.conf("credentials")
        if path:
            # Saved for renewal as it is now, and a timer starts Certbot somewhere else.
            absolute = _absolute(path)
            if absolute != path:
                setattr(self.config, self.dest("credentials"), absolute)

    def perform(self, achalls: list[achallenges.AnnotatedChallenge]) -> list[challenges.ChallengeResponse]:
        self._engine = None  # an earlier order's
        try:
            self._perform(achalls)
        except errors.Error:
            raise  # ours and Certbot's own, a signal's among them
        except Exception as error:  # a fault of ours or of a library: one sentence for people, the rest for the log
            log.debug("unexpected", exc_info=True)
            from certbot_dns_delegate.text import printable

            problem = f"{self.name}: unexpected {type(error).__name__}: {printable(str(error))}"
            raise errors.PluginError(f"{problem}\nhint: please report it, with {self.config.logs_dir}") from None
        finally:
            self._show_progress("")
        return [achall.response(achall.account_key) for achall in achalls]

    def _perform(self, achalls: list[achallenges.AnnotatedChallenge]) -> None:
        from datetime import timedelta

        from certbot_dns_delegate.order import asked

        seconds = self.conf("propagation-seconds")
        if seconds is not None and seconds < 0:
            raise errors.PluginError(f"--{self.option_name('propagation-seconds')} must not be negative: {seconds}")
        if self._choice == PERSIST:
            self._verify(achalls)
            return
        allow_subset = self.config.allow_subset_of_names
        wanted, known = asked.challenges(achalls, self._challenge, allow_subset=allow_subset)
        known |= {name: chosen.problem for name, chosen in self._chosen.items() if chosen.problem is not None}
        self._engine = self._start()
        try:
            self._engine.perform(
                asked.in_order(wanted, self.config.domains),
                allow_subset=allow_subset,
                timeout=None if seconds is None else timedelta(seconds=seconds),
                known=known,
            )
        except errors.PluginError:
            if self._choice == ACCOUNT:
                self._name_staging_label()
            raise

    def _name_staging_label(self) -> None:
        """A dry run has another account and so another label, whose CNAMEs are best added in one go."""
        from certbot_dns_delegate.order.account import STAGING, on_record
        from certbot_dns_delegate.order.owner import LABEL, label_of

        url = on_record(Path(self.config.config_dir), STAGING)
        if url is not None and self.config.server != STAGING:
            log.warning("for --dry-run, add the same CNAME at %s.%s.NAME", label_of(url), LABEL)

    def _verify(self, achalls: list[achallenges.AnnotatedChallenge]) -> None:
        """See that each name's standing record is served everywhere; nothing is written."""
        from certbot_dns_delegate.lookup.recursive import Recursive, system_resolvers
        from certbot_dns_delegate.order.asked import name_of
        from certbot_dns_delegate.order.standing import Asked, verify

        wild = {str(name).lower().removeprefix("*.") for name in self.config.domains if str(name).startswith("*.")}
        names = [(name_of(achall), achall.chall.to_partial_json()) for achall in achalls]
        asked = {name: Asked(name, members, name in wild) for name, members in names}
        recursive = Recursive(self._resolvers() or system_resolvers())
        self._without = verify(
            list(asked.values()),
            self._account(),
            recursive,
            log.warning,
            allow_subset=self.config.allow_subset_of_names,
        )

    def _choose(self, identifier: str) -> "Chosen":
        """The type for a name; the first call looks at all names of the order at once."""
        if identifier not in self._chosen:
            from certbot_dns_delegate.order.console import notice

            names = [str(name).lower().removeprefix("*.") for name in self.config.domains or ()]
            engine = self._start()
            try:
                self._chosen |= engine.choose([*names, identifier], self._account().url)
            finally:
                engine.end()
            for name, chosen in self._chosen.items():
                if said := notice(name, chosen, is_dry_run=self.config.dry_run):
                    log.warning("%s: %s", self.name, said)
        return self._chosen[identifier]

    def _challenge(self, achall: achallenges.AnnotatedChallenge) -> "Challenge":
        from certbot_dns_delegate.order import asked

        if achall.chall.typ != ACCOUNT:
            return asked.challenge(achall)
        try:
            return asked.challenge(achall, self._account().url)
        except ValueError as error:
            from certbot_dns_delegate.errors import PlanError

            raise PlanError(str(error), f"--{self.option_name('challenge')} {DNS01}") from None

    def _account(self) -> "AcmeAccount":
        from certbot_dns_delegate.order.account import AcmeAccount

        config = self.config
        return AcmeAccount(Path(config.config_dir), config.server, config.account, verify=not config.no_verify_ssl)

    def cleanup(self, achalls: list[achallenges.AnnotatedChallenge]) -> None:  # noqa: ARG002  the journal knows more
        if self._engine is None:
            return  # nothing was even read, so nothing was written
        try:
            leftovers = self._engine.cleanup()
        except errors.SignalExit:
            raise
        except Exception as error:  # noqa: BLE001  Certbot must get on to its own exit; the journal knows the rest
            from certbot_dns_delegate.text import printable

            said = error if isinstance(error, errors.PluginError) else printable(str(error))
            log.error("%s: the clean-up ended early: %s\nhint: %s", self.name, said, self._engine.sweep)
            return
        for left in leftovers:
            # What has lasted for a day will not go by itself, and is shown with --quiet too.
            level, end = (logging.ERROR, " --forget") if left.is_old else (logging.WARNING, "")
            log.log(
                level,
                "%s: values at %s were not withdrawn: %s\nhint: a later run tries again, or %s%s",
                self.name,
                left.owners,
                left.error,
                self._engine.sweep,
                end,
            )

    def auth_hint(self, failed_achalls: list[achallenges.AnnotatedChallenge]) -> str:
        from certbot_dns_delegate.order.asked import identifier
        from certbot_dns_delegate.order.report import hint_for_failures, hint_for_standing

        if self._choice == PERSIST:
            return hint_for_standing(map(identifier, failed_achalls), self._without)
        if self._engine is None:  # nothing was published that a CA could refuse
            return hint_for_failures([], None, (), lambda *words: " ".join(words))
        failures = [(identifier(each), each.error) for each in failed_achalls]
        self._engine.note_refusals(failures)
        return hint_for_failures(
            failures, self._engine.report, self._engine.left_out, self._engine.settings.command, self._engine.withdrawn
        )

    def _start(self) -> "Engine":
        from certbot_dns_delegate.order.console import Tell
        from certbot_dns_delegate.order.engine import Engine
        from certbot_dns_delegate.settings import reader

        self._ask_for_credentials()
        loaded = reader.load(Path(self.conf("credentials")), self.name, log.warning)
        state = Path(self.config.work_dir) / "dns-delegate"
        option = f"--{self.option_name('resolvers')}"
        tell = Tell(log.warning, self._progress, self._terminal(), option, self._say)
        return Engine(loaded, state, self._resolvers(), tell)

    def _resolvers(self) -> "tuple[Resolver, ...]":
        from certbot_dns_delegate.lookup.recursive import parse_resolvers

        return parse_resolvers(self.conf("resolvers")) if self.conf("resolvers") else ()

    def _terminal(self) -> "Terminal | None":
        from certbot_dns_delegate.order import typed

        return typed.terminal(self._show_progress) if self._is_typed() else None

    def _is_typed(self) -> bool:
        # Standard input may be closed.
        is_open = sys.stdin is not None and not sys.stdin.closed
        return is_open and sys.stdin.isatty() and not self.config.noninteractive_mode

    def _ask_for_credentials(self) -> None:
        if self.conf("credentials"):
            return
        from certbot_dns_delegate.order import typed

        flag = f"--{self.option_name('credentials')}"
        if not self._is_typed():
            in_file = f"in a renewal file: {self.dest('credentials')} = FILE"
            raise errors.PluginError(f"{self.name} has no credentials file\nhint: {flag} FILE; {in_file}")
        path = typed.credentials(self.name)
        if path is None:
            raise errors.PluginError(f"{self.name} has no credentials file\nhint: {flag} FILE")
        setattr(self.config, self.dest("credentials"), _absolute(path))

    def _progress(self, limit_s: float, waited_s: float, blocking: "Iterable[Watcher]") -> None:
        from certbot_dns_delegate.order.report import progress_line

        self._show_progress(progress_line(limit_s, waited_s, list(blocking)))

    def _say(self, text: str) -> None:
        from certbot.display import util as display_util

        self._show_progress("")
        display_util.notify(f"{self.name}: {text}")

    def _show_progress(self, line: str) -> None:
        # A timer's log has no use for it, and --quiet means it.
        if sys.stderr.isatty() and not self.config.quiet:
            from certbot_dns_delegate.order.console import overwrite

            overwrite(sys.stderr, line)


class AcmeDNS(Delegate):
    """One acme-dns server, or getlocalcert; its accounts say which names it serves."""

    description = "DNS via acme-dns, following _acme-challenge CNAMEs."


class Cloudflare(Delegate):
    """The zones that one Cloudflare token may edit."""

    description = "DNS via Cloudflare, following _acme-challenge CNAMEs."


class DeSEC(Delegate):
    """The domains of one deSEC account."""

    description = "DNS via deSEC, following _acme-challenge CNAMEs."


class HTTPReq(Delegate):
    """One server of lego's httpreq protocol."""

    description = "DNS via lego's httpreq protocol, following _acme-challenge CNAMEs."


class PowerDNS(Delegate):
    """The zones of one PowerDNS server, through its HTTP API."""

    description = "DNS via PowerDNS's HTTP API, following _acme-challenge CNAMEs."


class RFC2136(Delegate):
    """The zones that one server serves, by dynamic update; the server says which."""

    description = "DNS via dynamic updates (RFC 2136), following _acme-challenge CNAMEs."


class Standalone(Delegate):
    """The same with no DNS server at all: this process answers for the delegate's zone while the order runs."""

    description = "No DNS server: answer for the delegated zone on port 53 while the challenge runs, following CNAMEs."


def _challenge_type(text: str) -> str:
    """A value of the option or of a renewal file. Certbot shows what this raises as it is, before it does anything."""
    from certbot_dns_delegate.order.owner import CHOICES
    from certbot_dns_delegate.schema import choice

    try:
        return str(choice(*CHOICES).parse(text))
    except ValueError as error:
        hint = f"leave the option out, or remove its line from the renewal file, for {DNS01}"
        raise errors.ConfigurationError(f"challenge type {error}\nhint: {hint}") from None


def _is_address(identifier: str) -> bool:
    return ":" in identifier or identifier.replace(".", "").isdigit()


def _absolute(path: str) -> str:
    # Not resolve(): a symbolic link that is turned at each key change must stay one in the renewal file.
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111  Path.absolute keeps "..", Path.expanduser raises
