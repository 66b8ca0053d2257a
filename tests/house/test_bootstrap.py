"""The set-up says in one sentence what is missing, and installs nothing that is not the very file it trusts."""

import ast
import base64
import fcntl
import hashlib
import io
import json
import platform
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy import bootstrap, package_index, pinned_uv
from deploy.package_index import SetupError
from tests.harness import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "json": '{{"meta": {{"api-version": "1.1"}}, "files": [{{"filename": "{file}", "url": "../../files/{file}"}}]}}',
    "html": '<!DOCTYPE html><html><body><a href="/files/{file}#sha256=00">{file}</a><br/></body></html>',
}


class Index:
    """A package index of one file on a port of this machine; remembers what it was asked."""

    def __init__(self, page: str, file: str, content: bytes) -> None:
        self.asked: list[tuple[str, str | None]] = []
        bodies = {"/simple/uv/": page.format(file=file).encode(), f"/files/{file}": content}
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.path, self.headers.get("Authorization")))
                self.send_response(200 if self.path in bodies else 404)
                self.end_headers()
                self.wfile.write(bodies.get(self.path, b""))

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Index":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join(10)
        self.server.server_close()


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch) -> tuple[str, bytes]:
    """A wheel of a uv that is a shell script, trusted on this machine while the test runs."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr(f"uv-{pinned_uv.VERSION}.data/scripts/uv", "#!/bin/sh\necho it runs\n")
    name, data = "uv-test-none-any.whl", archive.getvalue()
    here = (platform.system(), platform.machine())
    monkeypatch.setattr(pinned_uv, "WHEELS", {here: (name, hashlib.sha256(data).hexdigest())})
    return name, data


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh checkout, as far as the set-up reads it."""
    for name in ("deploy", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def offline() -> dict[str, str]:
    """An environment whose package index is a port where nobody listens."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/nonexistent",
        "UV_DEFAULT_INDEX": f"http://127.0.0.1:{free_port()}/simple",
    }


@pytest.mark.parametrize("module", [bootstrap, package_index, pinned_uv], ids=lambda module: str(module.__name__))
def test_an_old_python_gets_as_far_as_being_told_so(module: object) -> None:
    """The set-up's own files are valid for Python 3.8, and import only the standard library and each other."""
    source = Path(str(getattr(module, "__file__", ""))).read_text("utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert all(name.split(".")[0] in {*sys.stdlib_module_names, "deploy"} for name in names), names
    assert "from __future__ import annotations" in source


@pytest.mark.parametrize("version", [(3, 8, 20), (3, 10, 1), (3, 15, 0)])
def test_another_python_is_told_in_one_sentence(version: tuple[int, ...]) -> None:
    """No traceback, exit code 1, and the command that would do."""
    code = f"import sys; sys.version_info = {version}; from deploy import bootstrap; sys.exit(bootstrap.main(['demo']))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert result.stderr.startswith("voicebus cannot be set up: it needs Python 3.11 to 3.14")
    assert result.stderr.count("\n") == 1
    assert "make demo PYTHON=" in result.stderr


def test_no_python_at_all_is_told_in_one_sentence(checkout: Path) -> None:
    """make itself says it."""
    command = ["make", "--no-print-directory", "demo", "PYTHON=python-that-is-not-there"]
    result = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert result.stderr.splitlines()[0].startswith("voicebus needs Python 3.11 or newer, and there is no python-that-")


def test_no_network_is_told_in_one_sentence(checkout: Path) -> None:
    """The index is named, and what to do; a password in its address is not."""
    environment = offline()
    environment["UV_DEFAULT_INDEX"] = environment["UV_DEFAULT_INDEX"].replace("//", "//me:secret@")
    command = [sys.executable, "-m", "deploy.bootstrap", "demo"]
    result = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    said = result.stderr.splitlines()[-1]
    assert said.startswith("voicebus cannot be set up: no answer from the package index at 127.0.0.1")
    assert "check the network, or name a mirror" in said
    assert "Traceback" not in result.stderr
    assert "secret" not in result.stderr


@pytest.mark.parametrize("kind", ["json", "html"])
def test_the_pinned_installer_is_fetched_once_and_runs(
    kind: str, wheel: tuple[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From either form of an index, with the user of its address, and from no network the second time."""
    with Index(PAGES[kind], *wheel) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://me:secret@{index.host}/simple")
        program = pinned_uv.ensure(tmp_path / "bin")
        assert pinned_uv.ensure(tmp_path / "bin") == program
        pages = [path for path, _ in index.asked]
    assert pages == ["/simple/uv/", f"/files/{wheel[0]}"]
    assert index.asked[0][1] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "it runs\n"


def test_an_installer_with_another_hash_is_refused(
    wheel: tuple[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is left on the disk."""
    with Index(PAGES["html"], wheel[0], wheel[1] + b"tampered") as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://{index.host}/simple")
        with pytest.raises(SetupError, match="wrong hash"):
            pinned_uv.ensure(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_voicebus_does_not_run_on_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is fetched."""
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(SetupError, match=r"voicebus runs on .*riscv64"):
        pinned_uv.wheel()


def test_the_index_of_pips_settings_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is stronger, and without either it is the public one."""
    for name in package_index.INDEX_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = https://mirror.example/simple/\nfind-links = /opt/wheels\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    assert package_index.address() == "https://mirror.example/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://other.example/simple")
    assert package_index.address() == "https://other.example/simple"
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    assert package_index.address() == package_index.PUBLIC_INDEX


def test_two_set_ups_at_once_take_turns(checkout: Path) -> None:
    """The second one says that it waits, and goes on when the first one ends."""
    folder = checkout / ".voicebus" / "bin"
    folder.mkdir(parents=True)
    with (folder / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, "-m", "deploy.bootstrap", "demo"]
        second = subprocess.Popen(command, cwd=checkout, env=offline(), stderr=subprocess.PIPE, text=True)
        assert second.stderr is not None
        assert "another set-up is at work here" in second.stderr.readline()
        assert second.poll() is None
    assert "setting up" in second.communicate(timeout=60)[1]


def test_a_finished_set_up_is_not_done_again(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the lock changes, or an interruption left it half done; the tests' set holds the demo's."""
    monkeypatch.setattr(bootstrap, "ROOT", checkout)
    monkeypatch.setattr(bootstrap, "STAMP", checkout / "stamp")
    monkeypatch.setattr(bootstrap, "UNFINISHED", checkout / "unfinished")
    assert not bootstrap.is_ready("demo")
    bootstrap.STAMP.write_text(json.dumps({name: bootstrap.fingerprint(name) for name in bootstrap.SETS["test"]}))
    assert bootstrap.is_ready("demo")
    bootstrap.UNFINISHED.touch()
    assert not bootstrap.is_ready("demo")
    bootstrap.UNFINISHED.unlink()
    (checkout / "requirements" / "demo.lock").write_text("changed")
    assert bootstrap.is_ready("test")
    assert not bootstrap.is_ready("demo")
