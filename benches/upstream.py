"""What the benchmarks share: the upstream, from day to day, and how programs are run."""
import contextlib
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target"))
MAKER = TOP.parent / "shared" / "realrepo" / "make_upstream.py"
DAYS = 3
CHANGED = 20
SUITE = "bookworm"
INDEX = f"dists/{SUITE}/main/binary-amd64/Packages"
# Fewer packages than these are no measure of what docs/performance.md promises.
FULL = 60_000


class Wrong(Exception):
    """The benchmark cannot go on, or what it found is not what it should be."""


def run(*command, env=None, data=None):
    """Runs a command and gives what it prints; if it fails, so does all."""
    done = subprocess.run([str(word) for word in command], env=env, input=data, capture_output=True)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise Wrong(f"{' '.join(str(word) for word in command)} failed:\n{said[-2000:]}")
    return done.stdout


def stanzas(index):
    """An index as (package, version, architecture, SHA-256) -> (path, digest of the stanza as it is)."""
    found = {}
    for stanza in index.strip(b"\n").split(b"\n\n"):
        fields = dict(re.findall(rb"(?m)^(Package|Version|Architecture|SHA256|Filename): *(.*)$", stanza))
        key = tuple(fields[name].decode() for name in (b"Package", b"Version", b"Architecture", b"SHA256"))
        found[key] = (fields[b"Filename"].decode(), hashlib.sha256(stanza.strip()).digest())
    return found


class Upstream:
    """The upstream: a directory for each day, made where it is not there, and the one of today served."""

    def __init__(self, directory, packages, maker):
        self.directory, self.packages, self.maker = directory, packages, maker
        self.today = directory / "today"

    def prepare(self):
        for day in range(DAYS + 1):
            if not (self.directory / str(day)).is_dir():
                self.make(day)
        if self.packages == 0 and len(self.index(0)) < FULL:
            raise Wrong(f"{self.directory} has only {len(self.index(0))} packages: remove it, or name another one")

    def make(self, day):
        if not self.maker.is_file():
            raise Wrong(f"{self.maker}, which makes the upstream, is not there; an upstream that was made before can "
                        "be named with --upstream")
        print(f"making the upstream of day {day} in {self.directory}", file=sys.stderr)
        partial = self.directory / f"{day}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if day > 0:
            before = self.directory / str(day - 1)
            # Packages never change, so they can be shared between the days; indices are written in place.
            run("cp", "-al", before / "pool", partial)
            run("cp", "-a", before / "dists", before / "state.json", before / ".gnupg", partial)
        run(sys.executable, self.maker, partial, "--packages", self.packages, "--day", day, "--change", CHANGED)
        run("gpgconf", "--homedir", partial / ".gnupg", "--kill", "all")
        partial.rename(self.directory / str(day))

    def index(self, day):
        return stanzas((self.directory / str(day) / INDEX).read_bytes())

    def key(self):
        return self.directory / "0" / "signer.asc"

    def set_day(self, day):
        self.today.unlink(missing_ok=True)
        self.today.symlink_to(str(day))

    @contextlib.contextmanager
    def served(self, work):
        """nginx as Debian configures it, but for its paths; gives the URL."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        temporary = "".join(f"  {kind}_temp_path {work}/nginx-{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;\n" if os.getuid() == 0 else ""
        (work / "nginx.conf").write_text(
            f"{user}daemon off;\npid {work}/nginx.pid;\nerror_log {work}/nginx.log;\n"
            f"events {{}}\nhttp {{\n{temporary}  access_log off;\n  sendfile on;\n  tcp_nopush on;\n"
            f"  server {{\n    listen 127.0.0.1:{port};\n    root {self.today};\n  }}\n}}\n")
        server = subprocess.Popen(["nginx", "-c", work / "nginx.conf", "-e", work / "nginx.log"])
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/{INDEX}", server)
            yield url
        finally:
            server.terminate()
            server.wait()


@contextlib.contextmanager
def serving(program, env):
    """debpoint's server on a free port; gives its URL."""
    server = subprocess.Popen([program, "serve", "--listen", "127.0.0.1:0"], env=env, stdout=subprocess.PIPE, text=True)
    try:
        said = re.search(r"http://\S+", server.stdout.readline())
        if not said:
            raise Wrong("debpoint serve does not say where it listens")
        yield said[0].rstrip("/")
    finally:
        server.terminate()
        server.wait()


def wait_for(url, server):
    """Returns once a server answers."""
    while True:
        try:
            urllib.request.urlopen(url).close()
            return
        except urllib.error.URLError:
            if server.poll() is not None:
                raise Wrong(f"the server of {url} has ended")
            time.sleep(0.02)


def add_arguments(parser):
    parser.add_argument("--quick", action="store_true", help="2,000 packages")
    parser.add_argument("--packages", type=int, default=0, help="how many packages the upstream is made of; 0 = all")
    parser.add_argument("--upstream", type=Path, metavar="DIR",
                        help="the upstream, a directory for each day: DIR/0 is what make_upstream.py makes; what is "
                        "missing is made [default: target/bench/upstream-PACKAGES]")
    parser.add_argument("--maker", type=Path, metavar="FILE", default=MAKER, help="make_upstream.py [%(default)s]")
    parser.add_argument("--debpoint", type=Path, metavar="FILE", default=TARGET / "release" / "debpoint",
                        help="the program [%(default)s]")
    parser.add_argument("--work", type=Path, metavar="DIR", default=TARGET / "bench",
                        help="where the mirrors are made, and removed again [%(default)s]")


def parse(parser):
    options = parser.parse_args()
    if options.quick:
        options.packages = 2000
    if options.upstream is None:
        options.upstream = TARGET / "bench" / f"upstream-{options.packages or 'all'}"
    return options


def check_programs(options, programs):
    missing = [package for program, package in programs.items() if not shutil.which(program)]
    if missing:
        raise Wrong(f"these are missing: apt-get install {' '.join(missing)}")
    if not options.debpoint.is_file():
        raise Wrong(f"{options.debpoint} is missing: cargo build --release")


def processor():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} x {model[1] if model else 'a processor without a name'}"


def load():
    return f"{os.getloadavg()[0]:.1f}"
