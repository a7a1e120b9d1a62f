//! What no move explains, and bringing the picture before up to date.

use nearhand_desktop::Rect;

use super::{Move, Pixels};

/// Side of the blocks in which the rest is told, in pixels.
const BLOCK: u32 = 16;
/// More rectangles than these are merged.
const MAX_RECTS: usize = 64;

/// Takes over the pixels of this rectangle.
pub(super) fn copy(known: &mut [u8], new: Pixels<'_>, rect: Rect) {
    for y in rect.y..rect.y + rect.height {
        run_mut(known, new.width, rect.x, y, rect.width).copy_from_slice(new.run(rect.x, y, rect.width));
    }
}

/// Takes over what differs within `damage`, and says where that was. Where the moves led nothing differs any more.
pub(super) fn take(known: &mut [u8], new: Pixels<'_>, damage: &[Rect], moves: &[Move]) -> Vec<Rect> {
    let mut rest = Vec::new();
    for rect in damage {
        let begin = rest.len();
        let mut open: Vec<Rect> = Vec::new();
        for top in (rect.y..rect.y + rect.height).step_by(BLOCK as usize) {
            let bottom = (top + BLOCK).min(rect.y + rect.height);
            let mut changed = vec![false; rect.width.div_ceil(BLOCK) as usize];
            for y in top..bottom {
                for (left, right) in beside(*rect, y, moves) {
                    take_row(known, new, y, rect.x, (left, right), &mut changed);
                }
            }
            let mut still_open = Vec::new();
            for (from, to) in runs(&changed) {
                let x = rect.x + from as u32 * BLOCK;
                let width = (to - from) as u32 * BLOCK;
                let width = width.min(rect.x + rect.width - x);
                // One that goes on below with the same width grows.
                match open.iter().position(|above| (above.x, above.width) == (x, width)) {
                    Some(place) => {
                        let mut above = open.swap_remove(place);
                        above.height += bottom - top;
                        still_open.push(above);
                    }
                    None => still_open.push(Rect::new(x, top, width, bottom - top)),
                }
            }
            rest.append(&mut open);
            open = still_open;
        }
        rest.append(&mut open);
        if rest.len() - begin > MAX_RECTS / damage.len().max(1) {
            let all = rest.drain(begin..).reduce(|all, rect| all.union(&rect));
            rest.extend(all);
        }
    }
    rest
}

/// The columns of a row of `rect` in which no move led.
fn beside(rect: Rect, y: u32, moves: &[Move]) -> Vec<(u32, u32)> {
    let mut free = vec![(rect.x, rect.x + rect.width)];
    for to in moves.iter().map(|one| one.to).filter(|to| (to.y..to.y + to.height).contains(&y)) {
        let cut = |(left, right): (u32, u32)| [(left, right.min(to.x)), (left.max(to.x + to.width), right)];
        free = free.into_iter().flat_map(cut).filter(|(left, right)| left < right).collect();
    }
    free
}

fn take_row(
    known: &mut [u8],
    new: Pixels<'_>,
    y: u32,
    origin: u32,
    (left, right): (u32, u32),
    changed: &mut [bool],
) {
    let is = new.run(left, y, right - left);
    let was = run_mut(known, new.width, left, y, right - left);
    if is == was {
        return;
    }
    let mut x = left;
    while x < right {
        let end = (x + BLOCK - (x - origin) % BLOCK).min(right);
        let bytes = (x - left) as usize * 4..(end - left) as usize * 4;
        if is[bytes.clone()] != was[bytes.clone()] {
            was[bytes.clone()].copy_from_slice(&is[bytes]);
            changed[((x - origin) / BLOCK) as usize] = true;
        }
        x = end;
    }
}

/// Runs of `true`, each with its end.
fn runs(flags: &[bool]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (place, _) in flags.iter().enumerate().filter(|(_, flag)| **flag) {
        match runs.last_mut() {
            Some((_, end)) if *end == place => *end += 1,
            _ => runs.push((place, place + 1)),
        }
    }
    runs
}

fn run_mut(known: &mut [u8], width: u32, x: u32, y: u32, count: u32) -> &mut [u8] {
    let begin = (y as usize * width as usize + x as usize) * 4;
    &mut known[begin..begin + count as usize * 4]
}
