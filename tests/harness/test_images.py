"""One image file, read as the pixels that are in it, or refused by its name: modes, depths, transparency, orientation, damage."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torchvision import transforms

from harness.errors import UserError
from harness.image_files import middle, read_image, scaled


def pixels(file, channels):
    """What is read of one image file."""
    return read_image(file, channels)


def png(bits, color, samples):
    """A PNG file by its specification (ISO/IEC 15948), of whole numbers [h, w, samples a pixel], which Pillow does not write."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2" if bits == 16 else "u1").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture
def photo(photos):
    return Image.fromarray(photos[0].permute(1, 2, 0).numpy())


@pytest.mark.parametrize("mode", Image.MODES)
def test_an_image_of_any_mode_is_read_without_loss_or_refused_by_name(photo, tmp_path, mode):
    """Of every format that Pillow writes it to. The file's pixels, by their mode's definition, are what is read."""
    for ending in ("png", "tif", "bmp", "ppm", "gif", "webp", "jpg"):
        file = tmp_path / f"a.{ending}"
        try:
            photo.convert("L" if mode.startswith(("I;16", "La")) else "RGB").convert(mode).save(file, lossless=True)
        except (OSError, ValueError, KeyError):
            continue  # there is no such file
        with Image.open(file) as opened:
            kept, stored, palette = opened.mode, np.asarray(opened), opened.getpalette()
        if kept in ("CMYK", "F", "HSV", "I", "I;16", "I;16B", "I;16L", "I;16N", "LAB", "YCbCr"):
            with pytest.raises(UserError, match=rf"a.{ending} is of Pillow's mode {kept}; save it as gray or RGB with 8 bits"):
                pixels(file, 3)
            continue
        color = stored if stored.ndim == 3 else stored[..., None]
        if kept in ("P", "PA"):
            color = np.array(palette).reshape(-1, 3)[color[..., 0]]
        elif kept in ("1", "L", "LA"):
            color = color[..., [0, 0, 0]].astype(np.uint8) * (255 if kept == "1" else 1)
            assert (pixels(file, 1) == color[..., :1]).all()
        assert kept in ("1", "L", "LA", "P", "PA", "RGB", "RGBA") and (pixels(file, 3) == color[..., :3]).all()


def test_cmyk_is_converted_where_that_is_asked_for(tmp_path, photo):
    """As by the authors' code, which has Pillow convert whatever there is."""
    for ending in ("jpg", "tif"):
        photo.convert("CMYK").save(tmp_path / f"a.{ending}")
        with Image.open(tmp_path / f"a.{ending}") as image:
            assert (read_image(tmp_path / f"a.{ending}", 3, cmyk=True) == np.asarray(image.convert("RGB"))).all()
    photo.convert("LAB").save(tmp_path / "b.tif")
    with pytest.raises(UserError, match="b.tif is of Pillow's mode LAB"):
        read_image(tmp_path / "b.tif", 3, cmyk=True)


@pytest.mark.parametrize("bits, color, samples", [(16, 0, 1), (16, 2, 3), (16, 4, 2), (16, 6, 4)])
def test_an_image_of_16_bits_a_channel_is_refused_whatever_its_mode(tmp_path, bits, color, samples):
    """Of colour Pillow drops the lower 8 bits, and says RGB."""
    values = np.random.default_rng(0).integers(0, 2**16, (8, 8, samples))
    (tmp_path / "a.png").write_bytes(png(bits, color, values))
    with pytest.raises(UserError, match="a.png (is of Pillow's mode I;16|has 16 bits a channel); save it"):
        pixels(tmp_path / "a.png", 3)
    (tmp_path / "a.png").write_bytes(png(8, color, np.where(np.arange(samples) % 2 == 1, 255, values // 256)))
    assert pixels(tmp_path / "a.png", 3).shape == (8, 8, 3)


@pytest.mark.parametrize("head, bytes_each, right", [
    (b"P6 4 4 255\n", 1, True), (b"P6 4 4 100\n", 1, True), (b"P6 4 4 65535\n", 2, False), (b"P6 4 4 256\n", 2, False),
    (b"P5 4 4 65535\n", 2, False), (b"P5 4 4 1000\n", 2, False)])
def test_a_portable_pixmap_of_more_than_8_bits_is_refused(tmp_path, head, bytes_each, right):
    (tmp_path / "a.ppm").write_bytes(head + bytes(range(16)) * 3 * bytes_each)
    if right:
        assert pixels(tmp_path / "a.ppm", 3).shape == (4, 4, 3)
    else:
        with pytest.raises(UserError, match="a.ppm (is of Pillow's mode I|has 16 bits a channel); save it"):
            pixels(tmp_path / "a.ppm", 3)


def tiff16(planar):
    """A TIFF of 2x2 pixels of RGB with 16 bits, its channels in turn or, planar, one after another (TIFF 6.0, page 38)."""
    data = 8
    after = data + 24
    offsets = [data, data + 8, data + 16] if planar else [data]
    extra = after + 2 + 9 * 12 + 4
    entries = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 3, extra), (259, 3, 1, 1), (262, 3, 1, 2),
               (273, 4, len(offsets), extra + 6 if planar else data), (277, 3, 1, 3),
               (279, 4, len(offsets), extra + 18 if planar else 24), (284, 3, 1, 2 if planar else 1)]
    return (b"II*\0" + struct.pack("<I", after) + bytes(range(24)) + struct.pack("<H", len(entries))
            + b"".join(struct.pack("<HHII", *entry) for entry in entries) + struct.pack("<I", 0)
            + struct.pack("<3H", 16, 16, 16) + struct.pack("<3I", *offsets * (3 // len(offsets))) + struct.pack("<3I", 8, 8, 8))


@pytest.mark.parametrize("planar", [False, True])
def test_a_tiff_of_16_bits_a_channel_is_refused(tmp_path, planar):
    (tmp_path / "a.tif").write_bytes(tiff16(planar))
    with Image.open(tmp_path / "a.tif") as image:
        assert image.mode == "RGB" and image.size == (2, 2)
    with pytest.raises(UserError, match="a.tif has 16 bits a channel; save it with 8"):
        pixels(tmp_path / "a.tif", 3)


def test_transparency_is_refused_where_there_is_any_and_dropped_where_there_is_none(photo, tmp_path):
    file, opaque = tmp_path / "a.png", np.asarray(photo)
    image = photo.convert("RGBA")
    image.save(file)
    assert (pixels(file, 3) == opaque).all()
    image.putpixel((3, 5), (9, 9, 9, 254))
    seen, palette = tuple(map(int, opaque[0, 0])), photo.quantize(16)
    for save in (lambda: image.save(file), lambda: image.convert("LA").save(file), lambda: photo.save(file, transparency=seen),
                 lambda: palette.save(file, transparency=palette.getpixel((0, 0))),
                 lambda: palette.save(file, transparency=bytes([255] * 15 + [0] * 1 if 15 in np.asarray(palette) else [0] * 16))):
        save()
        with pytest.raises(UserError, match="a.png has transparent pixels; save it on the background that you choose"):
            pixels(file, 3)
    palette.save(file, transparency=bytes([255] * 16))
    assert (pixels(file, 3) == np.asarray(palette.convert("RGB"))).all()


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tif", "mpo"])
def test_a_file_of_several_images_is_refused(photo, tmp_path, ending):
    file = tmp_path / f"a.{ending}"
    photo.save(file, save_all=True, append_images=[photo.transpose(Image.Transpose.ROTATE_90)])
    with pytest.raises(UserError, match=f"a.{ending} holds 2 images; remove it or put a single one there"):
        pixels(file, 3)


def test_a_format_that_does_not_tell_its_bits_is_refused(photo, tmp_path):
    photo.save(tmp_path / "a.jp2")
    with pytest.raises(UserError, match="a.jp2 is not an image of the formats BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP; remove it"):
        pixels(tmp_path / "a.jp2", 3)


TURNED = {  # EXIF 2.32, tag 274: where the stored first row and first column are of the scene
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a)}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("ending", ["png", "webp", "tif", "jpg"])
def test_an_image_is_turned_as_its_orientation_says(photo, tmp_path, orientation, ending):
    stored, file, exif = photo.crop((0, 0, 24, 16)), tmp_path / f"a.{ending}", Image.Exif()
    plain = tmp_path / f"b.{ending}"
    exif[274] = orientation
    lossless = {"lossless": True} if ending == "webp" else {}
    stored.save(plain, **lossless)
    stored.save(file, exif=exif, **lossless)
    assert (pixels(file, 3) == TURNED[orientation](pixels(plain, 3))).all()


@pytest.mark.parametrize("spoil, says", [
    (lambda file: Image.new("1", (20000, 20000)).save(file), "is an image of more than 89478485 pixels"),
    (lambda file: Image.new("1", (10000, 9000)).save(file), "is an image of more than 89478485 pixels"),
    (lambda file: Image.new("L", (9, 9)).save(file, pnginfo=text_chunk(2**21)), "is not a whole image: Decompressed data too l"),
    (lambda file: file.write_bytes(png(8, 2, np.zeros((8, 8, 3)))[:45]), "is not a whole image: "),
    (lambda file: file.write_bytes(b"GIF89a" + bytes(30)), "is not "),
    (lambda file: file.write_bytes(b""), "is not an image of the formats"),
])
def test_an_image_that_cannot_be_read_is_named(tmp_path, spoil, says):
    spoil(tmp_path / "a.png")
    with pytest.raises(UserError) as error:
        pixels(tmp_path / "a.png", 3)
    assert str(error.value).startswith(f"{tmp_path}/a.png {says}") and "\n" not in str(error.value)


def text_chunk(length):
    info = PngInfo()
    info.add_text("x", "A" * length, zip=True)
    return info


@pytest.mark.parametrize("size, shorter", [(16, 16), (33, 33), (64, 64), (28, 32), (32, 33)])
def test_resizing_is_torchvisions_resize_and_center_crop(photo, size, shorter):
    """Of wide, tall, square, small and large ones, gray and colour."""
    both = transforms.Compose([transforms.Resize(shorter), transforms.CenterCrop(size)])
    for width, height in ((47, 31), (32, 99), (64, 64), (9, 11), (150, 33), (33, 150), (65, 64)):
        image = photo.resize((width, height))
        for mode in ("RGB", "L"):
            expected = np.atleast_3d(np.asarray(both(image.convert(mode))))
            ours = np.atleast_3d(np.asarray(image.convert(mode)))
            assert (middle(scaled(ours, shorter), size) == expected).all()
