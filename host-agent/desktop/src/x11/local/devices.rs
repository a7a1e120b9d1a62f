//! Which input devices are real, and how far a hand has moved one.

use std::collections::{BTreeMap, BTreeSet};

use x11rb::errors::ReplyError;
use x11rb::protocol::xinput::{
    ConnectionExt as _, DeviceClassData, DeviceType, Fp3232, InputStateData, RawMotionEvent, ValuatorMode,
    XIDeviceInfo, XIGetPropertyItems,
};
use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt as _};

use super::ALL_DEVICES;
use crate::Error;
use crate::x11::{Server, reply_error};

/// The property by which a server marks the devices that injected input comes from (`xserver-properties.h`).
const XTEST_PROPERTY: &[u8] = b"XTEST Device";

/// The devices of the server, as of the last look.
#[derive(Debug)]
pub(super) struct Devices {
    xtest: Atom,
    known: BTreeMap<u16, Device>,
}

#[derive(Debug)]
struct Device {
    real: bool,
    /// Across and down.
    axes: [Axis; 2],
}

/// How a device tells where it is along one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Axis {
    /// By how many pixels it was moved.
    Relative,
    /// Where it is: so many pixels for each of its units, and where it was last.
    Absolute { scale: f64, last: Option<f64> },
}

impl Devices {
    pub(super) fn new(server: &Server) -> Result<Self, Error> {
        let xtest =
            server.conn.intern_atom(false, XTEST_PROPERTY)?.reply().map_err(reply_error("name an atom"))?;
        Ok(Self { xtest: xtest.atom, known: BTreeMap::new() })
    }

    /// Looks at all devices anew.
    pub(super) fn refresh(&mut self, server: &Server) -> Result<(), Error> {
        let told = server.conn.xinput_xi_query_device(ALL_DEVICES)?.reply();
        let told = told.map_err(reply_error("tell its input devices"))?;
        let screen = server.screen();
        let size = [screen.width_in_pixels, screen.height_in_pixels].map(f64::from);
        let mut known = BTreeMap::new();
        // Masters repeat what their devices do; a disabled device does nothing, and no key is down on it.
        for info in told.infos.iter().filter(|info| !is_master(info) && info.enabled) {
            let real = !self.is_xtest(server, info)?;
            known.insert(info.deviceid, Device { real, axes: axes(info, size) });
        }
        self.known = known;
        Ok(())
    }

    fn is_xtest(&self, server: &Server, info: &XIDeviceInfo) -> Result<bool, Error> {
        let any = AtomEnum::ANY.into();
        match server.conn.xinput_xi_get_property(info.deviceid, false, self.xtest, any, 0, 1)?.reply() {
            // A server that marks none: its own names are all there is.
            Ok(reply) if reply.type_ == x11rb::NONE => Ok(is_xtest_name(&info.name)),
            Ok(reply) => {
                Ok(matches!(reply.items, XIGetPropertyItems::Data8(bytes) if bytes.first() == Some(&1)))
            }
            // It was unplugged in between: another look follows.
            Err(ReplyError::X11Error(_)) => Ok(false),
            Err(error) => Err(reply_error("tell a property of an input device")(error)),
        }
    }

    pub(super) fn ids(&self) -> BTreeSet<u16> {
        self.known.keys().copied().collect()
    }

    /// Whether a hand moves it; one that was plugged in a moment ago is taken for real.
    pub(super) fn is_real(&self, device: u16) -> bool {
        self.known.get(&device).is_none_or(|device| device.real)
    }

    /// The keys that are down on each real device.
    pub(super) fn keys_down(&self, server: &Server) -> Result<Vec<(u16, BTreeSet<u8>)>, Error> {
        let mut down = Vec::new();
        for (id, device) in &self.known {
            let Ok(short) = u8::try_from(*id) else { continue };
            if !device.real {
                continue;
            }
            match server.conn.xinput_query_device_state(short)?.reply() {
                Ok(reply) => {
                    let keys = reply.classes.iter().filter_map(|class| match &class.data {
                        InputStateData::Key(state) => Some(bits(&state.keys)),
                        _ => None,
                    });
                    down.push((*id, keys.flatten().collect()));
                }
                // Unplugged in between, or a kind that has no state.
                Err(ReplyError::X11Error(_)) => {}
                Err(error) => return Err(reply_error("tell which keys are down")(error)),
            }
        }
        Ok(down)
    }

    /// How far the event says that the pointer was moved, in pixels across plus pixels down.
    pub(super) fn distance(&mut self, event: &RawMotionEvent) -> f64 {
        let Some(device) = self.known.get_mut(&event.sourceid) else { return 0.0 };
        let values = values(&event.valuator_mask, &event.axisvalues);
        device
            .axes
            .iter_mut()
            .zip(values)
            .map(|(axis, value)| value.map_or(0.0, |value| axis.moved(value)))
            .sum()
    }
}

impl Axis {
    fn moved(&mut self, value: f64) -> f64 {
        match self {
            Self::Relative => value.abs(),
            Self::Absolute { scale, last } => {
                let moved = last.map_or(0.0, |last| (value - last).abs() * *scale);
                *last = Some(value);
                moved
            }
        }
    }
}

fn is_master(info: &XIDeviceInfo) -> bool {
    info.type_ == DeviceType::MASTER_POINTER || info.type_ == DeviceType::MASTER_KEYBOARD
}

fn is_xtest_name(name: &[u8]) -> bool {
    name.ends_with(b"XTEST pointer") || name.ends_with(b"XTEST keyboard")
}

fn axes(info: &XIDeviceInfo, screen: [f64; 2]) -> [Axis; 2] {
    [0, 1].map(|number| {
        let told = info.classes.iter().find_map(|class| match &class.data {
            DeviceClassData::Valuator(valuator) if usize::from(valuator.number) == number => Some(valuator),
            _ => None,
        });
        match told {
            Some(valuator) if valuator.mode == ValuatorMode::ABSOLUTE => {
                let span = float(valuator.max) - float(valuator.min);
                // Without a range its units are pixels.
                let scale = if span > 0.0 { screen[number] / span } else { 1.0 };
                Axis::Absolute { scale, last: Some(float(valuator.value)) }
            }
            _ => Axis::Relative,
        }
    })
}

/// The values of the first two valuators, where the event has them.
fn values(mask: &[u32], values: &[Fp3232]) -> [Option<f64>; 2] {
    let first = mask.first().copied().unwrap_or(0);
    let mut values = values.iter().copied().map(float);
    // In the order of their numbers, only those that the mask names.
    [0, 1].map(|number| if first >> number & 1 == 1 { values.next() } else { None })
}

fn float(value: Fp3232) -> f64 {
    f64::from(value.integral) + f64::from(value.frac) / 4_294_967_296.0
}

fn bits(keys: &[u8; 32]) -> impl Iterator<Item = u8> {
    (0..=u8::MAX).filter(|keycode| keys[usize::from(keycode / 8)] >> (keycode % 8) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(integral: i32, frac: u32) -> Fp3232 {
        Fp3232 { integral, frac }
    }

    #[test]
    fn values_are_told_in_the_order_of_the_mask() {
        let both = [fixed(-2, 1 << 31), fixed(7, 0)];
        assert_eq!(values(&[0b11], &both), [Some(-1.5), Some(7.0)]);
        assert_eq!(values(&[0b10], &both[1..]), [None, Some(7.0)]);
        assert_eq!(values(&[0b100], &both), [None, None], "a wheel");
        assert_eq!(values(&[], &[]), [None, None]);
        assert_eq!(values(&[0b11], &both[..1]), [Some(-1.5), None], "shorter than its mask says");
    }

    #[test]
    fn absolute_devices_move_by_differences() {
        let mut axis = Axis::Absolute { scale: 0.5, last: None };
        let near = |moved: f64, expected: f64| (moved - expected).abs() < 1e-9;
        for (value, moved) in [(100.0, 0.0), (90.0, 5.0), (90.0, 0.0)] {
            assert!(near(axis.moved(value), moved), "{value}");
        }
        assert!(near(Axis::Relative.moved(-3.0), 3.0));
    }

    #[test]
    fn key_maps_are_read_bit_by_bit() {
        let mut keys = [0; 32];
        (keys[1], keys[31]) = (1 << 2, 1 << 7);
        assert_eq!(bits(&keys).collect::<Vec<_>>(), [10, 255]);
    }
}
