//! A line whose delay, jitter, loss and rate are chosen: two TUN devices in two namespaces, and a thread between them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

pub(crate) use super::shaper::Conditions;
use super::shaper::Shaper;
use crate::namespace::Namespace;

/// As Ethernet's.
const MTU: u16 = 1500;
/// Packets on their way in both directions; more are lost. A second of 100 Mbit/s.
const MOST: usize = 16_384;
/// The thread looks at least this often whether it shall end.
const LOOK: Duration = Duration::from_millis(50);

/// A line; dropping it takes it away.
pub(crate) struct Line {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// From the first end to the second, and back.
    directions: Mutex<[Shaper; 2]>,
    over: AtomicBool,
}

impl Line {
    /// Lays it between two namespaces, where it has these names.
    pub(super) fn lay(
        first: (&Namespace, &str),
        second: (&Namespace, &str),
        conditions: Conditions,
    ) -> Result<Self> {
        let devices = [device(first.0, first.1)?, device(second.0, second.1)?];
        let directions = Mutex::new([Shaper::new(conditions), Shaper::new(conditions)]);
        let shared = Arc::new(Shared { directions, over: AtomicBool::new(false) });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("line".into())
            .spawn(move || forward(&of_thread, &devices))
            .context("starting a line's thread")?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Changes what it does to packets, in both directions.
    pub(crate) fn set(&self, conditions: Conditions) {
        for direction in self.directions().iter_mut() {
            direction.conditions = conditions;
        }
    }

    /// Changes what it does to packets that come from the internet, and to those that go there.
    pub(crate) fn set_each(&self, down: Conditions, up: Conditions) {
        let mut directions = self.directions();
        directions[0].conditions = down;
        directions[1].conditions = up;
    }

    /// Cuts it, or mends it.
    pub(crate) fn set_up(&self, up: bool) {
        for direction in self.directions().iter_mut() {
            direction.up = up;
        }
    }

    fn directions(&self) -> std::sync::MutexGuard<'_, [Shaper; 2]> {
        self.shared.directions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn device(namespace: &Namespace, name: &str) -> Result<SyncDevice> {
    let of_thread = name.to_owned();
    let made = namespace.enter(move || {
        let device = DeviceBuilder::new().name(of_thread).layer(Layer::L3).build_sync()?;
        device.set_nonblocking(true)?;
        std::io::Result::Ok(device)
    })?;
    let device = made.with_context(|| format!("making the device {name} in {}", namespace.name()))?;
    namespace.ip(&format!("link set {name} mtu {MTU} txqueuelen 1000"))?;
    Ok(device)
}

/// A packet on its way: due time, number, direction, bytes. The number keeps the order of those that are due at once.
type Travelling = Reverse<(Duration, u64, usize, Vec<u8>)>;

fn forward(shared: &Shared, devices: &[SyncDevice; 2]) {
    let begin = Instant::now();
    let mut travelling: BinaryHeap<Travelling> = BinaryHeap::new();
    let mut number = 0;
    let mut buffer = vec![0; 65_536];
    while !shared.over.load(Ordering::Relaxed) {
        let now = begin.elapsed();
        while travelling.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            if let Some(Reverse((_, _, direction, packet))) = travelling.pop() {
                // A full device loses it, as a full card does.
                let _ = devices[1 - direction].send(&packet);
            }
        }
        let next = travelling.peek().map_or(LOOK, |Reverse((due, ..))| due.saturating_sub(now).min(LOOK));
        let mut ready =
            devices.each_ref().map(|device| PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN));
        // It fails only when a signal comes, and then the loop looks again.
        let _ = poll(&mut ready, Some(&timespec(next)));
        for (direction, device) in devices.iter().enumerate() {
            // Not for ever: what is due in the other direction must go out, too.
            for _ in 0..64 {
                let Ok(size) = device.recv(&mut buffer) else { break };
                let due = {
                    let mut directions = shared.directions.lock().unwrap_or_else(PoisonError::into_inner);
                    directions[direction].pass(begin.elapsed(), size, rand::random::<f64>)
                };
                if let Some(due) = due.filter(|_| travelling.len() < MOST) {
                    travelling.push(Reverse((due, number, direction, buffer[..size].to_vec())));
                    number += 1;
                }
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: duration.subsec_nanos().into() }
}
