"""A letter to a customer whose delegation is no longer used: until the record is deleted, it permits certificates."""

from datetime import UTC, datetime

from certbot_dns_delegate.monitor.standing import Standing


def letter(standing: Standing, since: float, issued: float | None) -> str:
    """A text ready to be sent.

    :param since: when this state began, seconds since the epoch.
    :param issued: when a certificate for the name was last ordered here.
    """
    name = standing.name.removeprefix("*.")
    day = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%d")
    last = "never" if issued is None else f"last on {datetime.fromtimestamp(issued, UTC):%Y-%m-%d}"
    why = {
        "gone": f"Since {day} the name no longer leads to our servers.",
        "never arrived": f"We expected the name to lead to our servers, but on {day} it did not.",
        "stale": f"We ordered a certificate for it {last}.",
    }[standing.state]
    return (
        f"Your domain still lets us obtain certificates for {name}: _acme-challenge.{name} is a CNAME to our DNS."
        f" {why} If you use our service, please tell us. If you do not, please delete the record"
        f" _acme-challenge.{name} (type CNAME): as long as it exists, certificates for {name} can be issued through us."
    )
