"""A text becomes streams that a state can be carried along."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch

from seqlab.data.base import SequenceData
from seqlab.data.text import PIECE, Text, _counts
from seqlab.errors import DataError
from seqlab.testing import DataTests

LINES = [f"line {i} of a small text, with words and {i % 7} numbers\n" for i in range(400)]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("".join(LINES))
    return path


class TestManualByCharacter(DataTests):
    def make(self) -> SequenceData:
        return Text(batch_size=20, length=200)


class TestManualByWord(DataTests):
    def make(self) -> SequenceData:
        return Text(batch_size=20, length=100, level="word", vocabulary_size=1000)


def test_each_batch_goes_on_where_the_one_before_it_stopped(corpus: Path) -> None:
    """Row b of all batches, one after another, is one uninterrupted piece of the text; targets are one ahead."""
    data = Text(batch_size=4, length=30, files=[str(corpus)])
    data.setup()
    inputs = torch.cat([x for x, _ in data.loader("train")], 1)
    targets = torch.cat([y for _, y in data.loader("train")], 1)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    text = "".join(LINES)
    for row in inputs:
        assert data.spec.inputs.write(row.tolist()) in text


def test_the_split_is_in_order_and_whole(corpus: Path) -> None:
    """Training text comes first, then validation, then test; together they are the text."""
    data = Text(batch_size=2, length=10, files=[str(corpus)])
    data.setup()
    joined = "".join(data.spec.inputs.write(data.ids[split].tolist()) for split in ("train", "val", "test"))
    assert joined == "".join(LINES)
    assert len(data.ids["train"]) == pytest.approx(0.9 * len(joined), rel=0.01)


def test_words_are_what_white_space_separates_and_rare_ones_are_unknown(corpus: Path) -> None:
    """The convention of Penn Treebank and WikiText: <eos> for each line, <unk> beyond the vocabulary."""
    data = Text(batch_size=2, length=10, level="word", vocabulary_size=12, files=[str(corpus)])
    data.setup()
    assert data.spec.inputs.size == 13
    words = data.spec.inputs.write(data.ids["train"].tolist()).split()
    assert words[:3] == ["line", "0", "of"]  # 0 is among the most frequent words, and 57 is not
    assert words[57 * 12 : 57 * 12 + 3] == ["line", "<unk>", "of"]
    assert words.count("<eos>") == 360
    assert data.spec.metric.name == "perplexity"


def test_a_given_split_is_kept(tmp_path: Path) -> None:
    """Files as a mapping names each part; symbols that training never saw are one unknown."""
    for name, text in (("train", "abab\n" * 50), ("val", "abba\n" * 20), ("test", "abcz\n" * 20)):
        (tmp_path / f"{name}.txt").write_text(text)
    data = Text(batch_size=2, length=5, files={s: [str(tmp_path / f"{s}.txt")] for s in ("train", "val", "test")})
    data.setup()
    assert data.spec.inputs.symbols == ("<unk>", "\n", "a", "b")
    assert data.spec.inputs.write(data.ids["test"][:5].tolist()) == "ab<unk><unk>\n"


def test_the_tokenised_text_is_memory_mapped(corpus: Path) -> None:
    """The ids are a view of a file on disk, one byte each, and a second start reads the same file."""
    one, two = (Text(batch_size=2, length=10, files=[str(corpus)]) for _ in range(2))
    one.setup()
    two.setup()
    assert one.ids["train"].itemsize == 1
    assert not one.ids["train"].flags.owndata
    assert one.fingerprint == two.fingerprint


def test_a_data_set_of_the_hub_is_read_by_name(tmp_path: Path) -> None:
    """A local folder stands for the hub: the same door, with no network."""
    rows = datasets.Dataset.from_dict({"body": [line.rstrip() for line in LINES]})
    rows.to_parquet(tmp_path / "hub" / "train.parquet")
    data = Text(batch_size=2, length=10, name=str(tmp_path / "hub"), column="body")
    data.setup()
    assert data.spec.inputs.write(data.ids["train"][:60].tolist()) == "".join(LINES)[:60]
    with pytest.raises(DataError, match=r"data\.column=text: .* has no such column\. It has: body"):
        Text(batch_size=2, length=10, name=str(tmp_path / "hub")).setup()


def test_the_unigram_reference_is_the_entropy_of_the_test_part(tmp_path: Path) -> None:
    """Two symbols, equally frequent, cost one bit; three possible ones cost log2 3 by chance."""
    path = tmp_path / "bits.txt"
    path.write_text("ab" * 5000)
    data = Text(batch_size=2, length=10, files=[str(path)])
    with pytest.raises(DataError, match="streams need at least"):
        data.setup()  # one unbroken word: all of it is training text
    path.write_text("a b " * 5000)
    data.setup()
    assert data.spec.references["chance"] == pytest.approx(math.log2(3))
    assert data.spec.references["unigram"] == pytest.approx(1.5, abs=1e-3)


def test_symbols_are_counted_without_a_copy_of_the_text() -> None:
    """As numpy counts them, a piece at a time; a text that does not fill a piece is one."""
    ids = (np.arange(10 * PIECE + 7) % 5).astype(np.uint8)
    tracemalloc.start()
    counts = _counts(ids, 6)
    assert tracemalloc.get_traced_memory()[1] < 2 * 8 * PIECE
    tracemalloc.stop()
    assert counts.tolist() == np.bincount(ids, minlength=6).tolist()
    assert _counts(ids[:0], 3).tolist() == [0, 0, 0]


def test_a_batch_is_cut_from_the_text_and_nothing_else_is_copied() -> None:
    """Streams are the encoded text itself, in another shape; a batch allocates no more than itself."""
    data = Text(batch_size=20, length=50)
    data.setup()
    assert np.shares_memory(data.streams["train"], data.ids["train"])
    batches = data.batches("train")
    tracemalloc.start()
    x, _ = batches[3]
    assert tracemalloc.get_traced_memory()[1] < 4 * x.numel() * x.element_size()
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"fine\n\xe9\n", "not UTF-8 .byte 0xE9 in line 2."),
        (b"aaaa", "a single distinct symbol"),
        (b"a short text", r"data\.length=50, data\.batch_size=4: .*need at least"),
    ],
)
def test_unusable_text_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    """Each fault is named with its file and place."""
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        Text(batch_size=4, length=50, files=[str(path)]).setup()


@pytest.mark.parametrize("key", ["config", "column"])
def test_what_only_a_named_data_set_has_is_refused_without_its_name(key: str) -> None:
    """It would else be silently without effect."""
    with pytest.raises(DataError, match=rf"data\.{key}=other: says nothing without data\.name"):
        Text(batch_size=4, length=50, **{key: "other"})


def test_a_missing_file_is_named_with_a_suggestion(corpus: Path) -> None:
    """The nearest name in the same folder."""
    with pytest.raises(DataError, match=r"corpsu\.txt: no such file\. Did you mean corpus\.txt\?"):
        Text(batch_size=4, length=50, files=[str(corpus.with_name("corpsu.txt"))]).setup()
