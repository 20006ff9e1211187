"""Language modelling: predict each character or word from all before it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch.utils.data import Dataset as TorchDataset

from seqlab.data import files as named
from seqlab.data.base import SPLITS, Batch, SequenceData, Split, fingerprint, one_of, only_with
from seqlab.errors import DataError
from seqlab.spec import DataSpec, Metric, Tokens

if TYPE_CHECKING:
    from datasets import Dataset

UNKNOWN, END_OF_LINE = "<unk>", "<eos>"
SHARES: dict[Split, float] = {"train": 0.9, "val": 0.05, "test": 0.05}
"""How one text is cut where it comes without a split: in order, at line ends."""

PIECE = 2**20
"""How many symbols are counted at once."""

Level = Literal["char", "word"]


class Text(SequenceData):
    """A text as B long streams, read T symbols at a time, each batch going on where the one before it stopped.

    Without ``files`` and ``name`` it is the English reference manual that every CPython carries
    (``pydoc_data.topics``), so there is a real corpus on any machine; its fingerprint tells which Python's.

    Args:
        batch_size: B, the number of streams.
        length: T, the symbols per batch, which is also where BPTT is truncated.
        level: ``"char"``, or ``"word"``: words are what white space separates, and each line ends with ``<eos>``.
        files: UTF-8 text files, as a list cut 90/5/5 or as a mapping with train, val and test.
        name: a data set of the Hugging Face hub, or a folder of one.
        config: which configuration of that data set.
        column: its column of text.
        vocabulary_size: how many words are known, the most frequent ones of the training part; ``None`` for all.
        workers: as ``SequenceData`` has them.

    Raises:
        DataError: no such file, not UTF-8, empty, too short, a text of a single symbol, or a column of no ``name``.
    """

    def __init__(
        self,
        batch_size: int,
        length: int,
        level: Level = "char",
        files: Sequence[str] | Mapping[Split, Sequence[str]] | None = None,
        name: str | None = None,
        config: str | None = None,
        column: str = "text",
        vocabulary_size: int | None = None,
        workers: int = 0,
    ):
        super().__init__(batch_size, workers)
        if files is not None and name is not None:
            raise DataError(f"data.files and data.name={name}: give one of the two.")
        if name is None:
            only_with("data.name", "data.config", config, None)
            only_with("data.name", "data.column", column, "text")
        self.level = one_of("data.level", level, get_args(Level))
        self.length, self.files, self.name = length, files, name
        self.config, self.column, self.vocabulary_size = config, column, vocabulary_size

    def load(self) -> None:
        """Read, count the training part's symbols, and encode every split once."""
        lines = self._lines()
        counts = _count(lines["train"], self.level)
        if len(counts) < 2:
            raise DataError("data: the text has a single distinct symbol, so there is nothing to learn.")
        known = [symbol for symbol, _ in counts.most_common(self.vocabulary_size)]
        strange = len(known) < len(counts) or any(set(_count(lines[s], self.level)) - set(known) for s in SPLITS[1:])
        symbols = [UNKNOWN] * (strange and UNKNOWN not in known) + sorted(known)
        self.ids = {split: _encode(lines[split], symbols, self.level) for split in SPLITS}
        self.streams = {split: self._streams(split) for split in SPLITS}
        self.spec = self._describe(symbols)
        self.fingerprint = fingerprint(*self.ids.values(), "\0".join(symbols).encode())

    def _describe(self, symbols: list[str]) -> DataSpec:
        K = len(symbols)
        chars = self.level == "char"
        tokens = Tokens(K, tuple(symbols), separator="" if chars else " ")
        unigram = _unigram_nats(self.ids["train"], self.ids["test"], K)
        score = (lambda nats: nats / math.log(2)) if chars else math.exp
        return DataSpec(
            inputs=tokens,
            targets=tokens,
            loss_at="every",
            metric=Metric("bits_per_character", "min", "bits") if chars else Metric("perplexity", "min", "words"),
            references={"chance": score(math.log(K)), "unigram": score(unigram)},
            carried=True,
        )

    def _lines(self) -> dict[Split, Dataset]:
        """One row per line (or per row of the hub's data set) for each split, in a column called text."""
        import datasets

        named.quiet_datasets()
        if self.name is not None:
            return self._cut(_from_hub(self.name, self.config, self.column))
        if self.files is not None:
            by_split = self.files if isinstance(self.files, Mapping) else {"train": self.files}
            if set(by_split) not in ({"train"}, set(SPLITS)):
                raise DataError(f"data.files: got {', '.join(by_split)}; expected a list, or train, val and test.")
            paths = {split: named.existing(files) for split, files in by_split.items()}
            for path in chain(*paths.values()):
                named.utf8(path)
            loaded = datasets.load_dataset(
                "text",
                data_files={split: [str(p) for p in group] for split, group in paths.items()},
                keep_linebreaks=True,
            )
            return self._cut(loaded)
        from pydoc_data.topics import topics

        manual = "\n".join(topics[name] for name in sorted(topics))
        return self._cut({"train": datasets.Dataset.from_dict({"text": manual.splitlines(keepends=True)})})

    def _cut(self, parts: Mapping[Split, Dataset]) -> dict[Split, Dataset]:
        if set(SPLITS) <= set(parts):
            return {split: parts[split] for split in SPLITS}
        whole, start, cut = parts["train"], 0, dict[Split, Any]()
        if len(whole) < 20:  # too few lines to cut at their ends
            whole = whole.from_dict({"text": re.findall(r"\S+\s*|\s+", "".join(whole["text"]))})
        missing = [split for split in SPLITS if split == "train" or split not in parts]
        for split in missing:
            stop = len(whole) if split == missing[-1] else start + round(SHARES[split] * len(whole))
            cut[split] = whole.select(range(start, stop) if stop > start else [])
            start = stop
        return {split: cut.get(split, parts.get(split)) for split in SPLITS}

    def _streams(self, split: Split) -> np.ndarray:
        """(B, N): the split's symbols, cut into B streams of equal length."""
        ids, B = self.ids[split], self.batch_size
        n = len(ids) // B
        if n < 2 or (split == "train" and n <= self.length):
            least = B * (self.length + 1 if split == "train" else 2)
            raise DataError(
                f"data.length={self.length}, data.batch_size={B}: the {split} part has {len(ids):,} symbols, and "
                f"{B} streams need at least {least:,}. Lower data.length or data.batch_size, or give more text."
            )
        return ids[: n * B].reshape(B, n)

    def batches(self, split: Split) -> TorchDataset[Batch]:
        """Consecutive windows of all streams; the last is shorter where T does not divide their length."""
        return _Windows(self.streams[split], self.length)


class _Windows(TorchDataset[Batch]):
    def __init__(self, streams: np.ndarray, length: int):
        self.streams, self.length = streams, length

    def __len__(self) -> int:
        return -(-(self.streams.shape[1] - 1) // self.length)

    def __getitem__(self, index: int) -> Batch:
        start = index * self.length
        window = torch.from_numpy(self.streams[:, start : start + self.length + 1].astype(np.int64))
        return window[:, :-1], window[:, 1:]


def _from_hub(name: str, config: str | None, column: str) -> dict[Split, Dataset]:
    parts = named.from_hub(name, config, {"column": column})
    return {split: part.rename_columns({column: "text"}).map(_end_line) for split, part in parts.items()}


def _end_line(row: dict[str, str]) -> dict[str, str]:
    return {"text": row["text"].rstrip("\n") + "\n"}


def symbols_of(line: str, level: Level) -> list[str]:
    """The symbols of a line: its characters, or its words and ``<eos>`` for the line break."""
    return list(line) if level == "char" else [*line.split(), *[END_OF_LINE] * line.endswith("\n")]


def _count(lines: Dataset, level: Level) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in lines["text"]:
        counts.update(line if level == "char" else symbols_of(line, level))
    return counts


def _encode(lines: Dataset, symbols: list[str], level: Level) -> np.ndarray:
    """All symbol ids in a row: memory-mapped, and computed once, where the lines came from files."""
    if not len(lines):
        return np.empty(0, np.int64)
    encoded = lines.map(
        _encode_lines,
        batched=True,
        remove_columns=lines.column_names,
        fn_kwargs={"symbols": symbols, "level": level},
        features=_features(len(symbols)),
        writer_batch_size=max(len(lines), 1),  # one piece, so that the ids are one array on disk
    )
    pieces = [piece.values.to_numpy() for piece in encoded.data.column("ids").chunks]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _encode_lines(batch: dict[str, list[str]], symbols: list[str], level: Level) -> dict[str, list[list[int]]]:
    ids = {symbol: i for i, symbol in enumerate(symbols)}
    unknown = ids.get(UNKNOWN, 0)
    return {"ids": [[ids.get(symbol, unknown) for symbol in symbols_of(line, level)] for line in batch["text"]]}


def _features(size: int) -> object:
    import datasets

    smallest = next(kind for kind, limit in (("uint8", 2**8), ("uint16", 2**16), ("uint32", 2**32)) if size <= limit)
    return datasets.Features({"ids": datasets.List(datasets.Value(smallest))})


def _unigram_nats(train: np.ndarray, test: np.ndarray, K: int) -> float:
    """Cross-entropy of the test part under the training part's symbol frequencies, add-one smoothed."""
    frequencies = _counts(train, K) + 1.0
    log_p = np.log(frequencies / frequencies.sum())
    return float(-(_counts(test, K) * log_p).sum() / len(test))


def _counts(ids: np.ndarray, K: int) -> np.ndarray:
    """How often each of K symbols comes; a piece at a time, since numpy counts in a copy of eight bytes a symbol."""
    pieces = (ids[start : start + PIECE] for start in range(0, len(ids), PIECE))
    return sum((np.bincount(piece, minlength=K) for piece in pieces), np.zeros(K, np.int64))
