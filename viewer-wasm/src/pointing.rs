//! What this mouse does, as messages: which buttons changed, how far the wheel turned; pure.

use nearhand_protocol::input::{Button, InputEvent, WHEEL_NOTCH};

/// Buttons in the order of the bits of `MouseEvent.buttons`.
const BITS: [Button; 5] = [Button::Primary, Button::Secondary, Button::Middle, Button::Back, Button::Forward];
/// Pixels that most browsers report for one notch of a wheel.
const NOTCH_PIXELS: f64 = 100.0;
/// Lines, likewise.
const NOTCH_LINES: f64 = 3.0;
/// A page of scrolling is taken for so many notches.
const PAGE_NOTCHES: f64 = 5.0;
/// More notches than that in one event come from no wheel.
const MOST_NOTCHES: f64 = 50.0;

/// The buttons that the other end believes to be down.
#[derive(Debug, Default)]
pub struct Buttons(u16);

impl Buttons {
    /// None is down.
    pub fn new() -> Self {
        Self::default()
    }

    /// The browser says that these are down now (`MouseEvent.buttons`), the pointer being at this pixel.
    ///
    /// Pointer events tell the first button that goes down and the last that goes up; others change silently in moves.
    /// Comparing the whole set misses none.
    pub fn change(&mut self, now: u16, (x, y): (u16, u16)) -> Vec<InputEvent> {
        let before = core::mem::replace(&mut self.0, now & 0x1f);
        let changed = before ^ self.0;
        BITS.into_iter()
            .enumerate()
            .filter(|(bit, _)| changed & (1 << bit) != 0)
            .map(|(bit, button)| InputEvent::Button { button, pressed: self.0 & (1 << bit) != 0, x, y })
            .collect()
    }

    /// Whether any is down.
    pub const fn any(&self) -> bool {
        self.0 != 0
    }
}

/// A turn of the wheel, as the browser tells it.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// `WheelEvent.deltaX` and `deltaY`.
    pub delta: (f64, f64),
    /// `WheelEvent.deltaMode`: 0 pixels, 1 lines, 2 pages.
    pub mode: u32,
}

/// Turns small movements of touchpads into whole units without losing any.
#[derive(Debug, Default)]
pub struct Wheel {
    rest: (f64, f64),
}

impl Wheel {
    /// At rest.
    pub fn new() -> Self {
        Self::default()
    }

    /// What to send for this turn; `None` while it has not come to a unit yet.
    pub fn turn(&mut self, turn: Turn) -> Option<InputEvent> {
        let per_notch = match turn.mode {
            0 => NOTCH_PIXELS,
            1 => NOTCH_LINES,
            _ => 1.0 / PAGE_NOTCHES,
        };
        let dx = units(&mut self.rest.0, turn.delta.0 / per_notch);
        let dy = units(&mut self.rest.1, turn.delta.1 / per_notch);
        (dx != 0 || dy != 0).then_some(InputEvent::Wheel { dx, dy })
    }
}

fn units(rest: &mut f64, notches: f64) -> i16 {
    if !notches.is_finite() {
        return 0;
    }
    let total = *rest + notches.clamp(-MOST_NOTCHES, MOST_NOTCHES) * f64::from(WHEEL_NOTCH);
    let whole = total.trunc();
    *rest = total - whole;
    whole as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_a_button_is_told_once() {
        let at = (3, 4);
        let event = |button, pressed| InputEvent::Button { button, pressed, x: 3, y: 4 };
        let mut buttons = Buttons::new();
        assert_eq!(buttons.change(0, at), []);
        assert_eq!(buttons.change(1, at), [event(Button::Primary, true)]);
        assert_eq!(buttons.change(1, at), []);
        assert_eq!(buttons.change(2, at), [event(Button::Primary, false), event(Button::Secondary, true)]);
        assert_eq!(
            buttons.change(2 | 4 | 0x80, at),
            [event(Button::Middle, true)],
            "unknown buttons are none"
        );
        assert!(buttons.any());
        buttons.change(0, at);
        assert!(!buttons.any());
    }

    #[test]
    fn a_notch_is_a_notch_in_every_unit() {
        for (delta, mode) in [(100.0, 0), (3.0, 1), (0.2, 2)] {
            let turn = Turn { delta: (0.0, delta), mode };
            assert_eq!(Wheel::new().turn(turn), Some(InputEvent::Wheel { dx: 0, dy: 120 }), "mode {mode}");
        }
    }

    #[test]
    fn small_turns_add_up() {
        let mut wheel = Wheel::new();
        let mut sum = 0;
        for _ in 0..1000 {
            if let Some(InputEvent::Wheel { dy, .. }) = wheel.turn(Turn { delta: (0.0, -0.1), mode: 0 }) {
                sum += i32::from(dy);
            }
        }
        assert!((-120..=-119).contains(&sum), "{sum}");
    }

    #[test]
    fn absurd_turns_stay_in_bounds() {
        let turn = |delta| Wheel::new().turn(Turn { delta, mode: 0 });
        assert_eq!(turn((1e300, -1e300)), Some(InputEvent::Wheel { dx: 6000, dy: -6000 }));
        assert_eq!(turn((f64::NAN, f64::INFINITY)), None);
    }
}
