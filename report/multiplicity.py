"""Many claims on one page: p corrected so that the chance of any false word on it is at most the level."""


def corrected(claims):
    """p corrected for the number of claims, in the shape of the argument.

    Holm's method as Shaffer sharpened it (JASA 1986, S1): p are taken from the smallest on, each times the number of claims that
    have a test left. Each claim counts once, not each test, because of the null hypotheses of its tests one at most is true: a
    difference cannot be nothing and one that matters. Where each claim has one test, this is Holm's method (1979).

    It would be wrong to take a claim out of the count as soon as one of its tests succeeds. Of claims without any difference,
    those shown to have none are the ones that drew a small one, and the level would be spent on those that drew a large one.

    Args: claims: for each claim a sequence of p, whose null hypotheses exclude one another.
    """
    left = [len(ps) for ps in claims]
    found, largest = [[1.0] * len(ps) for ps in claims], 0.0
    for p, claim, test in sorted((p, claim, test) for claim, ps in enumerate(claims) for test, p in enumerate(ps)):
        largest = max(largest, min(1.0, p * sum(count > 0 for count in left)))
        found[claim][test] = largest
        left[claim] -= 1
    return found
