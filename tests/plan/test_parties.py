import pytest

from confide.errors import PlanError
from confide.plan import Neighbours, Party, Relation, Unit, simulation_key

KEY = bytes(range(32))


class TestParty:
    @pytest.mark.parametrize("name", ["a", "7", "bank-1", "st.mary_hospital", "a" * 64])
    def test_takes_a_name(self, name):
        assert Party(name, KEY).name == name

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "A",
            "bank 1",
            "-a",
            "a-",
            ".",
            "_a",
            "a" * 65,
            "a\n",
            "a\0",
            "bänk",
            "../a",
            "a/b",
            "\u0430",
        ],
    )
    def test_refuses_a_name(self, name):
        with pytest.raises(PlanError) as refused:
            Party(name, KEY)
        assert f"a party named {name!r}; a name has 1 to 64" in str(refused.value)

    @pytest.mark.parametrize("length", [0, 31, 33, 64])
    def test_has_a_key_of_32_bytes(self, length):
        with pytest.raises(PlanError, match=f"'bank' has a key of {length} bytes; .* has 32"):
            Party("bank", bytes(length))

    def test_is_simulated_with_the_key_that_everybody_knows(self):
        party = Party.simulation("bank")
        assert party.simulated
        assert party.key == simulation_key("bank").public_key().public_bytes_raw()
        assert party == Party.simulation("bank")
        assert party.key != Party.simulation("bank2").key

    @pytest.mark.parametrize("key", [KEY, Party.simulation("other").key], ids=["own", "another's"])
    def test_is_not_simulated_with_another_key(self, key):
        with pytest.raises(PlanError, match="'bank' is marked simulated, but its key is not"):
            Party("bank", key, simulated=True)

    def test_with_the_key_that_everybody_knows_is_marked(self):
        with pytest.raises(PlanError, match="bank"):
            Party("bank", Party.simulation("bank").key)

    def test_stands_in_order_of_its_name(self):
        parties = [Party("b", KEY), Party("a", bytes(32)), Party("a.1", KEY)]
        assert [p.name for p in sorted(parties)] == ["a", "a.1", "b"]

    def test_simulation_key_is_pinned(self):
        """Simulated plans keep their hashes."""
        assert Party.simulation("party").key.hex() == (
            "8dabc940617a9425ac80c109ed3c8b10b826d1738a002744ae23fdb1183a7cf9"
        )


class TestUnit:
    def test_covers_itself_and_finer_ones(self):
        covered = {(one, other) for one in Unit for other in Unit if one.covers(other)}
        record, person, party = Unit
        assert covered == {
            (record, record),
            (person, record),
            (person, person),
            (party, record),
            (party, person),
            (party, party),
        }


class TestNeighbours:
    @pytest.mark.parametrize(
        ("protected", "summed", "distance"),
        [
            (Unit.RECORD, Unit.RECORD, 1),
            (Unit.PERSON, Unit.PERSON, 1),
            (Unit.PARTY, Unit.PARTY, 1),
            # A record more makes its person's, or its party's, unit another one.
            (Unit.RECORD, Unit.PERSON, 2),
            (Unit.RECORD, Unit.PARTY, 2),
            (Unit.PERSON, Unit.PARTY, 2),
        ],
    )
    def test_differ_by_one_bound_or_by_two(self, protected, summed, distance):
        assert Neighbours(unit=protected).distance(summed) == distance
        assert Neighbours(unit=protected, relation=Relation.REPLACE_ONE).distance(summed) == 2

    @pytest.mark.parametrize("unit", [Unit.RECORD, Unit.PARTY])
    def test_only_persons_are_at_several_parties(self, unit):
        with pytest.raises(PlanError, match=f"with unit '{unit.value}'.*set unit = 'person'"):
            Neighbours(unit=unit, person_at_several_parties=True)
        Neighbours(unit=Unit.PERSON, person_at_several_parties=True)
