"""The manual page and the shells' completion, made from the parser itself so that none can fall behind.

``python -m certbot_dns_delegate.command.manual`` prints the page, for packages to install in man8.
"""

import argparse
import sys
from collections.abc import Iterator

from certbot_dns_delegate.command.arguments import DESCRIPTION, PROGRAM, add_common, make_parser
from certbot_dns_delegate.command.verbs import VERBS


def page() -> str:
    """The manual page in roff (man-pages(7))."""
    common = argparse.ArgumentParser(add_help=False)
    add_common(common, is_default=True)
    lines = [
        f'.TH {PROGRAM.upper()} 8 "" "" "System Administration"',
        ".SH NAME",
        f"{_roff(PROGRAM)} \\- look after delegated _acme\\-challenge names",
        ".SH SYNOPSIS",
        f".B {_roff(PROGRAM)}",
        ".I VERB",
        "[options]",
        ".SH DESCRIPTION",
        _roff(DESCRIPTION),
        ".SH OPTIONS OF EVERY VERB",
        *_options(common),
    ]
    for verb in VERBS:
        own = argparse.ArgumentParser(add_help=False)
        verb.add(own)
        lines += [f".SH {_roff(verb.name.upper())}", _roff(verb.description), *_options(own)]
        lines += [".PP", "Example:", ".nf", ".RS", *map(_roff, verb.example.splitlines()), ".RE", ".fi"]
    return "\n".join(lines) + "\n"


def completion(shell: str) -> str:
    """A script for ``bash`` or ``zsh`` that completes verbs, options and file names."""
    words = {verb: " ".join(options) for verb, options in _words().items()}
    cases = "\n".join(f'    {verb}) words="{options}" ;;' for verb, options in words.items() if verb)
    start = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return f"""{start}_certbot_dns_delegate() {{
  local words="{words[""]}" word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in
{cases}
    esac
  done
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _certbot_dns_delegate {PROGRAM}
"""


def _words() -> dict[str, list[str]]:
    """What may follow each verb; the options of the program itself under ''."""
    parser = make_parser()
    words = {"": _flags(parser)}
    for action in parser._actions:  # noqa: SLF001  argparse has no other way to walk its verbs
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  argparse shows its options in no other way
            words |= {name: _flags(own) for name, own in action.choices.items()}
    return words


def _flags(parser: argparse.ArgumentParser) -> list[str]:
    """The options, and the words that an argument may be."""
    return [str(word) for action in parser._actions for word in action.option_strings or action.choices or ()]  # noqa: SLF001  argparse shows its options in no other way


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001  argparse shows its options in no other way
        flags = ", ".join(f"\\fB{_roff(flag)}\\fR" for flag in action.option_strings)
        value = action.metavar or ("" if action.nargs == 0 or not action.choices else "|".join(action.choices))
        yield ".TP"
        yield f"{flags} \\fI{_roff(str(value))}\\fR".strip() if value else flags or f"\\fI{_roff(action.dest)}\\fR"
        yield _roff(action.help or "")


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    sys.stdout.write(page())
