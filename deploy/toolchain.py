"""What the toolchain links into a static binary beside the packages: the standard library of Rust, and musl."""

import html
import pathlib
import re
import subprocess

import packages

COPYRIGHT = "share/doc/rust/COPYRIGHT-library.html"


def rustc(*arguments):
    return subprocess.run(["rustc", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def sysroot():
    return pathlib.Path(rustc("--print", "sysroot").strip())


def entry(name, version, licence, description, repository, purl):
    return dict(name=name, version=version, license=licence, description=description, repository=repository, purl=purl)


def std():
    [version] = re.findall(r"^release: (.*)$", rustc("-vV"), re.M)
    # Its tables of characters are Unicode's; `copyrights` names whose code else is in it.
    licence = "(MIT OR Apache-2.0) AND Unicode-3.0"
    repository = "https://github.com/rust-lang/rust"
    return entry("rust-std", version, licence, "The standard library of Rust", repository, f"pkg:github/rust-lang/rust@{version}")


def musl(target):
    """The version is in libc.a, as a string by itself."""
    archive = sysroot() / "lib/rustlib" / target / "lib/self-contained/libc.a"
    if not archive.exists():
        packages.fail(f"{archive}: no musl of the toolchain; rustup target add {target}")
    found = set(re.findall(rb"[^ -~](\d+\.\d+\.\d+)\0", archive.read_bytes()))
    if len(found) != 1:
        packages.fail(f"{archive}: expected one version of musl, found {sorted(found)}")
    version = found.pop().decode()
    # One file of it for armv7 is the Android project's.
    licence = "MIT AND BSD-2-Clause" if target.startswith("armv7") else "MIT"
    return entry("musl", version, licence, "The C library", "https://git.musl-libc.org/cgit/musl", f"pkg:generic/musl@{version}")


def linked(target):
    return [std(), musl(target)]


def copyrights():
    """Name and text of what the toolchain says of the standard library, and of the packages in it."""
    root = sysroot()
    path = root / COPYRIGHT
    if not path.exists():
        packages.fail(f"{path}: expected the notices of the standard library, which come with rustup's rustc")
    inside, *others = path.read_text().split("<h3>\N{PACKAGE} ")
    plain = lambda text: html.unescape(re.sub(r"<[^>]+>", "", text))
    inside = plain(inside.split('In-tree files</h2>')[-1].split("Out-of-tree dependencies</h2>")[0])
    lines = [line.strip() for line in inside.splitlines()]
    yield "rust-std (COPYRIGHT)", re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip()
    for name in ("MIT", "Apache-2.0", "Unicode-3.0"):
        yield f"rust-std ({name})", (root / "share/doc/rust/licenses" / f"{name}.txt").read_text().strip()
    for other in others:
        name = plain(other.split("</h3>")[0]).strip()
        # Of other systems, or of what std is tested with.
        if re.match(r"(windows|wasi|wit-|hermit|fortanix|moto|r-efi|vex|rand|getopts|cc-|shlex|dlmalloc)", name):
            continue
        for file, text in re.findall(r"<summary><code>(.*?)</code></summary>\s*<pre>(.*?)</pre>", other, re.S):
            yield f"{name} in rust-std ({file})", plain(text).replace("\r\n", "\n").strip()
    yield "musl (COPYRIGHT)", (packages.ROOT / "deploy/licences/musl").read_text().strip()
