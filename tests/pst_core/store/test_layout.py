import hashlib
import json
import os

import pytest
from pydantic import ValidationError
from stores import A, B, C, files_in, misses

from pst_core.errors import StoreError
from pst_core.store import Receipt, Reference
from pst_core.store import layout as store_files


def test_the_layout(filled):
    digest = hashlib.sha256(b"\x89PNG some pixels").hexdigest()
    other = hashlib.sha256(b"other pixels").hexdigest()
    assert files_in(filled.store.root) == sorted(
        [
            "version",
            f"objects/{digest[:2]}/{digest}.png",
            f"objects/{other[:2]}/{other}.parquet",
            f"records/{A[:2]}/{A}.json",
            f"records/{B[:2]}/{B}.json",
            f"receipts/{C[:2]}/{C}.json",
            f"locks/receipt-{C[:2]}",
        ]
    )
    assert (filled.store.root / "version").read_bytes() == b"1\n"
    assert json.loads(filled.record.read_text())["key"] == A


def test_text_and_folder_names_of_any_kind(store):
    store.write_record(A, 'é\u2028"\\\x00😀'.encode(), [])
    assert store.read_record(A) == 'é\u2028"\\\x00😀'.encode()
    receipt = Receipt(records=(), outputs=(os.fsdecode(b"/a\xff"),), content="é\n")
    store.write_receipt(A, receipt)
    assert store.read_receipt(A) == receipt


def test_a_relative_output_keeps_its_meaning(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store.write_receipt(A, Receipt(records=(), outputs=("out/report.json",), content=""))
    monkeypatch.chdir("/")
    assert store.read_receipt(A).outputs == (str(tmp_path / "out" / "report.json"),)


@pytest.mark.parametrize(
    "key", ["", "a" * 63, "a" * 65, "A" * 64, "a" * 64 + "\n", "../" + "a" * 61, "g" * 64, "١" * 64]
)
def test_what_is_no_key(store, key):
    empty = Receipt(records=(), outputs=(), content="")
    uses = [
        (store.write_record, key, b"", []),
        (store.read_record, key),
        (store.write_receipt, key, empty),
        (store.read_receipt, key),
        (store.acquire, key),
    ]
    for use, *arguments in uses:
        with pytest.raises(ValueError, match="is not a key"):
            use(*arguments)
    with pytest.raises(ValidationError, match="is not a key"):
        Receipt(records=(key,), outputs=(), content="")
    assert not store.root.exists()


@pytest.mark.parametrize(
    "path",
    [
        "objects/../../x",
        f"objects/aa/../{A}.png",
        f"/objects/{A[:2]}/{A}.png",
        f"objects/{A[:2]}/{A}.png\n",
        f"objects/{A[:2]}/{A}.png/../../../x",
        f"objects/{A[:2]}/{A}.p/g",
        f"objects/{A[:2]}/{A}.png\0",
        f"objects/{A[:2]}/{A}",
        f"objects/{A[:2]}/{A}.",
        f"records/{A[:2]}/{A}.json",
        f"objects/{B[:2]}/{A}.png",
        f"objects/{B[:2]}/{B}.png",
        f"objects/{A[:2]}/{A.upper()}.png",
    ],
)
def test_a_path_that_is_not_that_of_the_object(path):
    with pytest.raises(ValidationError, match="path"):
        Reference(kind="image", path=path, sha256=A, size=1)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Image"},
        {"kind": "image\n"},
        {"kind": ""},
        {"kind": "a/b"},
        {"size": -1},
        {"size": "1"},
        {"size": 1.5},
        {"sha256": A + "\n"},
        {"sha256": B},
        {"more": 1},
    ],
)
def test_other_fields_of_a_reference(change):
    good = {"kind": "image", "path": f"objects/{A[:2]}/{A}.png", "sha256": A, "size": 1}
    assert Reference(**good).size == 1
    with pytest.raises(ValidationError):
        Reference(**{**good, **change})


@pytest.mark.parametrize("suffix", ["", ".", "../x", "p/g", "PNG", "tar.gz", "png\n", "..png", "x" * 9])
def test_a_suffix_that_is_none(store, suffix):
    with pytest.raises(ValueError, match="is not a suffix"):
        store.put(b"x", "image", suffix)
    assert not store.root.exists()


def test_models_are_frozen(filled):
    with pytest.raises(ValidationError):
        filled.reference.size = 2
    with pytest.raises(ValidationError):
        filled.receipt.content = "x"


def test_what_would_be_too_large_to_read_again_is_not_written(store, monkeypatch):
    monkeypatch.setattr(store_files, "MAX_ENVELOPE_BYTES", 2000)
    store.write_record(A, b"x" * 1500, [])
    assert store.read_record(A) == b"x" * 1500
    with pytest.raises(StoreError, match=f"record of {B} has .* keep the bulk of it as an object"):
        store.write_record(B, b"y" * 2000, [])
    assert store.read_record(A) == b"x" * 1500


def test_a_file_too_large_to_be_a_record_is_not_read(filled, monkeypatch):
    with open(filled.record, "r+b") as file:  # noqa: PTH123
        file.truncate(10**12)  # sparse: reading it would take all memory
    assert misses(filled.store.read_record, A)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"not json}",
        b"[" * 100_000 + b"}",
        json.dumps(
            {"format": 2, "what": "record", "key": A, "sha256": B, "references": [], "content": ""}
        ).encode(),
        json.dumps(
            {"format": 1, "what": "record", "key": A, "sha256": B, "references": [], "content": ""}
        ).encode(),
    ],
)
def test_a_seal_alone_is_not_enough(filled, body):
    filled.record.write_bytes(store_files._with_seal(body))
    assert misses(filled.store.read_record, A)
