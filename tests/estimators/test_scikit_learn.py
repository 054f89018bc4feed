"""scikit-learn's own checks; none is expected to fail."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from acclimate import AdaptedClassifier


@parametrize_with_checks(
    # enough for the accuracy that two of the checks ask for; the defaults pass as well, in minutes
    [AdaptedClassifier(steps=100), AdaptedClassifier("source-only", steps=100, batch_size=16)]
)
def test_scikit_learn(estimator, check):
    check(estimator)
