"""Which BLAS a worker gets on Linux: assembled, preloaded, measured, and what happens where a part is missing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tunewright.train import blas
from tunewright.train.blas import Blas, blas_environment, choose_blas, measure, packaged_blas

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mlx brings its own elsewhere")

# Compares mlx's products and factorizations with NumPy's, which has a library of its own.
RIGHT = """
import numpy as np, mlx.core as mx
mx.set_default_device(mx.cpu)
a, b = np.random.default_rng(1).normal(size=(2, 96, 96)).astype(np.float32)
s = a @ a.T + 96 * np.eye(96, dtype=np.float32)
assert np.allclose(np.array(mx.array(a) @ mx.array(b)), a @ b, atol=1e-3)
assert np.allclose(np.array(mx.linalg.cholesky(mx.array(s), stream=mx.cpu)), np.linalg.cholesky(s), atol=1e-3)
values = np.array(mx.linalg.eigvalsh(mx.array(s), stream=mx.cpu))
assert np.allclose(np.sort(values), np.linalg.eigvalsh(s), rtol=1e-3)
q, r = mx.linalg.qr(mx.array(a), stream=mx.cpu)
assert np.allclose(np.array(q) @ np.array(r), a, atol=1e-3)
maps = open("/proc/self/maps").read()
print("scipy_openblas32" in maps)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for what is assembled and chosen."""
    monkeypatch.setattr(blas, "_cache", lambda: tmp_path)
    monkeypatch.delenv("TUNEWRIGHT_BLAS", raising=False)
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    return tmp_path


def test_the_packaged_library_computes_what_numpy_computes(cache: Path) -> None:
    package = packaged_blas()
    assert package is not None
    done = subprocess.run(
        [sys.executable, "-c", RIGHT],
        env={**os.environ, "LD_PRELOAD": package.library},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "True", done.stderr
    assert packaged_blas() == package
    assert [path.suffix for path in cache.iterdir()] == [".so"], "it is assembled once"


def test_it_is_many_times_as_fast_as_mlx_own(cache: Path) -> None:
    package = packaged_blas()
    assert package is not None
    # Some 40 times on an idle machine; both are measured one after the other, so that load hits both.
    assert measure(package) > 4 * measure(Blas("reference")) > 0


def test_a_library_that_cannot_be_loaded_is_measured_as_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"\x7fELF nothing")
    # The loader only warns of it and goes on with mlx's own.
    assert measure(Blas("system", str(broken))) < 20


@pytest.mark.parametrize(
    ("speeds", "chosen"),
    [({"package": 90, "system": 60}, "package"), ({"package": 90, "system": 95}, "package"),
     ({"package": 60, "system": 90}, "system"), ({"package": 0, "system": 90}, "system")],
)  # fmt: skip
def test_a_systems_library_is_taken_only_where_it_is_faster_and_the_choice_is_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch, speeds: dict[str, float], chosen: str
) -> None:
    measured: list[str] = []

    def speed(library: Blas) -> float:
        measured.append(library.name)
        return speeds[library.name]

    monkeypatch.setattr(blas, "packaged_blas", lambda: Blas("package", "/p.so"))
    monkeypatch.setattr(blas, "system_blas", lambda: Blas("system", "libopenblas.so.0"))
    monkeypatch.setattr(blas, "measure", speed)
    assert choose_blas().name == chosen
    assert choose_blas().name == chosen
    assert measured == ["package", "system"], (
        "once: another library would change last bits between two starts"
    )
    (kept,) = cache.glob("blas-*.json")
    assert json.loads(kept.read_text())["gflops"] == speeds
    kept.write_text("torn {")
    assert choose_blas().name == chosen


def test_without_a_compiler_the_systems_is_taken_and_without_that_mlx_own(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(name: str) -> None:
        return None

    monkeypatch.setattr(shutil, "which", nowhere)
    assert packaged_blas() is None
    monkeypatch.setattr(blas, "system_blas", lambda: Blas("system", "libopenblas.so.0"))
    assert choose_blas() == Blas("system", "libopenblas.so.0")
    monkeypatch.setattr(blas, "system_blas", lambda: None)
    assert choose_blas() == Blas("reference")
    made = blas_environment({"HOME": "/h"})
    assert "LD_PRELOAD" not in made
    assert made["TUNEWRIGHT_BLAS"] == "reference"


def test_what_was_preloaded_and_chosen_stays(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "choose_blas", lambda: Blas("package", "/p.so"))
    made = blas_environment({"LD_PRELOAD": "libother.so", "OPENBLAS_NUM_THREADS": "8"})
    assert made["LD_PRELOAD"] == "/p.so:libother.so"
    assert made["OPENBLAS_NUM_THREADS"] == "8"
    assert blas_environment(made) == made
    assert blas_environment({})["OPENBLAS_NUM_THREADS"] == "1"


def test_on_a_mac_the_gpu_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, str]] = []

    def speed(library: Blas, device: str = "cpu") -> float:
        asked.append((library.name, device))
        return 9000.0

    monkeypatch.setattr(blas, "measure", speed)
    monkeypatch.setattr(blas.sys, "platform", "darwin")
    assert blas.main() == 0
    assert asked == [("metal", "gpu")]
    assert json.loads(capsys.readouterr().out) == {"name": "metal", "library": "", "gflops": 9000.0}


def test_a_device_that_does_not_work_is_measured_as_nothing() -> None:
    assert measure(Blas("metal"), "no_such_device") == 0
