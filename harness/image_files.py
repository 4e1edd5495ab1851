"""One image file: the pixels that are in it, or why it is refused."""

import re
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from harness.errors import UserError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # of the others Pillow tells not how many bits a channel has
MODES = ("1", "L", "P", "RGB", "LA", "PA", "RGBA")  # which are gray or RGB of 8 bits at most, some with transparency
BITS_PER_SAMPLE = 258  # a tag of TIFF


def read_image(file, channels, cmyk=False):
    """The pixels of an image file, uint8 [h, w, channels].

    They are those of the file: what 8 bits of gray or RGB cannot hold is refused. Args: channels: 3, and gray is the same three
    times; or 1, and colour becomes gray (ITU-R 601's luma); cmyk: whether CMYK is converted, as Pillow has it, and not refused.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                if loss := _loss(image, (*MODES, "CMYK") if cmyk else MODES):
                    raise UserError(f"{file} {loss}")
                return np.atleast_3d(np.asarray(_opaque(ImageOps.exif_transpose(image), file).convert(
                    "L" if channels == 1 else "RGB")))
    except UserError:
        raise
    except UnidentifiedImageError:
        reason = f"not an image of the formats {', '.join(FORMATS)}"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        reason = f"an image of more than {Image.MAX_IMAGE_PIXELS} pixels"
    except Exception as error:  # damaged files make Pillow raise whatever its decoders come upon
        reason = f"not a whole image: {(str(error) or type(error).__name__).splitlines()[0]}"
    raise UserError(f"{file} is {reason}; remove it or put an image there")


def read_photograph(file, channels, cmyk, shorter):
    """What read_image reads, its shorter side scaled to `shorter` pixels; 0 leaves its size. Args: file: a path, or open."""
    image = read_image(file, channels, cmyk)
    return scaled(image, shorter) if shorter else image


def _loss(image, modes):
    """Why an opened image file is refused, as the rest of a sentence: what of it 8 bits of gray or RGB cannot hold. Else None."""
    if getattr(image, "is_animated", False):
        return f"holds {image.n_frames} images; remove it or put a single one there"
    if image.mode not in modes:
        return f"is of Pillow's mode {image.mode}; save it as gray or RGB with 8 bits a channel, by a conversion that you choose"
    if _bits(image) > 8:
        return "has 16 bits a channel; save it with 8, scaled as you choose"
    return None


def _bits(image):
    """Bits a channel of an opened image file. Of colour Pillow takes 8 and drops the others, and its mode is RGB either way."""
    if image.format == "TIFF":
        return max(np.atleast_1d(image.tag_v2.get(BITS_PER_SAMPLE, 1)))
    coding = str([(tile.codec_name, tile.args) for tile in image.tile])
    greatest = re.search(r"ppm.*?(\d+)", coding) if image.format == "PPM" else None
    return 16 if ";16B" in coding or greatest and int(greatest[1]) > 255 else 8


def _opaque(image, file):
    """The image without its transparency, which is to be none. Raises UserError where a pixel is transparent."""
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema()[0] < 255:
        raise UserError(f"{file} has transparent pixels; save it on the background that you choose")
    return image


def scaled(image, shorter):
    """An image uint8 [h, w, c] whose shorter side is `shorter` pixels, as torchvision's Resize has it."""
    height, width = image.shape[:2]
    now = min(height, width)
    return image if now == shorter else resampled(image, height * shorter // now, width * shorter // now)


def resampled(image, height, width):
    """An image uint8 [h, w, c] at another size: bilinear, Pillow's, so with antialiasing."""
    image = Image.fromarray(image if image.shape[2] == 3 else image[..., 0])
    return np.atleast_3d(np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)))


def middle(image, size):
    """The middle square of an image uint8 [h, w, c], as torchvision's CenterCrop has it."""
    top, left = (round((side - size) / 2) for side in image.shape[:2])
    return image[top : top + size, left : left + size]
