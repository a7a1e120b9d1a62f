//! The cursor's picture, by XFIXES, in the form that goes over the wire.

use nearhand_protocol::cursor::{CursorShape, MAX_SIDE};
use x11rb::protocol::xfixes::GetCursorImageReply;

/// Straight RGBA from XFIXES' premultiplied ARGB, scaled down where it is too large; `None` when nothing of it can be
/// seen.
pub(super) fn shape(image: &GetCursorImageReply) -> Option<CursorShape> {
    let (width, height) = (image.width, image.height);
    if width == 0 || height == 0 || image.cursor_image.len() < usize::from(width) * usize::from(height) {
        return None;
    }
    if image.cursor_image.iter().all(|pixel| pixel >> 24 == 0) {
        return None;
    }
    // A whole step: each pixel is the mean of as many.
    let step = width.max(height).div_ceil(MAX_SIDE);
    let (small_width, small_height) = (width.div_ceil(step), height.div_ceil(step));
    let mut rgba = Vec::with_capacity(usize::from(small_width) * usize::from(small_height) * 4);
    for y in 0..small_height {
        for x in 0..small_width {
            rgba.extend_from_slice(&straight(mean(image, x * step, y * step, step)));
        }
    }
    Some(CursorShape {
        serial: image.cursor_serial,
        width: small_width,
        height: small_height,
        hot_x: (image.xhot / step).min(small_width - 1),
        hot_y: (image.yhot / step).min(small_height - 1),
        rgba,
    })
}

/// The mean of a square of pixels, of those that are there; premultiplied ones can simply be added.
fn mean(image: &GetCursorImageReply, left: u16, top: u16, side: u16) -> u32 {
    let mut sums = [0_u32; 4];
    let mut count = 0;
    for y in top..image.height.min(top + side) {
        for x in left..image.width.min(left + side) {
            let pixel = image.cursor_image[usize::from(y) * usize::from(image.width) + usize::from(x)];
            for (sum, part) in sums.iter_mut().zip(pixel.to_le_bytes()) {
                *sum += u32::from(part);
            }
            count += 1;
        }
    }
    u32::from_le_bytes(sums.map(|sum| ((sum + count / 2) / count.max(1)) as u8))
}

fn straight(premultiplied: u32) -> [u8; 4] {
    let [blue, green, red, alpha] = premultiplied.to_le_bytes();
    if alpha == 0 {
        return [0; 4];
    }
    let divide =
        |colour: u8| ((u32::from(colour) * 255 + u32::from(alpha) / 2) / u32::from(alpha)).min(255) as u8;
    [divide(red), divide(green), divide(blue), alpha]
}

#[cfg(test)]
mod tests {
    use nearhand_protocol::cursor::CursorMessage;
    use nearhand_protocol::wire::Message;

    use super::*;

    fn image(width: u16, height: u16, pixel: u32) -> GetCursorImageReply {
        let cursor_image = vec![pixel; usize::from(width) * usize::from(height)];
        GetCursorImageReply {
            sequence: 0,
            length: 0,
            x: 0,
            y: 0,
            width,
            height,
            xhot: width - 1,
            yhot: height - 1,
            cursor_serial: 7,
            cursor_image,
        }
    }

    #[test]
    fn alpha_is_divided_out() {
        assert_eq!(straight(0x8040_2010), [0x80, 0x40, 0x20, 0x80]);
        assert_eq!(straight(0xff01_02fe), [1, 2, 0xfe, 0xff]);
        assert_eq!(straight(0x00ff_ffff), [0; 4]);
        assert_eq!(straight(0x10ff_ffff), [0xff, 0xff, 0xff, 0x10], "broken images don't wrap around");
    }

    #[test]
    fn every_shape_fits_the_wire_and_an_invisible_one_is_none() {
        for (width, height) in [(1, 1), (24, 24), (96, 96), (97, 33), (256, 256), (500, 20)] {
            let shape = shape(&image(width, height, 0xffff_ffff)).unwrap();
            assert!(shape.width <= MAX_SIDE && shape.height <= MAX_SIDE);
            CursorMessage::Shape(shape).check().unwrap();
        }
        assert_eq!(shape(&image(16, 16, 0x00ff_ffff)), None);
    }

    #[test]
    fn a_large_one_is_made_smaller_with_all_its_pixels() {
        let mut large = image(192, 192, 0xff00_0000);
        // Every second column is white, the first row is clear.
        for (at, pixel) in large.cursor_image.iter_mut().enumerate() {
            if at < 192 {
                *pixel = 0;
            } else if at % 2 == 1 {
                *pixel = 0xffff_ffff;
            }
        }
        (large.xhot, large.yhot) = (100, 190);
        let small = shape(&large).unwrap();
        assert_eq!((small.width, small.height, small.hot_x, small.hot_y), (96, 96, 50, 95));
        assert_eq!(small.rgba[..4], [128, 128, 128, 128], "half of it is clear");
        assert_eq!(small.rgba[96 * 4..][..4], [128, 128, 128, 255]);
    }
}
