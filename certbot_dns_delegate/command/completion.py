"""``completion``: a script for the shell that completes this command, made from the parser itself."""

import argparse

from certbot_dns_delegate.command.arguments import PROGRAM, make_parser
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output

BASH = """\
_certbot_dns_delegate() {
  local list="@START@" word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
@CASES@
    esac
  done
  COMPREPLY=($(compgen -W "$list" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _certbot_dns_delegate @PROGRAM@
"""
# zsh's own system rather than bashcompinit, which cannot slice an array as bash does. A shell without a start file has
# not started it.
ZSH = """\
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
_certbot_dns_delegate() {
  local list="@START@" word
  for word in "${(@)words[2,CURRENT-1]}"; do
    case "$word" in
@CASES@
    esac
  done
  compadd -- ${=list} || _files
}
compdef _certbot_dns_delegate @PROGRAM@
"""
FISH = """\
function __certbot_dns_delegate
  set -l list @START@
  for word in (commandline -opc)[2..-1]
    switch $word
@CASES@
    end
  end
  printf '%s\\n' $list
end
complete -c @PROGRAM@ -a '(__certbot_dns_delegate)'
"""
SCRIPTS = {
    "bash": (BASH, '    {}) list="{}" ;;'),
    "zsh": (ZSH, '    {}) list="{}" ;;'),
    "fish": (FISH, "      case {}; set list {}"),
}
"""For each shell the script, and the line for one verb and its words."""


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:  # noqa: ARG001  it needs nothing of the host
    """Always well."""
    output.write(script(arguments.shell))
    return True


def script(shell: str) -> str:
    """A script for one of :data:`SCRIPTS` that completes verbs, options and file names."""
    text, case = SCRIPTS[shell]
    words = {verb: " ".join(options) for verb, options in words_of().items()}
    cases = "\n".join(case.format(verb, options) for verb, options in words.items() if verb)
    return text.replace("@CASES@", cases).replace("@START@", words[""]).replace("@PROGRAM@", PROGRAM)


def words_of() -> dict[str, list[str]]:
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
