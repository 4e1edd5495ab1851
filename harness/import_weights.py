"""Published weights, made those of a backbone here.

    python -m harness import-weights FILE --out FILE

FILE is what torch.save wrote: a checkpoint of MoCo (`state_dict`, with `module.encoder_q.` before the names), or the weights of a
ResNet of torchvision's. It is read without unpickling. What is written has the names of reimpl/networks.py, for the pretext task
`imported`; classifiers, heads, key encoders and queues are left out.
"""

import argparse
import re
from pathlib import Path

from harness import weights
from harness.errors import UserError, guarded
from harness.files import existing

PREFIX = re.compile(r"^(module\.)?((encoder_q|backbone|base_encoder)\.)?(?=(conv1|bn1|layer\d+)\.)")
ARCHITECTURES = {  # of torchvision, as settings.Network has them
    "resnet18": "{width: 64, blocks: [2, 2, 2, 2], stem: imagenet}",
    "resnet34": "{width: 64, blocks: [3, 4, 6, 3], stem: imagenet}",
    "resnet50": "{width: 64, blocks: [3, 4, 6, 3], stem: imagenet, block: bottleneck}",
    "resnet101": "{width: 64, blocks: [3, 4, 23, 3], stem: imagenet, block: bottleneck}",
}
MEND = "bring a checkpoint of MoCo, or the weights of one of torchvision's ResNets"


def backbone_of(state):
    """The weights of a backbone by torchvision's names, out of a mapping by those of their publisher."""
    return {PREFIX.sub("", name): value for name, value in state.items() if PREFIX.match(name)}


def architecture(state, file):
    """The name of the ResNet of torchvision that has these weights, all of them and no others. Raises UserError."""
    import torch
    from torchvision import models

    found = {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}
    unlike = {}
    for name in ARCHITECTURES:
        with torch.device("meta"):
            right = {key: tuple(value.shape) for key, value in getattr(models, name)().state_dict().items()
                     if not key.startswith("fc.")}
        if right == found:
            return name
        unlike[name] = [key for key in {**right, **found} if right.get(key) != found.get(key)]
    nearest = min(unlike, key=lambda name: len(unlike[name]))
    differing = unlike[nearest]
    raise UserError(f"{file} has no backbone that is known here: from the nearest, {nearest}, it differs in {len(differing)} "
                    f"weights, {differing[0]} say; {MEND}")


def import_weights(file, out):
    """Write the backbone of `file` to `out`, and print the network that it is of."""
    whole = weights.load(existing(file, "whoever publishes it"), MEND)
    state = backbone_of(whole.get("state_dict", whole))
    name = architecture(state, file)
    weights.save(out, {key.replace("downsample", "shortcut"): value for key, value in state.items()})
    print(f"{out}: the backbone of {file}, a {name}; in params/<data set>.yaml,\n"
          f"network: {ARCHITECTURES[name]}\npretext: {{imported: {{weights: {out}}}}}")


def main(arguments):
    parser = argparse.ArgumentParser(prog="python -m harness import-weights", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(arguments)
    return guarded(import_weights, options.file, options.out)
