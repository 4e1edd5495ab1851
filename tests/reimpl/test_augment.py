"""Every augmentation against PIL, image by image, on real photographs and real digits: the same parameters, the same bytes."""

import itertools

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageOps
import pytest
import torch
import torchvision.transforms.functional as TF
from torchvision.transforms import RandomResizedCrop

from harness.augmentations import AUGMENTATIONS
from reimpl.augment import KINDS, Normalize, batches, color, geometry, strong


def pil(image):
    """uint8 [c, h, w] as a PIL image."""
    array = image.permute(1, 2, 0).numpy()
    return PIL.Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def by_pil(images, operation, *parameters):
    """`operation(PIL image, parameter...)` for each image, with each parameter's value for it."""
    results = [np.atleast_3d(np.asarray(operation(pil(image), *values)))
               for image, *values in zip(images, *[p.tolist() for p in parameters])]
    return torch.from_numpy(np.stack(results)).permute(0, 3, 1, 2)


def changed(operation, images, *parameters):
    """What an operation in place makes of uint8 images: float32 whole numbers."""
    images = images.to(torch.float32)
    operation(images, *parameters)
    return images


def assert_same(found, expected):
    """float32 [b, c, h, w] against uint8: every pixel."""
    assert found.dtype == torch.float32 and torch.equal(found, expected.to(torch.float32))


def factors(count, low, high):
    """Evenly spread over the range, both ends and 1 among them."""
    values = torch.linspace(low, high, count, dtype=torch.float64)
    values[0] = min(max(1.0, low), high)
    return values


def transform(entries):
    return lambda image, *values: image.transform(image.size, PIL.Image.Transform.AFFINE, entries(*values))


COLORS = [
    ("brightness", color.brightness_, lambda im, v: PIL.ImageEnhance.Brightness(im).enhance(v), 0.0, 1.9),
    ("contrast", color.contrast_, lambda im, v: PIL.ImageEnhance.Contrast(im).enhance(v), 0.0, 1.9),
    ("saturation", color.saturation_, lambda im, v: PIL.ImageEnhance.Color(im).enhance(v), 0.0, 1.9),
    ("sharpness", color.sharpness_, lambda im, v: PIL.ImageEnhance.Sharpness(im).enhance(v), 0.05, 0.95),
    ("hue", color.hue_, TF.adjust_hue, -0.5, 0.5),
    ("autocontrast", color.autocontrast_, lambda im, v: PIL.ImageOps.autocontrast(im), 0, 1),
    ("equalize", color.equalize_, lambda im, v: PIL.ImageOps.equalize(im), 0, 1),
    ("solarize", color.solarize_, lambda im, v: PIL.ImageOps.solarize(im, v), 0, 256),
    ("posterize", color.posterize_, lambda im, v: PIL.ImageOps.posterize(im, int(v)), 4, 8),
]


@pytest.mark.parametrize("name, operation, reference, low, high", COLORS, ids=[row[0] for row in COLORS])
@pytest.mark.parametrize("kind", ["photos", "digits"])
def test_color_equals_pil(request, kind, name, operation, reference, low, high):
    images = request.getfixturevalue(kind)
    values = factors(len(images), low, high)
    assert_same(changed(operation, images, values), by_pil(images, reference, values))


def test_hue_equals_pil_on_every_kind_of_color():
    levels = torch.arange(0, 256, 5, dtype=torch.uint8)
    cube = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, len(levels) ** 2, len(levels))
    for shift in (-0.5, -0.1, 0.0, 0.07, 0.5):
        value = torch.tensor([shift], dtype=torch.float64)
        assert_same(changed(color.hue_, cube, value), by_pil(cube, TF.adjust_hue, value))


def test_an_operation_that_no_image_drew_is_no_error(photos):
    nothing, no_values = photos[:0], torch.zeros(0, dtype=torch.float64)
    for _, operation, *_ in COLORS:
        assert changed(operation, nothing, no_values).shape == nothing.shape
    for _, matrix, *_ in WARPS:
        assert geometry.warp(nothing, matrix(no_values, 32, 32)).shape == nothing.shape


def test_gray_equals_pil(photos):
    expected = by_pil(photos, lambda image: image.convert("L"))
    assert_same(changed(color.grayscale_, photos), expected.expand_as(photos))


@pytest.mark.parametrize("flat", [0, 7, 255])
def test_a_flat_image_stays_as_pil_has_it(flat):
    images = torch.full((1, 3, 8, 8), flat, dtype=torch.uint8)
    for _, operation, reference, low, high in COLORS:
        middle = torch.tensor([(low + high) / 2], dtype=torch.float64)
        assert_same(changed(operation, images, middle), by_pil(images, reference, middle))


WARPS = [
    ("rotate", strong.WARPS[0][0], lambda im, v: im.rotate(v), 30),
    ("shear_x", strong.WARPS[1][0], transform(lambda v: (1, v, 0, 0, 1, 0)), 0.1),
    ("shear_y", strong.WARPS[2][0], transform(lambda v: (1, 0, 0, v, 1, 0)), 0.1),
    ("translate_x", strong.WARPS[3][0], lambda im, v: transform(lambda u: (1, 0, u * im.size[0], 0, 1, 0))(im, v), 0.1),
    ("translate_y", strong.WARPS[4][0], lambda im, v: transform(lambda u: (1, 0, 0, 0, 1, u * im.size[1]))(im, v), 0.1),
]


@pytest.mark.parametrize("name, matrix, reference, most", WARPS, ids=[row[0] for row in WARPS])
@pytest.mark.parametrize("kind", ["photos", "digits"])
def test_warp_equals_pil(request, kind, name, matrix, reference, most):
    images = request.getfixturevalue(kind)
    values = torch.linspace(-most, most, len(images), dtype=torch.float64)
    values[0] = 0
    warped = geometry.warp(images, matrix(values, *images.shape[2:]))
    assert torch.equal(warped, by_pil(images, reference, values))


@pytest.mark.parametrize("side", [8, 12, 25, 32])
def test_crop_and_resize_equals_pil(photos, side, generator):
    """Sizes that are powers of two, whose weights float32 holds, and others; half of the images mirrored."""
    images = photos[:, :, :side, :side].contiguous()
    boxes = geometry.draw_crop(geometry.same_size(len(images), side, side), (0.08, 1.0), generator)
    mirrored = torch.arange(len(images)) % 2 > 0

    def by_hand(image, top, left, height, width, mirror):
        box = image.crop((left, top, left + width, top + height)).resize((side, side), PIL.Image.Resampling.BILINEAR)
        return PIL.ImageOps.mirror(box) if mirror else box

    assert_same(geometry.crop_and_resize(images, boxes, mirrored), by_pil(images, by_hand, *boxes.T, mirrored))


def test_flip_by_hand(photos):
    chosen = torch.arange(len(photos)) % 3 == 0
    expected = np.stack([image.numpy()[:, :, ::-1] if mirror else image.numpy() for image, mirror in zip(photos, chosen)])
    assert np.array_equal(geometry.flip(photos, chosen).numpy(), expected)


def test_each_image_takes_its_own_operation_in_each_turn():
    """After a factor for each: adding, doubling and nothing, in turns. Against a loop over the images."""
    rng = np.random.default_rng(0)
    images = torch.arange(20.0).view(20, 1, 1, 1)
    turns = [(torch.from_numpy(rng.integers(0, 3, 20)), torch.from_numpy(rng.integers(1, 9, (20, 1)) * 1.0)) for _ in range(5)]
    operations = (batches.keep_, lambda some, values: some.add_(values.view(-1, 1, 1, 1)), lambda some, _: some.mul_(2))
    factors = torch.arange(20.0) % 7
    found = batches.in_turns(lambda some, factor: some * factor.view(-1, 1, 1, 1), images, (factors,),
                             [(*turn, operations) for turn in turns]).flatten().tolist()
    for row, value in enumerate((torch.arange(20.0) * factors).tolist()):
        for choice, values in turns:
            value = (value, value + values[row].item(), value * 2)[choice[row]]
        assert found[row] == value
    assert torch.equal(images.flatten(), torch.arange(20.0))


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_the_size_of_pieces_changes_nothing(photos, kind, monkeypatch):
    settings = AUGMENTATIONS[kind](**SETTINGS[kind])
    augment = KINDS[type(settings)](settings, Normalize((0.5, 0.4, 0.3), (0.2, 0.2, 0.2)))
    whole = augment(photos, torch.Generator().manual_seed(3))
    monkeypatch.setattr(batches, "PIECE", 7 * photos[0].numel())
    assert torch.equal(augment(photos, torch.Generator().manual_seed(3)), whole)
    assert whole.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("height, width", [(32, 32), (48, 32), (30, 100)])
def test_crops_are_distributed_as_torchvision_draws_them(height, width, generator):
    """Means and deviations of area, shape and place over 20,000 draws, within three standard errors or so. The larger areas of
    30 by 100 pixels fit in no shape that is allowed: a draw in five ends with the middle."""
    ours = geometry.draw_crop(geometry.same_size(20_000, height, width), (0.2, 1.0), generator).T.to(torch.float64)
    torch.manual_seed(0)
    image = torch.empty(3, height, width)
    theirs = torch.tensor([RandomResizedCrop.get_params(image, (0.2, 1.0), (3 / 4, 4 / 3)) for _ in range(20_000)]).T
    for name, of in {
        "area": lambda t, le, h, w: h * w / height / width,
        "aspect": lambda t, le, h, w: (w / h).log(),
        "middle": lambda t, le, h, w: (t + h / 2) / height,
        "left": lambda t, le, h, w: le / width,
    }.items():
        a, b = of(*ours), of(*theirs.to(torch.float64))
        assert abs(a.mean() - b.mean()) < 4 * a.std() / 100, name
        assert abs(a.std() / b.std() - 1) < 0.03, name
    assert (ours[0] + ours[2]).max() <= height and (ours[1] + ours[3]).max() <= width and ours[:2].min() >= 0


def test_the_fourteen_operations_are_equally_likely_and_all_reached(photos):
    """With each operation marked by what it does to a known image, 14 equal shares come out."""
    drawn = []
    original = torch.randint

    def spy(high, size, generator):
        values = original(high, size, generator=generator)
        drawn.append((high, values))
        return values

    torch.randint = spy
    try:
        for seed in range(20):
            strong.draw_operations(1, len(photos), 32, 32, torch.Generator().manual_seed(seed))
    finally:
        torch.randint = original
    assert {high for high, _ in drawn} == {14}
    shares = torch.cat([values for _, values in drawn]).bincount(minlength=14) / (20 * len(photos))
    assert (shares - 1 / 14).abs().max() < 0.015


def test_the_turns_of_an_image_are_drawn_apart():
    """Two turns have the same number as often as chance has it, 9 operations of one share each and the warps of five; and then
    other values."""
    drawn = strong.draw_operations(4, 5000, 32, 32, torch.Generator().manual_seed(0))
    turns = zip(drawn["choices"].unbind(1), drawn["values"].unbind(1))
    for (first, values), (second, others) in itertools.combinations(turns, 2):
        same = first == second
        assert abs(same.float().mean() - (9 * 1 + 5 * 5) / 14**2) < 0.02
        assert not (values[same] == others[same]).all(1).any()


def test_cutout_hole_is_the_reference_formula():
    """Side 2 * (L // 2) for L in 1..16, cut at the border; 1 in 16 is empty."""
    kept = strong.outside(strong.draw_hole(40_000, 64, 64, 16, torch.Generator().manual_seed(1)), 64, 64)
    holes = (1 - kept).sum((1, 2, 3))
    assert abs((holes == 0).float().mean() - 1 / 16) < 0.005
    assert set(holes[holes > 0].sqrt().unique().tolist()) >= {2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0}
    assert holes.max() == 16**2
    one = (1 - kept[holes == 16**2][0, 0]).nonzero()
    assert (one.max(0).values - one.min(0).values + 1).tolist() == [16, 16]
    assert strong.outside(strong.draw_hole(8, 64, 64, 0, torch.Generator()), 64, 64).min() == 1


SETTINGS = {
    "none": {},
    "standard": dict(crop_scale=(0.2, 1.0), flip=0.5),
    "simclr": dict(crop_scale=(0.2, 1.0), flip=0.5, jitter=0.8, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1,
                   gray=0.2, rotation=15.0),
    "strong": dict(flip=0.5, operations=4, cutout=16),
}


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_an_augmentation_draws_per_image_from_its_generator_alone(photos, kind):
    settings = AUGMENTATIONS[kind](**SETTINGS[kind])
    augment = KINDS[type(settings)](settings, Normalize((0.5, 0.4, 0.3), (0.2, 0.2, 0.2)))
    same = photos[:1].repeat(64, 1, 1, 1)
    before = same.clone()
    first = augment(same, torch.Generator().manual_seed(3))
    torch.manual_seed(99)
    again = augment(same, torch.Generator().manual_seed(3))
    assert torch.equal(first, again) and torch.equal(same, before)
    assert first.dtype == torch.float32 and first.shape == same.shape
    assert len(torch.unique(first.flatten(1), dim=0)) == (1 if kind == "none" else pytest.approx(62, abs=2))


def test_normalize_by_hand():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    result = Normalize((0.5, 0.1, 0.0), (0.5, 0.2, 2.0))(images).flatten().tolist()
    assert result == pytest.approx([-1.0, 0.5, 0.5])
