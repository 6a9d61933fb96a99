"""Saved fits: exact, readable by later versions, and a plain sentence where a file is no fit."""

from __future__ import annotations

import gc
import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import isoglot as ig
from isoglot.core.errors import InputError
from isoglot.fit import Fit
from isoglot.fit.diagnostics import Diagnostic

TRUTH = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}


@pytest.fixture(scope="module")
def fitted() -> Fit:
    """Two languages with a shared exponent, draws, diagnostics and rows left out."""
    mixtures = [{"a": 1.0, "b": 0.0}, {"a": 0.5, "b": 0.5}, {"a": 0.1, "b": 0.9}]
    points = ig.grid(N=[1e8, 8e8, 6e9], D=[3e9, 3e10], mixtures=mixtures)
    world = ig.simulate("chinchilla", TRUTH, points, noise=0.002, seed=1)
    law = "chinchilla:tokens=target"
    found = ig.fit(
        world, law, by="language", pool=["beta"], bootstrap=20, drop_highest=1, seed=3, check=False
    )
    finding = Diagnostic("residual_drift", "residuals drift with N", "try another law", "b")
    return replace(found, diagnostics=(finding,), verdicts=((1, "alpha", 0.2, float("inf"), False),))


def test_a_fit_reads_back_to_the_last_bit(fitted: Fit, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fit.npz")
    loaded = ig.load_fit(tmp_path / "fit.npz")
    for name in ("vectors", "draws", "covariance", "model_covariance", "noise", "pinned", "objective_value"):
        one, two = getattr(fitted, name), getattr(loaded, name)
        assert one.dtype == two.dtype and one.tobytes() == two.tobytes(), name
    plain = (
        "spec",
        "law",
        "layout",
        "centre",
        "groups",
        "by",
        "objective",
        "statuses",
        "diagnostics",
        "fixed",
    )
    plain += (
        "weights",
        "scale",
        "verdicts",
        "languages",
        "loss_unit",
        "params_convention",
        "source",
        "grade",
    )
    plain += ("seed", "left_out", "starts", "transfer", "ranges")
    for name in plain:
        assert getattr(loaded, name) == getattr(fitted, name), name
    assert sorted(loaded.left_out.values()) == [1, 6]  # one by its loss, six rows of b without own share
    assert loaded.diagnostics and loaded.verdicts
    assert loaded.to_dict() == fitted.to_dict()
    assert json.loads(json.dumps(loaded.to_dict(), allow_nan=False)) == json.loads(
        json.dumps(fitted.to_dict())
    )
    assert loaded.intervals(0.8) == fitted.intervals(0.8)
    assert loaded.intervals(0.9, "laplace") == fitted.intervals(0.9, "laplace")
    # Saving again gives the same manifest and arrays.
    loaded.save(tmp_path / "again.npz")
    with np.load(tmp_path / "fit.npz") as one, np.load(tmp_path / "again.npz") as two:
        assert one.files == two.files
        assert all(one[name].tobytes() == two[name].tobytes() for name in one.files)


def test_a_file_has_no_pickles_and_no_partial_remains(fitted: Fit, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fit.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["fit.npz"]
    with np.load(tmp_path / "fit.npz", allow_pickle=False) as archive:
        manifest = json.loads(str(archive["manifest"]))
        assert all(archive[name].dtype != object for name in archive.files)
    assert manifest["format"] == 2 and manifest["spec"]["name"] == "chinchilla"


def no_fit(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        ig.load_fit(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert caught.value.exit_code == 2 and (
        caught.value.__suppress_context__ or caught.value.__context__ is None
    )
    return message


@pytest.mark.parametrize("content", [b"", b"loss,params\n1,2\n", b"\x93NUMPY", b"{}"])
def test_a_file_that_is_no_fit_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    path.write_bytes(content)
    assert "not a saved fit; give a file written by Fit.save" in no_fit(path)


def test_an_archive_or_array_that_is_no_fit_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", loss=np.ones(3))
    assert "not a saved fit" in no_fit(tmp_path / "other.npz")


def test_a_plain_array_is_no_fit(tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", np.ones(3))
    assert "not a saved fit" in no_fit(tmp_path / "other.npy")


def test_a_truncated_archive_is_named_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    path.write_bytes(b"PK\x03\x04 cut short")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert "not a saved fit" in no_fit(path)
        gc.collect()
    assert not [w for w in caught if issubclass(w.category, ResourceWarning)]


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert "no such file; give a file written by Fit.save or isoglot fit --save" in no_fit(
        tmp_path / "none.npz"
    )
    assert "not a saved fit" in no_fit(tmp_path)


@pytest.mark.parametrize("version", [3, 0, None])
def test_another_format_says_what_this_version_reads(
    fitted: Fit, tmp_path: Path, version: int | None
) -> None:
    path = tmp_path / "fit.npz"
    fitted.save(path)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    manifest = json.loads(str(arrays.pop("manifest")))
    manifest["format"] = version
    np.savez(path, manifest=np.array(json.dumps(manifest)), **arrays)
    assert no_fit(path).endswith(f"format {version} is unknown to this version (it reads 2); upgrade isoglot")


def test_a_failed_save_leaves_the_old_file(
    fitted: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit.npz"
    fitted.save(path)
    before = path.read_bytes()

    def broken(stream: object, **arrays: object) -> None:
        stream.write(b"half")  # type: ignore[attr-defined]
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", broken)
    with pytest.raises(OSError, match="disk full"):
        fitted.save(path)
    assert path.read_bytes() == before
