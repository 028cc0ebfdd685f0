#!/usr/bin/env python3
"""Writes the manual pages and the completions of the shells from the help that the program prints.

Usage: systemd/package/texts.py PROGRAM DIRECTORY VERSION
"""

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Flag(NamedTuple):
    name: str
    has_value: bool
    help: str


class Command(NamedTuple):
    name: str
    help: str
    flags: list[Flag]
    text: str  # its help, for 76 columns


def output(program: str, *arguments: str, columns: int) -> str:
    environment = {**os.environ, "COLUMNS": str(columns)}
    return subprocess.run([program, *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def flags(text: str) -> list[Flag]:
    lines = re.findall(r"^ +(?:-\w, +)?--([\w-]+)(=(?:\"[^\"]*\"|\S+))? +(.*)$", text, re.MULTILINE)
    return [Flag(name, bool(value), help) for name, value, help in lines]


def commands(program: str) -> list[Command]:
    listed = output(program, "--help", columns=200).split("\nCommands:\n")[1]
    found = re.findall(r"^  ([a-z]+)\b.*\n    (\S.*)$", listed, re.MULTILINE)
    return [
        Command(name, help, flags(output(program, name, "--help", columns=400)), output(program, name, "--help", columns=76))
        for name, help in found
    ]


def roff(text: str) -> str:
    return re.sub(r"^([.'])", r"\\&\1", text.replace("\\", "\\e").replace("-", "\\-"), flags=re.MULTILINE)


def manual(commands: list[Command], version: str) -> str:
    sections = "".join(f".SS facesieve {c.name}\n.nf\n{roff(c.text.split(chr(10), 2)[2])}.fi\n" for c in commands)
    return f"""\
.TH FACESIEVE 1 "" "facesieve {version}" "User Commands"
.SH NAME
facesieve \\- forward only the faces that a recogniser can use
.SH SYNOPSIS
.B facesieve
.I command
.RI [ flags ]
.SH DESCRIPTION
facesieve reads cameras and recordings, finds and scores faces, and forwards one good face a visit over MQTT.
The service facesieve.service runs it as a daemon.
.SH COMMANDS
{sections}.SH EXIT STATUS
0 done, 1 failed, 64 wrong command line, 78 wrong configuration.
.SH FILES
.TP
/etc/facesieve/facesieve.yaml
The configuration of the service.
.TP
/var/lib/facesieve
Faces that wait for the broker.
.SH SEE ALSO
.BR facesieve.yaml (5),
/usr/share/doc/facesieve/README.md
"""


def configuration_manual(configuration: str, version: str) -> str:
    return f"""\
.TH FACESIEVE.YAML 5 "" "facesieve {version}" "File Formats"
.SH NAME
facesieve.yaml \\- configuration of facesieve
.SH DESCRIPTION
The file lies in /etc/facesieve. This is the one that is shipped; every key has its default value.
.nf
{roff(configuration)}.fi
.SH SEE ALSO
.BR facesieve (1)
"""


def bash(commands: list[Command]) -> str:
    cases = "".join(f"    {c.name}) flags='{' '.join('--' + f.name for f in c.flags)}' ;;\n" for c in commands)
    return f"""\
# bash completion of facesieve
_facesieve() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} flags=
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W '{" ".join(c.name for c in commands)} --help' -- "$current")
    return
  fi
  case ${{COMP_WORDS[1]}} in
{cases}  esac
  case $current in
    -*) mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
  esac
}}
complete -o filenames -F _facesieve facesieve
"""


def zsh(commands: list[Command]) -> str:
    def quote(text: str) -> str:
        return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")

    names = "".join(f"      '{c.name}:{quote(c.help)}'\n" for c in commands)
    cases = ""
    for c in commands:
        cases += f"    {c.name}) _arguments \\\n"
        for f in c.flags:
            value = ("=", ":value:_files") if f.has_value else ("", "")
            cases += f"      '--{f.name}{value[0]}[{quote(f.help)}]{value[1]}' \\\n"
        cases += "      '*:file:_files' ;;\n"
    return f"""\
#compdef facesieve
_facesieve() {{
  if (( CURRENT == 2 )); then
    local -a commands=(
{names}    )
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{cases}  esac
}}
_facesieve "$@"
"""


def fish(commands: list[Command]) -> str:
    def quote(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    lines = ["# fish completion of facesieve"]
    lines += [f"complete -c facesieve -n __fish_use_subcommand -f -a {c.name} -d {quote(c.help)}" for c in commands]
    for c in commands:
        for f in c.flags:
            seen, value = f"'__fish_seen_subcommand_from {c.name}'", " -r" if f.has_value else ""
            lines.append(f"complete -c facesieve -n {seen} -l {f.name}{value} -d {quote(f.help)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    program, directory, version = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    found = commands(program)
    shipped = Path(__file__).parents[1] / "facesieve.yaml"
    for name, text in ("facesieve.1", manual(found, version)), (
        "facesieve.yaml.5",
        configuration_manual(shipped.read_text(encoding="utf-8"), version),
    ):
        (directory / f"{name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    for shell in bash, zsh, fish:
        (directory / f"completion.{shell.__name__}").write_text(shell(found), encoding="utf-8")


if __name__ == "__main__":
    main()
