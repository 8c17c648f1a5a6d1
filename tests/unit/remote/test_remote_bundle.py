"""What a host is sent: the same for the same sources, made once."""

import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tunewright.contract.errors import UserError
from tunewright.contract.manifest import write_manifest
from tunewright.remote import bundle
from tunewright.remote.bundle import find_uv, prepare_shipment, require_shipment, source_hash

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what decides the shipment."""
    root = tmp_path_factory.mktemp("checkout")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "packages", root / "packages", ignore=ignore)
    return root


@pytest.mark.slow
def test_the_same_sources_make_the_same_shipment(checkout: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        shutil.copytree(checkout, tmp_path / name, ignore=shutil.ignore_patterns(".tunewright"))
    said: list[str] = []
    first = prepare_shipment(tmp_path / "one", said.append)
    assert said == ["building the host's packages"]
    assert prepare_shipment(tmp_path / "one", said.append) == first
    assert len(said) == 1, "the second time it was found"
    other = prepare_shipment(tmp_path / "other", lambda _: None)
    assert other.hash == first.hash
    assert other.files == first.files


@pytest.mark.slow
def test_a_shipment_holds_hashes_for_everything_and_our_wheels(checkout: Path) -> None:
    shipment = prepare_shipment(checkout, lambda _: None)
    text = (shipment.folder / "requirements.txt").read_text()
    wanted = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(wanted) > 20
    assert all(line.endswith("\\") for line in wanted), "each requirement goes on with its hashes"
    assert "mlx-lm==" in text
    assert not {"fabric", "duckdb", "invoke", "pytest"} & {line.split("==")[0] for line in wanted}
    assert str(checkout) not in text
    names = {name.split("-")[0] for name in shipment.wheels}
    assert names == {"tunewright_contract", "tunewright_train"}
    for wheel in shipment.wheels:
        with zipfile.ZipFile(shipment.folder / wheel) as file:
            assert not [name for name in file.namelist() if name == "tunewright/__init__.py"]


def test_every_source_counts_and_nothing_else_does(checkout: Path) -> None:
    before = source_hash(checkout)
    source = checkout / "packages" / "contract" / "src" / "tunewright" / "contract"
    cache = source / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "x.pyc").write_bytes(b"x")
    (checkout / "packages" / "audit" / "new.py").write_text("x = 1\n")
    assert source_hash(checkout) == before
    new = source / "new.py"
    new.write_text("x = 1\n")
    assert source_hash(checkout) != before
    new.unlink()
    assert source_hash(checkout) == before


def test_a_lock_that_does_not_fit_is_told(checkout: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(checkout, root, ignore=shutil.ignore_patterns(".tunewright"))
    project = root / "packages" / "train" / "pyproject.toml"
    project.write_text(project.read_text().replace('"numpy>=2",', '"numpy>=2", "mlx-lm<0.1",'))
    with pytest.raises(UserError, match="uv export failed") as error:
        prepare_shipment(root, lambda _: None)
    assert "uv lock" in error.value.hint
    assert not list((root / ".tunewright" / "shipments").iterdir())


def test_half_a_checkout_is_told(tmp_path: Path) -> None:
    for package in ("contract", "train"):
        (tmp_path / "packages" / package).mkdir(parents=True)
        (tmp_path / "packages" / package / "pyproject.toml").touch()
    with pytest.raises(UserError, match=r"uv\.lock: No such file"):
        prepare_shipment(tmp_path, lambda _: None)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a release's wheel has, small, as an installed copy finds it."""
    folder = tmp_path / "shipment"
    folder.mkdir()
    for name in (
        "uv.lock",
        "requirements.txt",
        "smollm2-135m.txt",
        "tunewright_contract-1-py3-none-any.whl",
        "tunewright_train-1-py3-none-any.whl",
    ):
        (folder / name).write_text(name)
    write_manifest(folder, "key")
    monkeypatch.setattr(bundle, "SHIPPED", folder)
    return folder


def test_outside_a_checkout_the_installed_shipment_is_taken(shipped: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "uv.lock").write_text("the user's own")
    require_shipment(project)
    shipment = prepare_shipment(project, lambda _: None)
    assert shipment.folder == shipped
    assert "uv.lock" not in shipment.files, "the hash of an environment is over what makes it"
    assert shipment.lock.read_text() == "uv.lock"
    assert shipment.trainer.name == "tunewright_train-1-py3-none-any.whl"
    assert list(project.iterdir()) == [project / "uv.lock"]


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a changed byte": lambda folder: (folder / "requirements.txt").write_text("requirements.tx_"),
    "another wheel": lambda folder: (folder / "tunewright_train-1-py3-none-any.whl").write_text("else"),
    "a missing file": lambda folder: (folder / "smollm2-135m.txt").unlink(),
    "a missing lock": lambda folder: (folder / "uv.lock").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "half a manifest": lambda folder: (folder / "manifest.json").write_bytes(
        (folder / "manifest.json").read_bytes()[:100]
    ),
    "a manifest of fewer files": lambda folder: (
        (folder / "tunewright_contract-1-py3-none-any.whl").unlink(),
        write_manifest(folder, "key"),
    ),
    "an empty folder": lambda folder: [path.unlink() for path in folder.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_installed_shipment_is_refused(
    shipped: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    damage(shipped)
    with pytest.raises(UserError) as error:
        prepare_shipment(tmp_path, lambda _: None)
    assert error.value.message == f"{shipped} is damaged"
    assert error.value.hint == "Install Tunewright again."
    with pytest.raises(UserError, match="is damaged"):
        require_shipment(tmp_path)


def test_a_copy_that_was_built_without_a_shipment_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="built without what a host gets") as error:
        require_shipment(tmp_path)
    assert "the task `wheels`" in error.value.hint


def test_a_damaged_built_shipment_is_refused(checkout: Path) -> None:
    shipment = prepare_shipment(checkout, lambda _: None)
    held = shipment.trainer.read_bytes()
    shipment.trainer.write_bytes(held[:-1])
    with pytest.raises(UserError, match="is damaged"):
        prepare_shipment(checkout, lambda _: None)
    shipment.trainer.write_bytes(held)
    assert prepare_shipment(checkout, lambda _: None) == shipment


def test_a_machine_without_uv_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no uv"):
        find_uv(tmp_path)


def test_the_uv_found_works() -> None:
    done = subprocess.run([find_uv(ROOT), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("uv ")
