"""False shares: the secret is found without them, and who opened them is named."""

import hashlib

import numpy as np
import pytest

from confide.aggregation import FalseShare
from confide.aggregation.masked import decoding, shamir
from confide.aggregation.masked import reconstruction as module
from confide.aggregation.masked.reconstruction import Reconstruction
from confide.errors import DropoutError, VerificationError
from confide.randomness import InsecureReplayableRandom


class Federation:
    """Holders 0, 1, … of shares of secrets 0, 1, …, t of which give one."""

    def __init__(self, holders, threshold, owners=3):
        random = InsecureReplayableRandom(b"shares")
        self.names = [f"p{i:03}" for i in range(holders)]
        self.threshold = threshold
        self.secrets = [random.bytes(32) for _ in range(owners)]
        points = [i + 1 for i in range(holders)]
        self.shares = [
            dict(enumerate(shamir.share(secret, threshold, points, random)))
            for secret in self.secrets
        ]

    def falsify(self, owner, *holders, share=None):
        for holder in holders:
            true = self.shares[owner][holder]
            random = hashlib.sha256(bytes([owner, holder]) + true).digest() + bytes(4)
            limbs = np.frombuffer(random, "<u4") & np.uint32(0x3FFFFFFF)
            self.shares[owner][holder] = share or limbs.tobytes()
        return self

    def reconstruct(self):
        self.reconstruction = Reconstruction(self.threshold, self.names)
        found = self.reconstruction.secrets(
            range(len(self.secrets)),
            self.shares.__getitem__,
            lambda owner: self.shares[owner],
            lambda owner, secret: secret == self.secrets[owner],
        )
        return dict(found)

    def all_found(self):
        return self.reconstruct() == dict(enumerate(self.secrets))

    @property
    def named(self):
        return {(f.owner, f.holder) for f in self.reconstruction.false_shares}


class TestFalseShares:
    def test_nobody_is_named_where_none_is_false(self):
        federation = Federation(5, 4)
        assert federation.all_found()
        assert not federation.named

    @pytest.mark.parametrize("liar", range(4))
    def test_one_liar_of_five_with_one_share_to_spare_is_named(self, liar):
        """Shares alone do not tell who lies here; what the owner committed to does."""
        federation = Federation(5, 4).falsify(1, liar)
        assert federation.all_found()
        assert federation.named == {("p001", f"p{liar:03}")}

    def test_a_false_share_that_nothing_needs_does_no_harm(self):
        federation = Federation(5, 4).falsify(1, 4)
        assert federation.all_found()
        assert not federation.named

    @pytest.mark.parametrize(
        "share",
        [b"\xff" * shamir.SHARE_BYTES, bytes(shamir.SHARE_BYTES)],
        ids=["outside the field", "zero"],
    )
    def test_any_false_share_is_found(self, share):
        federation = Federation(5, 4).falsify(0, 2, share=share)
        assert federation.all_found()
        assert federation.named == {("p000", "p002")}

    @pytest.mark.parametrize("limb", range(shamir.LIMBS))
    def test_a_share_that_is_false_in_one_limb_is_found(self, limb):
        federation = Federation(9, 5)
        elements = np.frombuffer(federation.shares[0][3], "<u4").copy()
        elements[limb] ^= 1
        federation.falsify(0, 3, share=elements.tobytes())
        assert federation.all_found()
        assert federation.named == {("p000", "p003")}

    def test_as_many_liars_as_decoding_bears_are_found_among_many(self):
        liars = [0, 7, 30, 31, 64]
        federation = Federation(100, 90).falsify(0, *liars).falsify(1, *liars).falsify(2, *liars)
        assert federation.all_found()
        assert federation.named == {("p000", f"p{i:03}") for i in liars}

    @pytest.mark.parametrize("at_once", [1, 7, 32])
    def test_one_search_is_enough_for_a_liar(self, at_once, monkeypatch):
        """From then on its shares are not used where others are enough."""
        searches: list[object] = []
        decode = decoding.decode

        def counted(*args):
            searches.append(args)
            return decode(*args)

        monkeypatch.setattr(decoding, "decode", counted)
        monkeypatch.setattr(module, "_AT_ONCE", at_once)
        federation = Federation(9, 5, owners=20)
        for owner in range(20):
            federation.falsify(owner, 0)
        assert federation.all_found()
        assert len(searches) == 1

    def test_the_shares_of_a_suspect_are_used_if_they_are_needed(self, monkeypatch):
        monkeypatch.setattr(module, "_AT_ONCE", 1)
        federation = Federation(5, 4).falsify(0, 1)
        del federation.shares[1][4]
        assert federation.all_found()

    def test_beyond_decoding_all_sets_are_tried(self):
        federation = Federation(8, 4).falsify(0, 0, 1, 2, 3)
        assert federation.all_found()
        assert federation.named == {("p000", f"p{i:03}") for i in range(4)}


class TestTooManyFalseShares:
    def test_end_the_round_and_name_the_owner(self):
        with pytest.raises(VerificationError, match="'p001' do not give what it committed to"):
            Federation(5, 4).falsify(1, 0, 1).reconstruct()

    def test_are_not_searched_for_without_end(self, monkeypatch):
        """Beyond decoding, with more sets than the limit."""
        monkeypatch.setattr(module, "MOST_SETS", 69)
        with pytest.raises(VerificationError, match="'p000' do not give"):
            Federation(8, 4).falsify(0, 0, 1, 2, 3).reconstruct()

    def test_an_owner_that_commits_to_another_secret_is_named(self):
        federation = Federation(5, 4)
        federation.secrets[2] = bytes(32)
        with pytest.raises(VerificationError, match="'p002' do not give what it committed to"):
            federation.reconstruct()

    def test_shares_outside_the_field_leave_too_few(self):
        outside = b"\xff" * shamir.SHARE_BYTES
        with pytest.raises(VerificationError, match="'p000' do not give"):
            Federation(5, 4).falsify(0, 0, 1, share=outside).reconstruct()


class TestTooFewShares:
    def test_of_parties_that_are_gone_are_dropouts(self):
        federation = Federation(5, 4)
        del federation.shares[0][0], federation.shares[0][1]
        with pytest.raises(DropoutError, match="3 shares of 'p000'"):
            federation.reconstruct()

    def test_of_parties_that_are_there_are_the_owners_lie(self):
        """It dealt garbage to those who could not open their shares."""
        federation = Federation(5, 4)
        del federation.shares[0][0], federation.shares[0][1]
        reconstruction = Reconstruction(4, federation.names)
        found = reconstruction.secrets(
            [0], federation.shares.__getitem__, lambda _: range(5), lambda *_: True
        )
        with pytest.raises(VerificationError, match=r"3 of 5 parties could open .* 'p000'"):
            next(found)


def test_a_false_share_says_whose_and_who():
    assert FalseShare("ash", "birch") == FalseShare(owner="ash", holder="birch")
