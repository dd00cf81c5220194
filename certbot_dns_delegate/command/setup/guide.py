"""What ``init`` shows at each step: text to read and to paste, or with ``--json`` one object for each."""

from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.setup.hosts import networks_towards, short_name
from certbot_dns_delegate.command.setup.section import NewSection
from certbot_dns_delegate.command.setup.wish import Wish
from certbot_dns_delegate.text import plain, printable, record


class Guide:
    """Shows the steps of one set-up."""

    def __init__(self, output: Output, wish: Wish, *, is_trial: bool) -> None:
        """:param is_trial: nothing is written, and no secret shown."""
        self._output = output
        self._wish = wish
        self._settings = wish.shown if is_trial else wish.settings

    def say(self, text: str) -> None:
        """A remark for people."""
        self._output.text(text)

    def written(self, section: NewSection) -> None:
        """The section is in the file."""
        shown = printable(str(section.path))
        self._output.record(
            {"step": "settings", "where": shown, "text": f"[{section.title}]"},
            "\n" + self._output.heading(f"Wrote the section [{section.title}] to {shown}"),
        )

    def file(self, section: NewSection) -> None:
        """What would be written."""
        shown = NewSection.of(section.path, section.title, self._settings).text
        self._paste("settings", f"would be added to {printable(str(section.path))}", shown)

    def server(self) -> None:
        """What the name server needs, whole."""
        wish = self._wish
        targets = list(dict.fromkeys(f"{each.identifier}.{wish.title}." for each in wish.wanted))
        words = {
            "ZONE": wish.title,
            "NS": plain(wish.server) if wish.server else "",
            "KEY": self._settings.get("tsig_name", ""),
            "HOST": short_name(),
            "SECRET": self._settings.get("tsig_secret", ""),
            "OWNERS": ", ".join(target.removesuffix(f".{wish.title}.") for target in targets),
        }
        if any("@NETWORKS@" in part.text for part in wish.setup.parts):
            words["NETWORKS"] = networks_towards(self._settings["server"])
        where = f"On {words['NS']}: " if words["NS"] else ""
        for part in wish.setup.parts:
            filled = part.filled(words, targets)
            self._paste("server", f"{where}{filled.where}", filled.text)
        if wish.setup.note:
            self.say("\n" + self._output.paragraph(wish.setup.note.replace("@ZONE@", wish.title)))

    def delegation(self) -> None:
        """The NS record, where this set-up makes the zone."""
        if self._wish.server is not None:
            line = record(self._wish.zone, "NS", self._wish.server)
            self._paste("delegation", f"In the zone above {self._wish.title}, where that is hosted", line)

    def aliases(self) -> None:
        """The heading of the CNAMEs, which another verb prints."""
        self._introduce("In the zones of the names, where they are hosted; these records stay")

    def trial(self) -> None:
        """The heading of the trial."""
        self._introduce("The trial, as soon as the CNAMEs are there")

    def later(self, command: str) -> None:
        """How to try it when the records are there."""
        self._paste("trial", "When the records are there, try it", command)

    def order(self, lines: list[str]) -> None:
        """The last step; with ``--dry-run`` first."""
        self._paste("order", "The certificate; try it with --dry-run first", " \\\n  ".join(lines))

    def _paste(self, step: str, where: str, text: str) -> None:
        text = text.rstrip("\n")
        self._introduce(where)
        self._output.record({"step": step, "where": where, "text": text}, text)

    def _introduce(self, what: str) -> None:
        self.say(f"\n{self._output.heading(f'{what}:')}\n")
