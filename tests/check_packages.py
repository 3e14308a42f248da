#!/usr/bin/env python3
"""Checks that what a build includes and what the scripts call belongs to packages that they install.

    tests/check_packages.py [build/release]     a finished build

A machine that has more packages than a fresh Debian 12 hides that one is missing from
tests/packages.sh. What would be on a fresh one, apt says: it plays an installation on an empty machine
through. Held against that are the headers in the build's dependency files, and the programs that
scripts name literally. What a script asks for with `command -v` is optional, and CUDA's own headers
aren't Debian's.
"""
import ast
import collections
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What the README's two commands run; all other scripts may use what .ci/run installs, too.
TWO_COMMANDS = {"apps/demo.sh", "tests/run.sh", "tests/prepare.sh", "tests/packages.sh"}
# Programs that run the program named by their arguments.
WRAPPERS = {"command", "env", "exec", "sudo", "unshare", "xargs"}
# Functions of Python scripts that run the program named first.
RUNNERS = {"subprocess.run", "run", "output_of"}
SYSTEM_PATH = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]


def output_of(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **options)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command[:3])} failed: {done.stderr.strip()}")
    return done.stdout


def array(name):
    """The words of an array in tests/packages.sh."""
    return output_of("bash", "-c", f'. tests/packages.sh; printf "%s\\n" "${{{name}[@]}}"').split()


def installed_with(packages):
    """All packages on a machine where nothing but `packages` was installed after Debian and git."""
    played = output_of("apt-get", "--simulate", "--no-install-recommends", "-o", "Debug::NoLocking=true",
                       "-o", "Dir::State::status=/dev/null", "install", "?essential", "apt", "git", *packages)
    return set(re.findall(r"^Inst (\S+)", played, re.M))


def owners(paths):
    """{path: names of the packages it belongs to}. Debian's packages name files without or with /usr."""
    names = {path: {path, os.path.realpath(path)} for path in paths}
    for known in names.values():
        known |= {name.removeprefix("/usr") for name in known}
    asked = sorted(set().union(*names.values()))
    found = subprocess.run(["dpkg", "-S", *asked], capture_output=True, text=True).stdout
    owner = collections.defaultdict(set)
    for packages, name in re.findall(r"^(\S+(?:, \S+)*): (/.*)$", found, re.M):
        owner[name] |= {package.split(":")[0] for package in packages.split(", ")}
    return {path: set().union(*(owner[name] for name in known)) for path, known in names.items()}


def headers(build):
    """The headers outside the tree in the build's dependency files, but for CUDA's own."""
    listing = output_of("ninja", "-C", build, "-t", "deps")
    paths = {os.path.realpath(path) for path in re.findall(r"^    (/.*)$", listing, re.M)}
    with open(os.path.join(ROOT, build, "CMakeCache.txt")) as cache:
        nvcc = re.search(r"^NVCC:FILEPATH=(/.*)$", cache.read(), re.M)
    outside = [ROOT + "/"]
    if nvcc:
        outside.append(os.path.dirname(os.path.dirname(os.path.realpath(nvcc[1]))) + "/")
    return {path for path in paths if not path.startswith(tuple(outside))}


def literal(word):
    """The text of a shell word, None where it isn't known before the script runs."""
    parts = [part for outer in word["Parts"]
             for part in (outer.get("Parts", []) if outer["Type"] == "DblQuoted" else [outer])]
    if all(part["Type"] in ("Lit", "SglQuoted") for part in parts):
        return "".join(part["Value"] for part in parts)
    return None


def is_array(word):
    return any("Index" in part for part in nodes(word["Parts"]))


def nodes(tree):
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for child in tree:
            yield from nodes(child)


def read_shell(path):
    """(programs called, functions, names asked for by `command -v`, packages installed by name)."""
    with open(os.path.join(ROOT, path)) as script:
        text = script.read()
    tree = json.loads(output_of("shfmt", "--to-json", input=text))
    called, functions, optional, packages = set(re.findall(r"\A#!/usr/bin/env (\S+)", text)), set(), set(), set()
    for node in nodes(tree):
        if node.get("Type") == "FuncDecl":
            functions.add(node["Name"]["Value"])
        if node.get("Type") != "CallExpr" or not node.get("Args"):
            continue
        words = [literal(word) for word in node["Args"]]
        if words[:2] == ["command", "-v"]:
            optional.add(words[2])
            continue
        if words[0] == "install_missing":
            packages |= set(words[1:]) - {None}
        # A wrapper, or an array like (sudo), is followed by what it runs.
        for word, parsed in zip(words, node["Args"]):
            if word is None and not is_array(parsed):
                break
            if word is None or word.startswith("-") or "=" in word or word.isdigit():
                continue
            called.add(word)
            if word not in WRAPPERS:
                break
    return called, functions, optional, packages


def read_python(path):
    """(programs called, ...) like read_shell: the literal first words of what is given to subprocess.run,
    or to the functions through which scripts here call it."""
    with open(os.path.join(ROOT, path)) as script:
        text = script.read()
    called = set(re.findall(r"\A#!/usr/bin/env (\S+)", text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in RUNNERS:
            command = node.args[0]
            first = command.elts[0] if isinstance(command, ast.List) and command.elts else command
            if isinstance(first, ast.Constant):
                called.add(first.value)
    return called, set(), set(), set()


def program(name):
    """The path of a program of the system, None where it has none of the name."""
    return next((path for folder in SYSTEM_PATH if os.access(path := f"{folder}/{name}", os.X_OK)), None)


def check_scripts(two_commands, everything):
    """(complaints, programs checked)."""
    tracked = output_of("git", "ls-files").split("\n")
    scripts = {path: read_shell(path) for path in tracked if path.endswith(".sh") or path == ".ci/run"}
    scripts |= {path: read_python(path) for path in tracked if path.endswith(".py")}
    functions = set().union(*(found[1] for found in scripts.values()))
    optional = set().union(*(found[2] for found in scripts.values()))
    known = functions | optional | set(output_of("bash", "-c", "compgen -bk").split())
    named = set().union(*(found[3] for found in scripts.values()))
    machines = {True: installed_with(two_commands), False: installed_with([*everything, *named])}
    called = {(name, path in TWO_COMMANDS): path for path, (names, *_) in scripts.items()
              for name in names - known if "/" not in name}
    owner = owners([path for name, _ in called if (path := program(name))])
    complaints = []
    for (name, strict), script in sorted(called.items()):
        packages = owner.get(program(name), set())
        if not packages & machines[strict]:
            of = f"of {', '.join(sorted(packages))}, which isn't installed for it" if packages \
                else "which is of no package here"
            complaints.append(f"{script} calls {name} {of}")
    return complaints, len(called)


def check_headers(build, packages):
    """(complaints, headers checked)."""
    machine = installed_with(packages)
    owner = owners(headers(build))
    lacking = collections.defaultdict(list)
    for path, packages in sorted(owner.items()):
        if not packages & machine:
            lacking[", ".join(sorted(packages)) or "no package"].append(path)
    complaints = [f"{paths[0]} ({len(paths)} such headers) is of {package}, which tests/packages.sh doesn't install"
                  for package, paths in lacking.items()]
    return complaints, len(owner)


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build/release"
    two_commands = array("build_packages")
    complaints, header_count = check_headers(build, two_commands + array("optional_packages"))
    more, program_count = check_scripts(two_commands, two_commands + array("check_packages"))
    if header_count == 0:
        sys.exit(f"error: {build} has no dependency files; build it first: tests/run.sh")
    for complaint in complaints + more:
        print(complaint)
    if complaints + more:
        sys.exit(1)
    print(f"packages are named: {header_count} headers, {program_count} programs")


if __name__ == "__main__":
    main()
