"""Images become sequences in the order that they are read, and MNIST's files are read as they are defined."""

from __future__ import annotations

import gzip
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
import yaml
from torch import nn

from conftest import Command
from seqlab.data import idx
from seqlab.data.base import SPLITS, SequenceData
from seqlab.data.images import Images
from seqlab.data.split import held_out
from seqlab.errors import DataError
from seqlab.plugins import options
from seqlab.testing import DataTests

MNIST = Path(__file__).parents[3] / "shared/data/mnist"
RNG = np.random.default_rng(0)
SMALL = RNG.integers(0, 256, (48, 4, 6), dtype=np.uint8)
LABELS = np.arange(48, dtype=np.uint8) % 3


def images(**changes: object) -> Images:
    return Images(**{"batch_size": 16, "seed": 1, **changes})


def set_up(**changes: object) -> Images:
    data = images(**changes)
    data.setup()
    return data


def write_idx(path: Path, array: np.ndarray) -> None:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    content = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, n in (("train", 48), ("t10k", 12)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", SMALL[:n] // (1 if part == "train" else 2))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", LABELS[:n])
    return tmp_path


class TestDigitsByPixel(DataTests):
    def make(self) -> SequenceData:
        return images()


class TestDigitsByRow(DataTests):
    def make(self) -> SequenceData:
        return images(by="row", permuted=True, pool=2)


def test_pixels_are_read_row_by_row_from_the_top_left(folder: Path) -> None:
    """Step t of an image of 4 × 6 is the pixel in row t // 6 and column t % 6, divided by the greatest."""
    one, rows = set_up(folder=str(folder)), set_up(folder=str(folder), by="row")
    assert one.held["train"][0].shape == (44, 24, 1)
    assert rows.held["train"][0].shape == (44, 4, 6)
    first = one.held["train"][0][0, :, 0]
    for t in range(24):
        assert first[t].item() == pytest.approx(SMALL[0, t // 6, t % 6] / SMALL[:44].max())
    assert torch.equal(rows.held["train"][0].flatten(), one.held["train"][0].flatten())


def test_the_validation_part_is_the_end_of_mnists_training_part(folder: Path) -> None:
    """A twelfth of it; the test part is the other two files."""
    data = set_up(folder=str(folder))
    whole = np.concatenate([data.held[split][0].numpy() for split in ("train", "val")])
    np.testing.assert_allclose(whole.reshape(SMALL.shape), SMALL / SMALL[:44].max(), rtol=1e-6)
    assert [len(data.held[split][1]) for split in SPLITS] == [44, 4, 12]
    assert data.held["val"][1].tolist() == LABELS[44:].tolist()


def test_pooling_averages_squares(folder: Path) -> None:
    """Each pixel of the smaller image is the mean of four of the larger."""
    data = set_up(folder=str(folder), pool=2, by="row")
    pooled = data.held["train"][0][0]
    means = [[SMALL[0, i : i + 2, j : j + 2].mean() for j in (0, 2, 4)] for i in (0, 2)]
    torch.testing.assert_close(pooled / pooled.max(), torch.tensor(means).float() / np.max(means))
    with pytest.raises(DataError, match=r"data\.pool=4: images of 4 × 6 pixels"):
        set_up(folder=str(folder), pool=4)


def test_all_seeds_share_one_permutation_and_one_split() -> None:
    """The order is that of default_rng(2015); it moves the pixels of every image alike, and loses none."""
    plain, one, two = set_up(), set_up(permuted=True, seed=1), set_up(permuted=True, seed=2)
    order = np.random.default_rng(2015).permutation(64)
    assert order[:6].tolist() == [2, 20, 22, 43, 24, 62]
    for split in SPLITS:
        assert torch.equal(one.held[split][0], plain.held[split][0][:, order])
        for a, b in zip(one.held[split], two.held[split], strict=True):
            assert torch.equal(a, b)
    assert one.fingerprint == two.fingerprint != plain.fingerprint
    assert one.spec.references == pytest.approx(plain.spec.references)


def test_the_digits_are_split_by_class_and_whole() -> None:
    """Each class has its share in each part, no image is lost or comes twice, and sixteen shades end at 1."""
    data = set_up()
    assert data.held["train"][0].unique().tolist() == [shade / 16 for shade in range(17)]
    counts = {split: np.bincount(data.held[split][1]) for split in SPLITS}
    total = sum(counts.values())
    assert total.sum() == 1797
    np.testing.assert_allclose(counts["test"], 0.2 * total, atol=0.5)
    np.testing.assert_allclose(counts["val"], 0.125 * (total - counts["test"]), atol=0.5)


def test_each_class_holds_out_at_least_one() -> None:
    """By lot, and not the same places in each class."""
    classes = np.repeat([0, 1, 2], [2, 100, 100])
    out = held_out(classes, 0.1)
    assert [out[classes == c].sum() for c in range(3)] == [1, 10, 10]
    assert not np.array_equal(out[2:102], out[102:])


def test_the_references_are_those_of_their_definitions(folder: Path) -> None:
    """The share of training's most frequent class in the test, and the nearest mean by plain distances."""
    data = set_up()
    (x, y), (test_x, test_y) = data.held["train"], data.held["test"]
    means = torch.stack([x[y == c].mean(0) for c in range(10)]).flatten(1)
    nearest = torch.cdist(test_x.flatten(1), means).argmin(1)
    assert data.spec.references["nearest_mean"] == pytest.approx((nearest == test_y).float().mean().item())
    assert data.spec.references["chance"] == pytest.approx((test_y == y.mode().values).float().mean().item())


def test_idx_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Gzipped or not, with sizes above a byte."""
    array = RNG.integers(0, 256, (300, 2, 3), dtype=np.uint8)
    for name in ("a", "a.gz"):
        write_idx(tmp_path / name, array)
        assert np.array_equal(idx.read(tmp_path / name, 3), array)


@pytest.mark.skipif(not MNIST.exists(), reason="MNIST is not beside this clone")
def test_mnist_is_mnist() -> None:
    """55,000, 5,000 and 10,000 images; the first is a 5; chance is 11.35 %, the nearest mean some 82 %."""
    data = set_up(folder=str(MNIST), by="row")
    assert [len(data.held[split][1]) for split in SPLITS] == [55_000, 5_000, 10_000]
    assert data.held["train"][1][:5].tolist() == [5, 0, 4, 1, 9]
    assert data.held["test"][1][:5].tolist() == [7, 2, 1, 0, 4]
    assert data.held["train"][0].max() == 1
    assert data.spec.references["chance"] == 0.1135
    assert data.spec.references["nearest_mean"] == pytest.approx(0.82, abs=2e-3)


def gallery(folder: Path, pictures: list, labels: list, split: str = "train") -> str:
    folder.mkdir(exist_ok=True)
    datasets.Dataset.from_dict({"picture": pictures, "what": labels}).to_parquet(folder / f"{split}.parquet")
    return str(folder)


def test_a_data_set_of_the_hub_is_read_by_name(tmp_path: Path) -> None:
    """A local folder stands for the hub; colours are a vector at each pixel, labels may be text."""
    colours = RNG.integers(0, 256, (60, 3, 2, 3), dtype=np.uint8)
    what = ["cat", "ant", "bee"] * 20
    name = gallery(tmp_path / "hub", colours.tolist(), what)
    data = set_up(name=name, image="picture", label="what", batch_size=4)
    assert data.held["train"][0].shape[1:] == (6, 3)
    assert data.spec.targets.size == 3
    known = {tuple(picture.flatten()): label for picture, label in zip(colours, what, strict=True)}
    for x, y in zip(*data.held["test"], strict=True):
        assert known[tuple((x.flatten() * 255).round().int().tolist())] == ["ant", "bee", "cat"][y]
    gallery(tmp_path / "hub", colours[:9].tolist(), what[:9], "test")
    assert len(set_up(name=name, image="picture", label="what", batch_size=4).held["test"][1]) == 9
    with pytest.raises(DataError, match=r"data\.image=image: .* has no such column\. It has: picture, what"):
        set_up(name=name, label="what")


def test_compressed_images_need_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed, one line says how to install it."""
    table = datasets.Dataset.from_dict({"image": [{"bytes": b"?", "path": None}] * 2, "label": [0, 1]})
    (tmp_path / "hub").mkdir()
    table.cast_column("image", datasets.Image()).to_parquet(tmp_path / "hub" / "train.parquet")
    monkeypatch.setattr("seqlab.data.images.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"needs Pillow\. Install it: pip install 'seqlab\[images\]'"):
        set_up(name=str(tmp_path / "hub"))


def test_pictures_in_files_are_read(tmp_path: Path) -> None:
    """A folder of PNG files in sub-folders of their label is a data set of images, grey or in colour."""
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for i in range(48):
        path = tmp_path / "hub" / "train" / "abc"[i % 3] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(SMALL[i]).save(path)
    data = set_up(name=str(tmp_path / "hub"), batch_size=4)
    assert data.held["train"][0].shape[1:] == (24, 1)
    assert data.spec.targets.size == 3
    pictures = {tuple(image.flatten().tolist()) for image in SMALL}
    for x, _ in zip(*data.held["train"], strict=True):
        assert tuple((x * SMALL.max()).round().int().flatten().tolist()) in pictures


@pytest.mark.parametrize(
    ("pictures", "labels", "message"),
    [
        ([np.ones((2, 2)).tolist(), np.ones((2, 3)).tolist()] * 9, [0, 1] * 9, r"different sizes: 2 × 2, 2 × 3"),
        ([[1.0, 2.0]] * 18, [0, 1] * 9, r"an image is an array of 2; expected height × width"),
        ([np.ones((2, 2)).tolist()] * 18, [7] * 18, r"every training image has the label 7"),
        ([np.zeros((2, 2)).tolist()] * 18, [0, 1] * 9, r"every training pixel is 0"),
    ],
)
def test_unusable_pictures_are_refused_in_one_line(tmp_path: Path, pictures: list, labels: list, message: str) -> None:
    """Sizes, shapes and labels from which nothing can be learned."""
    name = gallery(tmp_path / "hub", pictures, labels)
    with pytest.raises(DataError, match=message) as error:
        set_up(name=name, image="picture", label="what", batch_size=2)
    assert "\n" not in str(error.value)


def test_a_label_that_training_has_not_is_named(tmp_path: Path) -> None:
    """The given test part has a third class."""
    name = gallery(tmp_path / "hub", SMALL.tolist(), [0, 1] * 24)
    gallery(tmp_path / "hub", SMALL[:4].tolist(), [0, 1, 2, 0], "test")
    with pytest.raises(DataError, match="the test part has the label 2, which no training image has"):
        set_up(name=name, image="picture", label="what")


def rewrite(name: str, change) -> object:
    def spoil(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "t10k-labels-idx1-ubyte.gz").unlink(), r"neither t10k-labels-idx1-ubyte nor .*\.gz is there"),
        (rewrite("train-images-idx3-ubyte", lambda c: c[:-1]), r"48 × 4 × 6 need 1,168"),
        (rewrite("train-images-idx3-ubyte", lambda c: c[:9]), r"9 bytes; "),
        (rewrite("train-images-idx3-ubyte", lambda c: b"\x89PNG" + c), r"starts with 0x89504e47; expected 0x00000803"),
        (rewrite("train-images-idx3-ubyte", lambda c: b""), r"starts with 0x; expected 0x00000803"),
        (rewrite("t10k-labels-idx1-ubyte.gz", lambda c: c[:-9]), r"ubyte\.gz: a damaged gzip file"),
        (rewrite("t10k-labels-idx1-ubyte.gz", lambda c: c[:12] + b"\xff" * 9), r"ubyte\.gz: a damaged gzip file"),
        (lambda f: write_idx(f / "t10k-labels-idx1-ubyte.gz", LABELS[:11]), r"12 t10k images and 11 labels"),
    ],
)
def test_a_damaged_file_is_named(folder: Path, spoil, message: str) -> None:
    """What is wrong with which file, in one line."""
    spoil(folder)
    with pytest.raises(DataError, match=message) as error:
        set_up(folder=str(folder))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"folder": "nowhere"},
            r"data\.folder=nowhere: no such folder\. Give one that holds MNIST's files train-images",
        ),
        ({"name": "no/such folder"}, r"data\.name=no/such folder: cannot be loaded \("),
        ({"name": "a", "folder": "b"}, r"data\.folder=b and data\.name=a: give one of the two"),
        ({"image": "picture"}, r"data\.image=picture: says nothing without data\.name\. Give that too, or leave"),
        ({"label": "digit", "folder": "b"}, r"data\.label=digit: says nothing without data\.name"),
        ({"config": "small"}, r"data\.config=small: says nothing without data\.name"),
        ({"by": "column"}, r"data\.by=column: expected pixel or row"),
        ({"pool": 3}, r"data\.pool=3: images of 8 × 8 pixels"),
        ({"batch_size": 2000}, r"data\.batch_size=2000: larger than the training set"),
    ],
)
def test_impossible_choices_are_refused(wrong: dict[str, object], message: str) -> None:
    """Each with the key and what to do."""
    with pytest.raises(DataError, match=message):
        set_up(**wrong)


@pytest.mark.parametrize("preset", ["le2015/pmnist_irnn", "cooijmans2017/smnist_lstm", "bai2018/smnist_gru"])
def test_presets_train_on_a_folder_that_is_given(train: Command, folder: Path, preset: str) -> None:
    """With their own cell and with another; without MNIST's files one line says what to give."""
    for cell in ([], ["cell=vanilla"]):
        answer = train(f"experiment={preset}", f"data.folder={folder}", "data.batch_size=8", *cell)
        assert answer.code == 0, answer.err
    answer = train(f"experiment={preset}")
    assert answer.code == 2
    assert answer.err.startswith("seqlab: data.folder=mnist: no such folder. Give one that holds MNIST's files train-")


def test_rows_name_their_cell_and_their_figure(seqlab: Command) -> None:
    """A file's name says the order of the pixels and the cell; what was published is a share of images."""
    rows = [name for name in options("experiment") if "mnist_" in name]
    assert len(rows) == 12
    for row in rows:
        composed = yaml.safe_load(seqlab("train", f"experiment={row}", "--cfg", "job").out)
        task, cell = row.split("/")[1].split("_")
        assert composed["cell"]["_target_"].rpartition(".")[2].lower() == cell
        assert composed["data"]["permuted"] == (task == "pmnist")
        assert set(composed["published"]) - {"weights"} == {"by", "accuracy"}
        assert 0.2 < composed["published"]["accuracy"] < 1


@pytest.mark.parametrize(("preset", "cell"), [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)])
def test_rows_of_bai_2018_have_seventy_thousand_weights(seqlab: Command, preset: str, cell: type[nn.Module]) -> None:
    """With the readout, to one per cent."""
    for task in ("smnist", "pmnist"):
        composed = yaml.safe_load(seqlab("train", f"experiment=bai2018/{task}_{preset}", "--cfg", "job").out)
        H = composed["cell"]["hidden_size"]
        parameters = [*cell(1, H).parameters(), *nn.Linear(H, 10).parameters()]
        assert composed["published"]["weights"] == 70_000
        assert sum(p.numel() for p in parameters) == pytest.approx(70_000, rel=0.01)
