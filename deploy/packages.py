"""The third-party packages that are linked into the binary, as cargo knows them."""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def cargo_metadata(target):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def linked(target):
    """lubdub's own package, and what is reached from it by normal dependencies that are no procedural macro.

    What only the build uses (macros and what they are made of) is not in the binary.
    """
    metadata = cargo_metadata(target)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    [own] = [id for id in metadata["workspace_members"] if packages[id]["name"] == "lubdub"]

    def is_macro(package):
        return any("proc-macro" in each["kind"] for each in package["targets"])

    edges, todo = {}, [own]
    while todo:
        id = todo.pop()
        if id in edges:
            continue
        edges[id] = sorted(
            dependency["pkg"]
            for dependency in nodes[id]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]) and not is_macro(packages[dependency["pkg"]])
        )
        todo += edges[id]
    order = sorted(edges, key=lambda id: (packages[id]["name"], packages[id]["version"]))
    return packages[own], [packages[id] for id in order if id != own], edges, packages


def target_of(arguments):
    return arguments[1] if len(arguments) > 1 else "x86_64-unknown-linux-musl"


def lock_checksums():
    """Package and version to the SHA-256 of its crate file, from Cargo.lock."""
    checksums, name, version = {}, None, None
    for line in (ROOT / "Cargo.lock").read_text().splitlines():
        key, _, value = line.partition(" = ")
        if key == "name":
            name = value.strip('"')
        elif key == "version":
            version = value.strip('"')
        elif key == "checksum":
            checksums[name, version] = value.strip('"')
    return checksums


def fail(why):
    sys.exit(f"deploy: {why}")
