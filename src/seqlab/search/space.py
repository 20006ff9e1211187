"""The search space, written in Hydra's own sweep syntax; and what it leaves fixed.

``a,b``, ``choice(a,b)`` and ``glob(*)`` are one of some; ``range(1,10,2)`` is one of some numbers in order;
``interval(0,1)`` is a real number, ``int(interval(1,9))`` or ``tag(int,interval(1,9))`` an integer, and
``tag(log,...)`` makes either of them logarithmic. Any other value is fixed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep, Sweep
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from seqlab.errors import ConfigError
from seqlab.identity import WITHOUT_EFFECT

TAGS = {"int", "log"}
"""What an interval may be tagged with."""


@dataclass(frozen=True)
class Dimension:
    """One key whose value is searched.

    Attributes:
        key: as it is written before the ``=``.
        distribution: what Optuna draws from.
        points: every value there is; empty for an interval.
    """

    key: str
    distribution: BaseDistribution
    points: tuple[Any, ...] = ()

    def override(self, value: Any) -> str:
        """A value as it is written on the command line."""
        if isinstance(value, float) and self.points:  # Optuna counts steps, and 3 × 0.1 is not 0.3
            value = min(self.points, key=lambda point: abs(point - value))
        return f"{self.key}={value}"

    @property
    def probes(self) -> tuple[Any, ...]:
        """The values that stand for all where each is checked: every choice, and the ends of what is ordered."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.points
        assert isinstance(self.distribution, IntDistribution | FloatDistribution)
        return self.distribution.low, self.distribution.high

    def __str__(self) -> str:
        """What is searched, in one form for equal dimensions."""
        return f"{self.key} {distribution_to_json(self.distribution)}"


def parse(words: Iterable[str], loader: Any) -> tuple[list[Dimension], list[str]]:
    """The dimensions, in the order of their keys, and the overrides that stay fixed.

    Of two overrides for one key the later counts.

    Args:
        words: overrides as they are written.
        loader: Hydra's config loader, which knows the options that ``glob`` may match.

    Raises:
        ConfigError: nothing is searched; or something that cannot be.
        OverrideParseException: not Hydra's syntax.
    """
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(words))
    by_key = {override.get_key_element(): override for override in parsed}
    for override in by_key.values():
        _check(override)
    searched = [override for override in by_key.values() if override.is_sweep_override()]
    if not searched:
        raise ConfigError(
            "hydra/sweeper=optuna: nothing is searched. Give a key several values, such as "
            "'optimizer.lr=tag(log,interval(1e-4,1e-1))' or cell=lstm,gru."
        )
    fixed = [str(override.input_line) for override in by_key.values() if not override.is_sweep_override()]
    return sorted(map(_dimension, searched), key=lambda dimension: dimension.key), fixed


def grid(space: Sequence[Dimension]) -> int:
    """How many points a space has.

    Raises:
        ConfigError: an interval has no end of them.
    """
    for dimension in space:
        if not dimension.points:
            raise ConfigError(
                f"hydra.sweeper.sampler=grid: {dimension.key} is an interval, which has no grid. "
                "Give its values as a,b,c or range(...), or take another sampler."
            )
    return math.prod(len(dimension.points) for dimension in space)


def _check(override: Override) -> None:
    key = override.key_or_group
    if key == "seed":
        raise ConfigError(
            f"{override.input_line}: the seed is not searched; each trial is its mean over hydra.sweeper.seeds=[1,2,3]."
        )
    if override.is_sweep_override() and any(key == name or key.startswith(f"{name}.") for name in WITHOUT_EFFECT):
        raise ConfigError(f"{override.input_line}: {key} cannot change a result, so there is nothing to search.")


def _dimension(override: Override) -> Dimension:
    key, value = override.get_key_element(), override.value()
    assert isinstance(value, ChoiceSweep | RangeSweep | IntervalSweep | Glob)
    tags = value.tags if isinstance(value, Sweep) else set()
    unknown = sorted(tags - (TAGS if isinstance(value, IntervalSweep) else set()))
    if unknown:
        raise ConfigError(
            f"{override.input_line}: the tag {unknown[0]} means nothing here. "
            f"An interval may be tagged {' or '.join(sorted(TAGS))}; a choice or a range has no tags."
        )
    try:
        if isinstance(value, IntervalSweep):
            return Dimension(key, _interval(value))
        if isinstance(value, RangeSweep):
            return _range(key, sorted(override.sweep_iterator()), abs(value.step))
        choices = list(dict.fromkeys(override.sweep_string_iterator()))
        if isinstance(value, ChoiceSweep) and value.shuffle:
            choices.sort()  # the same command is the same search
        return Dimension(key, CategoricalDistribution(choices), tuple(choices))
    except ValueError as error:
        raise ConfigError(f"{override.input_line}: not a space to search: {error}") from None


def _interval(value: IntervalSweep) -> BaseDistribution:
    low, high, log = value.start, value.end, "log" in value.tags
    assert low is not None
    assert high is not None
    if "int" in value.tags or type(low) is type(high) is int:
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)


def _range(key: str, points: Sequence[Any], step: Any) -> Dimension:
    if not points:
        raise ValueError("the range is empty.")
    if all(isinstance(point, int) for point in points):
        return Dimension(key, IntDistribution(points[0], points[-1], step=step), tuple(points))
    points = [float(f"{point:.12g}") for point in points]  # 0.1 + 0.2 is no step of 0.1 away from 0.1
    return Dimension(key, FloatDistribution(points[0], points[-1], step=step), tuple(points))
