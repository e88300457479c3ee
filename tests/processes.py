"""Real servers of our own, on loopback and in a directory of their own, that tests may break.

Each is a context manager. What is not installed skips the test; with ``CI=true`` it fails it.
Processes are found and stopped as Linux does it.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from tests.missing import leave_out

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[1]

#: Below the ports that the kernel gives to clients: one of them could take the port of a server
#: that is down for a moment, or even connect to itself there.
PORTS = range(20_000, 32_000)

_taken: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, and that this process has not been given before."""
    for port in random.sample(PORTS, len(PORTS)):
        with closing(socket.socket()) as probe, suppress(OSError):
            if port not in _taken:
                probe.bind((HOST, port))
                _taken.add(port)
                return port
    raise RuntimeError("No port is free.")


def not_installed(name: str) -> NoReturn:
    leave_out(f"{name}, which is not installed")


def binary(name: str, *folders: Path) -> str:
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", ""), "/usr/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        not_installed(name)
    return found


def module(name: str) -> str:
    if importlib.util.find_spec(name) is None:
        not_installed(name)
    return name


def wait_until(condition, seconds: float = 10, every: float = 0.02):
    """Wait for something true and return it; the last answer where it never comes."""
    end = time.monotonic() + seconds
    while not (answer := condition()) and time.monotonic() < end:
        time.sleep(every)
    return answer


def children(pid: int) -> list[int]:
    """The living children of a process, oldest first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state not in "ZX":
                found.append(int(stat.parent.name))
    return sorted(found)


def family(pid: int) -> list[int]:
    """A process and all that came from it, parents first."""
    return [pid, *(member for child in children(pid) for member in family(child))]


class Server:
    """A process, started where the block begins and gone where it ends."""

    #: The account to run as where we are root and the server refuses to be.
    account: str | None = None
    stop_signal = signal.SIGKILL

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="souvenirs-"))
        try:
            if self.as_account():
                shutil.chown(self.directory, self.account, self.group())
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info) -> None:
        try:
            self.stop()
            if "PYTEST_CURRENT_TEST" in os.environ:
                print(f"{type(self).__name__}:\n{self.log[-10_000:]}")  # seen where the test fails
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def prepare(self) -> None:
        """Make what the server needs before its first start."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def answers(self) -> bool:
        """Whether the server is ready; may raise anything where it is not."""
        with socket.create_connection((HOST, self.port), timeout=1):
            return True

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """What the server has written on its standard error and output, from all its starts."""
        return (self.directory / "log").read_text(errors="replace")

    def start(self, seconds: float = 30) -> None:
        """Start the server and wait until it answers."""
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.leash(), *self.command()],
                cwd=self.working_directory(),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.as_account(),
            )
        ready = wait_until(lambda: self.process.poll() is not None or self._answers(), seconds)
        if not ready or self.process.poll() is not None:
            raise RuntimeError(f"{self.command()[0]} does not answer:\n{self.log}")

    def stop(self) -> None:
        """Stop the server at once, suspended or not, without a farewell to its clients."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(self.stop_signal)
        self.resume()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for member in family(self.pid):
                with suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
            self.process.wait()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def suspend(self) -> None:
        """Let the server hang: it still accepts connections and answers none."""
        # Parents first, so that no child escapes. PostgreSQL gives each child a group of its own.
        os.kill(self.pid, signal.SIGSTOP)
        self._signal_children(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_children(signal.SIGCONT)
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def as_account(self) -> dict[str, object]:
        """Arguments of Popen to run as the server's own account."""
        if self.account is None or os.geteuid() != 0:
            return {}
        try:
            pwd.getpwnam(self.account)
        except KeyError:
            not_installed(f"an account {self.account}")
        return {"user": self.account, "group": self.group(), "extra_groups": []}

    def group(self) -> int:
        return pwd.getpwnam(self.account).pw_gid

    def working_directory(self) -> Path:
        return self.directory

    def run(self, *command: str) -> None:
        """Run a tool of the server's to its end."""
        done = subprocess.run(
            command, cwd=self.directory, capture_output=True, check=False, **self.as_account()
        )
        if done.returncode:
            output = (done.stdout + done.stderr).decode(errors="replace")
            raise RuntimeError(f"{command[0]} failed:\n{output}")

    def leash(self) -> list[str]:
        """What ends the server even where the tests themselves are killed."""
        setpriv = shutil.which("setpriv")
        return [setpriv, "--pdeathsig", self.stop_signal.name[3:]] if setpriv else []

    def _answers(self) -> bool:
        try:
            return self.answers()
        except Exception:
            return False

    def _signal_children(self, number: signal.Signals) -> None:
        for member in family(self.pid)[1:]:
            with suppress(ProcessLookupError):
                os.kill(member, number)


class Redis(Server):
    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def command(self) -> list[str]:
        options = {"--port": self.port, "--bind": HOST, "--save": "", "--appendonly": "no"}
        words = [str(word) for option in options.items() for word in option]
        return [binary("redis-server"), *words]

    def answers(self) -> bool:
        with self.client() as client:
            return client.ping()

    def client(self):
        import redis

        return redis.Redis.from_url(self.url, socket_connect_timeout=2, socket_timeout=2)


class Memcached(Server):
    @property
    def url(self) -> str:
        return f"{HOST}:{self.port}"

    def command(self) -> list[str]:
        account = ["-u", "nobody"] if os.geteuid() == 0 else []
        return [binary("memcached"), "-l", HOST, "-p", str(self.port), "-U", "0", *account]


class PostgreSQL(Server):
    account = "postgres"
    stop_signal = signal.SIGQUIT

    @property
    def url(self) -> str:
        return self.database("postgres")

    def database(self, name: str) -> str:
        """The URL of one of its databases."""
        return f"postgres://postgres@{HOST}:{self.port}/{name}"

    def prepare(self) -> None:
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        self.run(self._binary("initdb"), "-D", str(self.directory / "data"), *options)

    def command(self) -> list[str]:
        options = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 60,
        }
        words = [word for item in options.items() for word in ("-c", "{}={}".format(*item))]
        return [self._binary("postgres"), "-D", str(self.directory / "data"), *words]

    def answers(self) -> bool:
        return self.execute("SELECT 1") == [(1,)]

    def connect(self, name: str = "postgres"):
        """A connection in autocommit."""
        import psycopg

        return psycopg.connect(self.database(name), autocommit=True, connect_timeout=5)

    def execute(self, sql: str, name: str = "postgres") -> list[tuple]:
        with self.connect(name) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _binary(self, name: str) -> str:
        def version(folder: Path) -> float:
            return float(folder.parent.name)

        folders = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
        return binary(name, *sorted(folders, key=version, reverse=True))


class MariaDB(Server):
    account = "mysql"

    @property
    def url(self) -> str:
        return self.database("mysql")

    def database(self, name: str) -> str:
        return f"mysql://root@{HOST}:{self.port}/{name}"

    def prepare(self) -> None:
        self.run(
            binary("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def command(self) -> list[str]:
        return [
            binary("mariadbd"),
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--socket={self.directory / 'socket'}",
            f"--pid-file={self.directory / 'pid'}",
            f"--bind-address={HOST}",
            f"--port={self.port}",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
        ]

    def answers(self) -> bool:
        return self.execute("SELECT 1") == ((1,),)

    def connect(self, name: str = "mysql"):
        """A connection in autocommit."""
        import pymysql

        return pymysql.connect(
            host=HOST, port=self.port, user="root", database=name, autocommit=True
        )

    def execute(self, sql: str, name: str = "mysql") -> tuple[tuple, ...]:
        with closing(self.connect(name)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()


class PgBouncer(Server):
    """Two connections to a database, given to each transaction anew."""

    account = "postgres"
    stop_signal = signal.SIGTERM

    def __init__(self, url: str) -> None:
        super().__init__()
        self.target = urlsplit(url)
        user = self.target.username
        self.url = self.target._replace(netloc=f"{user}@{HOST}:{self.port}").geturl()

    def prepare(self) -> None:
        database = self.target.path.lstrip("/")
        address = f"host={self.target.hostname} port={self.target.port} dbname={database}"
        self.settings.write_text(
            f"[databases]\n{database} = {address}\n[pgbouncer]\n"
            f"listen_addr = {HOST}\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {self.directory / 'users'}\n"
            "pool_mode = transaction\ndefault_pool_size = 2\n"
        )
        (self.directory / "users").write_text(f'"{self.target.username}" ""\n')

    @property
    def settings(self) -> Path:
        return self.directory / "pgbouncer.ini"

    def command(self) -> list[str]:
        return [binary("pgbouncer"), str(self.settings)]


class BlackHole:
    """A port that never says a word; ``accepts=False``: that does not even accept a connection."""

    def __init__(self, accepts: bool = True) -> None:
        self.accepts = accepts
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"

    def __enter__(self):
        self.sockets = [socket.socket()]
        self.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sockets[0].bind((HOST, self.port))
        # The kernel accepts as many as wait for us, and lets the others wait.
        self.sockets[0].listen(128 if self.accepts else 0)
        if not self.accepts:
            for _ in range(4):
                self.sockets.append(socket.socket())
                self.sockets[-1].setblocking(False)
                self.sockets[-1].connect_ex((HOST, self.port))
        return self

    def __exit__(self, *exc_info) -> None:
        for each in self.sockets:
            each.close()


#: Servers that answer requests in the process that is started.
ALONE = {"uvicorn", "daphne"}


class Web(Server):
    """A Django site under gunicorn, uvicorn or daphne.

    ``kind`` is "uvicorn", "daphne" or a worker class of gunicorn: sync, gthread or gevent.
    ``environment`` names the settings of the site, and ``asgi`` a function that returns it to
    uvicorn.
    """

    stop_signal = signal.SIGTERM

    def __init__(
        self,
        environment: dict[str, str],
        kind: str = "sync",
        workers: int = 1,
        threads: int = 1,
        preload: bool = False,
        ready: str = "/ready/",
        asgi: str = "django.core.asgi:get_asgi_application",
    ) -> None:
        super().__init__()
        self.asgi = asgi
        self.settings, self.kind, self.number = environment, kind, workers
        self.threads, self.preload, self.ready = threads, preload, ready
        self.url = f"http://{HOST}:{self.port}"

    @property
    def workers(self) -> list[int]:
        """The processes that answer requests, oldest first."""
        return [self.pid] if self.kind in ALONE else children(self.pid)

    def kill(self, number: signal.Signals = signal.SIGKILL, pid: int | None = None) -> int:
        """Send a signal to a worker, the oldest if none is named, and return which one it was."""
        target = self.workers[0] if pid is None else pid
        os.kill(target, number)
        return target

    def command(self) -> list[str]:
        if self.kind == "uvicorn":
            words = [module("uvicorn"), "--factory", self.asgi]
            words += ["--host", HOST, "--port", self.port, "--timeout-graceful-shutdown", 1]
        elif self.kind == "daphne":
            words = [module("daphne"), "tests.faults.daphne:application"]
            words += ["--bind", HOST, "--port", self.port]
        else:
            if self.kind == "gevent":
                module("gevent")
            words = [module("gunicorn"), "django.core.wsgi:get_wsgi_application()"]
            words += ["--bind", f"{HOST}:{self.port}", "--worker-class", self.kind]
            words += ["--workers", self.number, "--threads", self.threads]
            words += ["--graceful-timeout", 8, "--timeout", 60, "--worker-tmp-dir", self.directory]
            words += ["--preload"] * self.preload
        return [sys.executable, "-m", *map(str, words)]

    def environment(self) -> dict[str, str]:
        paths = [*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)]
        # Newer versions of gunicorn leave a socket in the home directory.
        own = {"PYTHONPATH": os.pathsep.join(paths), "HOME": str(self.directory)}
        return {**os.environ, **own, **self.settings}

    def working_directory(self) -> Path:
        return ROOT

    def answers(self) -> bool:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=5)
        with closing(connection):
            connection.request("GET", self.ready)
            status = connection.getresponse().status
        return status == 200 and len(self.workers) >= self.number
