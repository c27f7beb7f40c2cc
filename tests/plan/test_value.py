import math
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

import numpy as np
import pytest

from confide.errors import PlanError
from confide.plan.value import Value


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Inner(Value):
    size: int = 1

    def _check(self):
        if self.size < 0:
            raise PlanError("negative")


@dataclass(frozen=True)
class Special(Inner):
    pass


@dataclass(frozen=True)
class Outer(Value):
    number: float = 1.0
    flag: bool = False
    text: str = ""
    colour: Colour = Colour.RED
    sides: tuple[int, ...] = ()
    inner: tuple[Inner, ...] = ()
    either: Inner | Colour = Colour.RED


def made(kind, **fields):
    """Makes a value of wrong or other types, out of the type checker's sight."""
    return kind(**fields)


class TestNormalises:
    @pytest.mark.parametrize("number", [2, np.float32(2), np.int8(2), np.float64(2), Fraction(2)])
    def test_real_numbers(self, number):
        outer = made(Outer, number=number)
        assert (type(outer.number), repr(outer.number)) == (float, "2.0")

    def test_minus_zero(self):
        assert repr(made(Outer, number=-0.0).number) == "0.0"

    @pytest.mark.parametrize("size", [2, np.int64(2), np.uint8(2)])
    def test_whole_numbers(self, size):
        assert type(made(Inner, size=size).size) is int

    @pytest.mark.parametrize("sides", [[1, 2], (1, 2), (np.int64(1), 2), range(1, 3), iter([1, 2])])
    def test_tuples(self, sides):
        outer = made(Outer, sides=sides)
        assert outer.sides == (1, 2)
        assert {type(side) for side in outer.sides} == {int}

    @pytest.mark.parametrize("sign", [1, -1])
    def test_whole_numbers_that_no_float_holds(self, sign):
        """They are infinite, and a check of the value refuses what is."""
        assert made(Outer, number=sign * 10**400).number == sign * math.inf

    def test_only_before_it_checks(self):
        with pytest.raises(PlanError, match="negative"):
            made(Inner, size=np.int64(-1))


class TestRefuses:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"number": "1.0"}, "number of Outer is '1.0', of type str; it takes float"),
            ({"number": True}, "number of Outer is True, of type bool; it takes float"),
            ({"number": 1j}, "number of Outer is 1j, of type complex; it takes float"),
            ({"flag": 1}, "flag of Outer is 1, of type int; it takes bool"),
            ({"colour": "red"}, "colour of Outer is 'red', of type str; it takes Colour"),
            ({"sides": {1: 2}}, "sides of Outer is {1: 2}, of type dict; it takes a tuple of int"),
            ({"text": b"a"}, "text of Outer is b'a', of type bytes; it takes str"),
            ({"text": "\ud800"}, "text of Outer is '\\ud800', of type str; it takes"),
            ({"sides": 3}, "sides of Outer is 3, of type int; it takes a tuple of int"),
            ({"sides": "12"}, "sides of Outer is '12', of type str; it takes a tuple of int"),
            ({"sides": (1, 2.0)}, "sides of Outer is (1, 2.0), of type tuple; it takes a tuple of"),
            ({"sides": (True,)}, "sides of Outer is (True,), of type tuple; it takes a tuple of"),
            ({"inner": (Colour.RED,)}, "of type tuple; it takes a tuple of Inner"),
            ({"inner": (Special(),)}, "of type tuple; it takes a tuple of Inner"),
            ({"either": "red"}, "either of Outer is 'red', of type str; it takes Inner or Colour"),
            ({"either": Inner}, "of type type; it takes Inner or Colour"),
            ({"number": None}, "number of Outer is None, of type NoneType; it takes float"),
        ],
    )
    def test_other_types(self, wrong, message):
        with pytest.raises(PlanError) as refused:
            made(Outer, **wrong)
        assert message in str(refused.value)
