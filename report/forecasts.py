"""What the seeds of a study can show, and how many a claim takes, by the spread of the records there are."""

from pathlib import Path

from report.claims import margin, measure
from report.power import MOST, POWER, seeds_to_differ, seeds_to_equate, visible
from report.summaries import data_set, read_summaries
from report.verdicts import LEVEL


def power(studies, dataset):
    """Print for each claim of some studies (all, where empty) what its seeds can show, and how many seeds what matters takes.

    That is at the level which is left for one of all claims that could be tested, since words follow the corrected p.
    """
    facts = data_set(dataset)
    found = [(summary, claim, measure(summary, claim, facts)) for summary in read_summaries(Path("runs") / dataset / "summary")
             for claim in summary.study.claims]
    claims = max(1, sum(bool(finding.tests) for _, _, finding in found))
    level = LEVEL / claims
    print(f"{dataset}, {facts['images']['test']} test images: with a chance of {100 * POWER:.0f} %, at a level of "
          f"{100 * level:.2g} % ({100 * LEVEL:.0f} % for {claims} claims)")
    wanted = [one for one in found if not studies or one[0].name in studies]
    elsewhere = [one for one in wanted if one[1].dataset not in ("", dataset)]
    for summary, claim, finding in wanted:
        if claim.dataset in ("", dataset):
            allowed = margin(summary.study, claim, facts)
            estimate = finding.estimate if allowed else None
            print(f"{summary.name}: {claim.text}\n    {forecast(estimate, allowed, level) or finding.reason}")
    if elsewhere:
        print(f"{len(elsewhere)} claims are about other data sets")


def forecast(found, margin, level):
    """A sentence on the Estimate of a claim: what so many seeds can show, and how many what matters takes; None without one."""
    if found is None:
        return None
    errors = found.std, found.image_error
    differ, equate = seeds_to_differ(margin, *errors, level), seeds_to_equate(0.0, margin, *errors, level)
    return (f"{found.n} seeds show a difference of {visible(found.n, *errors, level):.1f} points (deviation {found.std:.2f}, "
            f"error of the test images {found.image_error:.2f}); {_seeds(differ)} show one of {margin:.1f}, and, "
            f"if there is none at all, {_seeds(equate)} that it is below {margin:.1f}")


def _seeds(n):
    return f"{n} seeds" if n else f"more than {MOST} seeds (or more test images)"
