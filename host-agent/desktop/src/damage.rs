//! Turning many damaged rectangles into few, pure.

use crate::Rect;

/// Most rectangles that a frame's damage has.
pub const MAX_RECTS: usize = 16;

/// Beyond this many the pairs are not tried out: the bounding box is taken.
const MAX_TRIED: usize = 128;

/// What one more rectangle costs, in pixels: a request to the X server and a call of the colour conversion.
const RECT_COST: u64 = 4096;

/// Clips the rectangles to a picture and merges them where that is cheaper, until there are few. Every pixel that was
/// in one of them is in the result.
pub fn merge(rects: impl IntoIterator<Item = Rect>, width: u32, height: u32) -> Vec<Rect> {
    let mut rects: Vec<Rect> = rects.into_iter().filter_map(|rect| rect.clip(width, height)).collect();
    if rects.len() > MAX_TRIED {
        return rects.into_iter().reduce(|all, rect| all.union(&rect)).into_iter().collect();
    }
    while let Some((a, b, waste)) = cheapest(&rects) {
        if rects.len() <= MAX_RECTS && waste > RECT_COST {
            break;
        }
        let merged = rects[a].union(&rects[b]);
        rects.swap_remove(b);
        rects[a] = merged;
    }
    rects
}

/// The pair (first index lower) whose union adds the fewest pixels, and how many.
fn cheapest(rects: &[Rect]) -> Option<(usize, usize, u64)> {
    let mut best: Option<(usize, usize, u64)> = None;
    for (a, first) in rects.iter().enumerate() {
        for (b, second) in rects.iter().enumerate().skip(a + 1) {
            // Overlapping pairs come out as no waste.
            let waste = first.union(second).area().saturating_sub(first.area() + second.area());
            if best.is_none_or(|(.., least)| waste < least) {
                best = Some((a, b, waste));
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_apart_stays_apart_and_neighbours_join() {
        let (corner, other) = (Rect::new(0, 0, 10, 10), Rect::new(1900, 1000, 10, 10));
        assert_eq!(merge([corner, other], 1920, 1080).len(), 2);
        let lines = [Rect::new(0, 0, 500, 16), Rect::new(0, 16, 480, 16)];
        assert_eq!(merge(lines, 1920, 1080), [Rect::new(0, 0, 500, 32)]);
    }

    #[test]
    fn clipped_to_the_picture() {
        assert_eq!(merge([Rect::new(90, 90, 50, 50)], 100, 100), [Rect::new(90, 90, 10, 10)]);
        assert!(merge([Rect::new(100, 0, 5, 5), Rect::new(3, 3, 0, 9)], 100, 100).is_empty());
    }

    #[test]
    fn few_come_out_and_nothing_is_lost() {
        for count in [1, 17, 60, 128, 500] {
            let rects: Vec<Rect> = (0..count)
                .map(|n: u32| {
                    let n = n.wrapping_mul(2_654_435_761);
                    Rect::new(n % 1900, (n >> 8) % 1060, n % 61 + 1, n % 37 + 1)
                })
                .collect();
            let merged = merge(rects.clone(), 1920, 1080);
            assert!(merged.len() <= MAX_RECTS, "{count} became {}", merged.len());
            for rect in rects {
                let rect = rect.clip(1920, 1080).unwrap();
                assert!(merged.iter().any(|all| all.union(&rect) == *all), "{rect:?} is covered by one");
            }
        }
    }
}
