"""lego's httpreq protocol, default mode: ``present`` and ``cleanup`` with the target and the value.

acmeproxy, acmeproxy.pl, canonical's server and others serve it. The protocol says nothing about errors, repeats, bodies
and what else may be at the owner: that is the server's, so the least is assumed. What a 2xx answer says besides is not
judged; whether the value was written shows in DNS.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, Refused, raise_all
from certbot_dns_delegate.model import Limits, Sighting, Values
from certbot_dns_delegate.providers import http
from certbot_dns_delegate.providers.interface import Context, Options, Provider
from certbot_dns_delegate.schema import BOOLEAN, SECRET, TEXT, Key
from certbot_dns_delegate.text import show

HEARD = frozenset({200, 201, 202, 203, 204, 205, 206, 400, 403, 500})
"""Statuses whose text is looked at."""
PATH = "check url: /present has to lie right below it"
SAYS_NO = {
    # acmeproxy (Go) says no with 500 in plain text, and 403 to any other path; it has not called its provider then.
    "not in allowed-domains": "the server's allowed-domains must have this domain",
    "does not support requested mode": "acmeproxy writes at a given name with few of its providers (transip): use"
    " acmeproxy.pl, or provider = exec with the program that it runs",
}
"""What a server says that has not written anything, and what to do."""


class HTTPReq(Provider):
    """Writes TXT values through an httpreq server."""

    name = "httpreq"
    limits = Limits()
    KEYS = (
        # An acme.sh script behind acmeproxy.pl, which serves one request at a time, takes tens of seconds.
        *http.keys(read_timeout="120s", request_timeout="180s"),
        Key("username", TEXT, "The user of basic authentication."),
        Key("password", SECRET, "The password of basic authentication."),
        Key("single_value", BOOLEAN, "Whether the server keeps only the last value of each name.", default="false"),
    )

    def __init__(self, options: Options, context: Context) -> None:
        basic = (options["username"], options["password"]) if options["username"] is not None else None
        self._warn = context.warn
        self._client = http.Client(
            options, basic=basic, credentials="username and password", wait=context.wait, warn=context.warn
        )
        most = 1 if options["single_value"] else None
        self.limits = Limits(values_per_owner=most, proves=self._client.is_protected)

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
        """Problems that show in several settings together."""
        yield from http.validate(options, warn)
        yield from http.ends_before(options, "present", "cleanup")
        if (options["username"] is None) != (options["password"] is None):
            yield "username and password belong together"

    def capacity_key(self, owner: Name) -> Hashable:
        """The owner itself."""
        return owner

    def zone_of(self, owner: Name) -> Name | None:  # noqa: ARG002  the protocol has no question for it
        """None: the protocol has no way to ask which zones a server writes in."""
        return None

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:  # noqa: ARG002  the server's
        """One request for each value, one after the other; the first failure ends it."""
        is_any_written = False
        for owner, texts in sorted(values.items()):
            for text in sorted(texts):
                try:
                    self._send("present", owner, text)
                except Refused as error:
                    if is_any_written:
                        raise OutcomeUnknown(error.problem, error.hint) from None
                    raise
                is_any_written = True
        return ()

    def withdraw(self, zone: Name, values: Values) -> None:  # noqa: ARG002  the server finds it
        """One request for each value; every one is tried."""
        problems: list[DelegateError] = []
        for owner, texts in sorted(values.items()):
            for text in sorted(texts):
                try:
                    self._send("cleanup", owner, text)
                except DelegateError as error:
                    problems.append(error)
        raise_all(problems)

    def probe(self) -> str:
        """Look whether the server is there; it can refuse credentials here, but not confirm them."""
        answer = self._client.call("GET", "present", accept={400, 404, 405}, accept_html=True)
        return f"{self._client.base} is there ({answer.status}); whether it may write shows only when it writes"

    def _send(self, verb: str, owner: Name, text: str) -> None:
        body = {"fqdn": show(owner.canonicalize()), "value": text}
        answer = self._client.call("POST", verb, json=body, accept=HEARD, accept_html=True)
        said = answer.text.strip().lower()
        if answer.is_success:
            self._judge(answer, said, text)
        elif answer.is_html:
            raise answer.error()
        elif hint := next((hint for words, hint in SAYS_NO.items() if words in said), ""):
            raise Refused(answer.error().problem, hint)
        elif answer.status == 400:
            raise self._bad_request(owner, answer)
        elif answer.status == 403:
            error = answer.error()
            raise type(error)(error.problem, f"{PATH}; then, whether username and password may write here")
        else:
            raise answer.error()

    def _judge(self, answer: http.Answer, said: str, text: str) -> None:
        """What is known to mean no, of the one server that says everything with 200."""
        if text not in answer.text:
            if "i am not a teapot" in said:
                raise Refused(answer.error().problem, PATH)
            if said.startswith(("failed", "invalid")):
                raise answer.error(is_unknown=said.startswith("failed"))
        if answer.is_html:
            self._warn(f"{answer.request} was answered with a web page; hint: is url the address of the API itself?")

    @staticmethod
    def _bad_request(owner: Name, answer: http.Answer) -> DelegateError:
        error = answer.error()
        if owner.labels[0].lower() == b"_acme-challenge":
            return error
        hint = f"some servers take only names that start with _acme-challenge.: _acme-challenge.{show(owner)}"
        return Refused(error.problem, hint)
