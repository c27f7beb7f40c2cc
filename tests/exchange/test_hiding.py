"""What the ciphertext of a result tells the key holder of the model that made it."""

import numpy as np
import pytest
from tests.exchange.scores import MODEL, ROWS, declared

from confide import he
from confide.errors import EncryptionError
from confide.exchange import ScoreModel
from confide.exchange.hiding import rerandomised
from confide.he.flooding import flooding_scale
from confide.plan.masking import SECURITY_BITS

OTHER = ScoreModel.of([0.5, -0.75, 0.25], intercept=0.1)


class Owner:
    """A key holder that keeps its ciphertexts and guesses at the model."""

    def __init__(self):
        self.scoring = declared()
        self.secret = he.SecretKey(self.scoring.context)
        self.keys = self.scoring.planned.evaluation_keys(self.secret)
        self.sealed = he.encrypt_columns(self.secret, ROWS)

    def result(self, model):
        """What an evaluator with this model computes, before it hides it."""
        computed = self.scoring.circuit.on(model.weights, model.intercept)
        return he.evaluate(computed, self.keys, table=self.sealed)

    def hidden(self, model, public=None):
        return rerandomised(
            self.result(model),
            self.keys,
            public or self.secret.public_key(),
            noise=self.scoring.planned.noise,
            queries=self.scoring.circuit.queries,
            statistical_bits=SECURITY_BITS,
        )

    def distance(self, result, guess, part):
        """How far a part of a result lies from that of a guessed model: ½ if unrelated, 0 if so."""
        context = self.scoring.context
        rows = context.parameters.rows(0)
        difference = context.empty(1, len(rows))
        found, guessed = (
            np.ascontiguousarray(r.blocks[0].data[part : part + 1])
            for r in (result, self.result(guess))
        )
        context.ring.subtract(difference, found, guessed, rows)
        context.ring.inverse(difference, rows)
        primes = [context.parameters.primes[row] for row in rows]
        modulus = int(np.prod([int(p) for p in primes], dtype=object))
        whole = sum(
            line.astype(object) * (modulus // p * pow(modulus // p, -1, p))
            for line, p in zip(difference[0], primes, strict=True)
        )
        centred = np.minimum(whole % modulus, -whole % modulus)
        return float((centred / modulus * 2).mean())


@pytest.fixture(scope="module")
def owner():
    return Owner()


def test_a_result_that_is_not_hidden_confirms_a_guess_of_the_model(owner):
    result = owner.result(MODEL)
    for part in (0, 1):
        assert owner.distance(result, MODEL, part) == 0
        assert owner.distance(result, OTHER, part) == pytest.approx(0.5, abs=0.05)


def test_a_hidden_result_confirms_no_guess(owner):
    hidden = owner.hidden(MODEL)
    for guess in (MODEL, OTHER):
        assert owner.distance(hidden, guess, 1) == pytest.approx(0.5, abs=0.05)
        assert owner.distance(hidden, guess, 0) == pytest.approx(0.5, abs=0.05)


def test_noise_drowns_the_error_of_a_result(owner):
    """The error depends on the model, and the key holder can compute it for any guess."""
    planned, context = owner.scoring.planned, owner.scoring.context
    exact = owner.scoring.in_clear(MODEL, ROWS)[0]
    errors = [
        owner.secret.decrypt_private(result.blocks[0])[::2] - exact
        for result in (owner.result(MODEL), owner.hidden(MODEL))
    ]
    plain, hidden = (np.sqrt(np.mean(np.abs(e) ** 2)) for e in errors)
    wide = flooding_scale(planned.noise, owner.scoring.circuit.queries, SECURITY_BITS)
    assert plain <= planned.noise
    assert hidden == pytest.approx(wide * np.sqrt(context.parameters.degree), rel=0.1)
    assert hidden > 2**20 * plain


def test_a_hidden_result_still_opens(owner):
    found = he.decrypt_private(owner.secret, owner.hidden(MODEL))
    assert np.abs(found - owner.scoring.in_clear(MODEL, ROWS)).max() <= owner.scoring.error


def test_two_hidings_of_one_result_have_nothing_in_common(owner):
    one, other = (owner.hidden(MODEL).blocks[0].data for _ in range(2))
    assert (one == other).mean() < 0.001


def test_a_false_public_key_undoes_it_as_the_findings_say(owner):
    """Half of it zero, the encryption of zero hides nothing there: a guess is confirmed."""
    true = owner.secret.public_key()
    data = owner.scoring.context.empty(*true.data.shape[:2])
    data[:] = true.data
    data[0] = 0
    false = he.PublicKey(owner.scoring.context, true.key_id, data, true.seed)
    hidden = owner.hidden(MODEL, false)
    assert owner.distance(hidden, MODEL, 0) < 0.05
    assert owner.distance(hidden, OTHER, 0) == pytest.approx(0.5, abs=0.05)


def test_another_secrets_public_key_is_refused(owner):
    with pytest.raises(EncryptionError, match="under key"):
        owner.hidden(MODEL, he.SecretKey(owner.scoring.context).public_key())


def test_noise_without_room_is_refused(owner):
    with pytest.raises(EncryptionError, match="flooding takes noise"):
        rerandomised(
            owner.result(MODEL), owner.keys, owner.secret.public_key(),
            noise=1.0, queries=1, statistical_bits=SECURITY_BITS,
        )  # fmt: skip
