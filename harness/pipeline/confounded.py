"""Which claims compare arms that differ in more than the setting they are about."""

from harness.stages import SCORED, STAGES, made_from


def confounds(study, claim, studies):
    """The settings besides those that the claim is about in which its two arms differ, as dotted names; none for most claims.

    A claim is about the settings that it names under `about`, else about the one in which its arms differ; where they differ in
    several and it names none, all are given. Settings of stages count that both are made from. What is not a pair of known arms
    (k-means, a fixed value) is not confounded.

    Args: studies: name -> Study, for the arms that the study reads from others.
    """
    sides = [step.split("/") for step in (claim.of, claim.than)]
    if any(len(side) != 3 or side[2] not in SCORED for side in sides):
        return ()
    stages = made_from(sides[0][2]) & made_from(sides[1][2])
    one, other = (arm_settings(study, implementation, arm, stages, studies) for implementation, arm, _ in sides)
    if one is None or other is None:
        return ()
    differing = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
    return tuple(key for key in differing if key not in claim.about) if claim.about or len(differing) > 1 else ()


def notes(studies):
    """(study, sentence) of each confounded claim. Args: studies: name -> Study."""
    for name, study in studies.items():
        for index, claim in enumerate(study.claims):
            if found := confounds(study, claim, studies):
                yield name, (f"claims.{index} is confounded: its arms differ in {', '.join(found)}"
                             f"{' too' if claim.about else ''}; an arm that differs in one alone, or `about`, mends it")


def arm_settings(study, implementation, arm, stages, studies):
    """All that tells an arm from others in some stages: {dotted name: value} of what it starts from and what it changes; None for
    an arm that is not known."""
    groups = {group: changes for one, group, name, changes in study.each_arm() if (one, name) == (implementation, arm)}
    if not groups and arm in study.reads:
        name, implementation, arm = study.reads[arm].split("/")
        return arm_settings(studies[name], implementation, arm, stages, studies) if name in studies else None
    if not groups:
        return None
    (group, changes), *_ = groups.items()
    found = {"implementation": implementation, "start.pretext": study.variant(STAGES["pretext"], implementation, arm)}
    if group == "selflabel":
        name, *start = study.start["scan"].split("/")
        found |= arm_settings(studies[name], *start, stages & made_from("scan"), studies) or {} if name in studies else {}
    return found | dict(flat({name: settings for name, settings in changes.items() if name in stages}))


def flat(mapping, prefix=""):
    """(dotted name, value) of each setting in nested mappings."""
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
