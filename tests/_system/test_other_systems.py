"""What Windows and macOS lack is asked for in `_system` alone, and there is another way there.

A process that is robbed of what only Unix has stands in for Windows: `fcntl`, `resource`, parts of
`os` and `signal` cannot be had, and files that are open are neither removed nor replaced.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import deepfake_generalize

PACKAGE = Path(deepfake_generalize.__file__).parent
MODULES = {"fcntl", "resource", "msvcrt", "pwd", "grp", "termios", "winreg", "_winapi"}
OF_OS = {
    *("fork", "forkpty", "geteuid", "getpgid", "getuid", "killpg", "memfd_create", "mkfifo"),
    *("pidfd_open", "posix_spawn", "sched_getaffinity", "setsid", "statvfs", "sysconf", "uname"),
    *("O_BINARY", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "startfile"),
}
OF_SIGNAL = {"SIGALRM", "SIGBREAK", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2"}


def of_one_system(source: str) -> list[str]:
    """Name what a module asks for that not every system has."""
    found: list[str] = []
    if not any(word in source for word in (*MODULES, *OF_OS, *OF_SIGNAL, "/proc", "/sys/")):
        return found  # Parsing all would take a second.
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            found.append(node.module)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            only = {"os": OF_OS, "signal": OF_SIGNAL}.get(node.value.id, set())
            found += [f"{node.value.id}.{node.attr}"] * (node.attr in only)
        elif isinstance(node, ast.Constant) and str(node.value).startswith(("/proc", "/sys/")):
            found.append(str(node.value))
    return found


def test_what_one_system_lacks_is_asked_for_in_one_place() -> None:
    found = {
        str(file.relative_to(PACKAGE)): names
        for file in PACKAGE.rglob("*.py")
        if (names := of_one_system(file.read_text("utf-8")))
    }
    assert {name for name in found if not name.startswith("_system")} == set()
    assert found  # Else nothing is looked at.


def test_what_is_looked_for_is_found() -> None:
    text = "import fcntl\nfrom resource import x\nos.statvfs(a)\nsignal.SIGHUP\nPath('/proc/x')"
    names = {"fcntl", "resource", "os.statvfs", "signal.SIGHUP", "/proc/x"}
    assert set(of_one_system(text)) == names


WINDOWS = """
import asyncio, os, pathlib, shutil, signal, subprocess, sys, tempfile, types

taken, replace, unlink = {}, os.replace, os.unlink

def inode(handle):
    try:
        return os.fstat(handle).st_ino
    except OSError:
        return None

def locking(handle, how, count):
    assert (how, count) == (2, 1)
    assert os.lseek(handle, 0, os.SEEK_CUR) > 1 << 30  # Nobody may touch what is locked.
    if inode(taken.get(inode(handle), -1)) == inode(handle):
        raise PermissionError(13, "Permission denied")
    taken[inode(handle)] = handle

def unless_open(act):
    def do(*paths, **options):
        links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        opened = {os.readlink(link) for link in links if os.path.lexists(link)}
        if opened & {os.path.realpath(path) for path in paths}:
            raise PermissionError(13, "it is open in a process")
        return act(*paths, **options)
    return do

os.replace, os.unlink = unless_open(replace), unless_open(unlink)
sys.modules |= {"fcntl": None, "resource": None}
sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
for name in ("memfd_create", "sysconf", "statvfs", "sched_getaffinity", "O_NONBLOCK", "O_CLOEXEC",
             "mkfifo", "geteuid", "getuid"):
    delattr(os, name)
shutil.disk_usage = lambda folder: types.SimpleNamespace(free=1 << 40)
for name in ("SIGHUP", "SIGKILL", "SIGALRM", "SIGUSR1"):
    delattr(signal, name)
"""
AT_WORK = """
from pathlib import Path
from deepfake_generalize._system import files, processes, streams

folder = Path(sys.argv[1])
target, left = folder / "a.bin", folder / ".a.bin.00.tmp"
left.touch()
content = b"first\\r\\nsecond\\x1a third"
with files.replacing(target, durable=True) as temporary:
    assert not left.exists()
    temporary.write_bytes(content)
    files.remove_abandoned(target)
    assert temporary.exists()
assert files.read_regular(target) == content
try:
    with files.replacing(target) as temporary:
        raise KeyError
except KeyError:
    assert [path.name for path in folder.iterdir()] == ["a.bin"]
with files.claim_folder(folder, ".lock", work="study"):
    try:
        with files.claim_folder(folder, ".lock", work="study"):
            raise SystemExit("two were inside")
    except files.DataMismatchError as error:
        assert "in which one is" in str(error)
assert [path.name for path in folder.iterdir()] == ["a.bin"]
assert processes.memory_gib() is None
assert processes.processors() == os.cpu_count()
assert processes.peak_memory(folder / "none") == 0
assert files.has_room(folder)
with streams.quiet_native_logs():
    os.write(2, b"INFO: chatter\\nERROR: told\\n")
with processes.interrupted_by_termination() as came:
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        assert came == [signal.SIGTERM]
from deepfake_generalize.cli import main
assert main(["--version"]) == 0
"""
EVERY_MODULE = """
import importlib, pkgutil, deepfake_generalize
for module in pkgutil.walk_packages(deepfake_generalize.__path__, "deepfake_generalize."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
"""


def run(program: str, *arguments: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc for what is open")
def test_files_locks_and_logs_have_another_way_on_windows(tmp_path: Path) -> None:
    done = run(WINDOWS + AT_WORK, tmp_path)
    assert (done.returncode, done.stderr) == (0, "ERROR: told\n")
    assert done.stdout.startswith("deepfake-generalize ")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it takes away what other systems lack")
def test_every_module_loads_without_what_only_unix_has() -> None:
    # What is not ours is loaded before: it brings its own ways for each system.
    others = "import joblib, keras, mediapipe, matplotlib.pyplot, sklearn, skimage"
    done = run(f"{others}\n{WINDOWS}{EVERY_MODULE}")
    assert done.returncode == 0, done.stderr
