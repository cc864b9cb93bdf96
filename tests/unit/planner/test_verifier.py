"""Correction of counts for a verifier that errs."""

import pytest

from planner.verifiers.verifier import VerifierSpec


def test_rogan_gladen() -> None:
    """docs/methods/posteriors.md#verifier-errors: accepted .24, fpr .05, tpr 1 gives .2."""
    spec = VerifierSpec(fpr=0.05)
    assert spec.true_rate(0.24) == pytest.approx(0.2)
    assert spec.true_rate([0.01, 1.0]) == pytest.approx([0, 1])
    right, wrong = spec.true_counts(24, 76)
    assert right / (right + wrong) == pytest.approx(0.2)
    assert right + wrong == pytest.approx(100 * 0.95**2)


def test_a_perfect_verifier_changes_nothing() -> None:
    right, wrong = VerifierSpec().true_counts([3, 0], [1, 0])
    assert right.tolist() == [3, 0]
    assert wrong.tolist() == [1, 0]


def test_precision_ceiling() -> None:
    assert VerifierSpec(fpr=0.2).precision(0.2) == pytest.approx(0.2 / 0.36)


@pytest.mark.parametrize("rates", [{"fpr": 0.5, "tpr": 0.5}, {"fpr": -0.1}, {"tpr": 1.2}])
def test_rates_that_make_no_verifier(rates: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 <= fpr < tpr <= 1"):
        VerifierSpec(**rates)
