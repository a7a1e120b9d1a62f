//! A window on the customer's screen that lives on a thread of its own until it is dropped.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;

use super::canvas::Canvas;

/// What a window draws and does.
pub(crate) trait Scene: Send + 'static {
    /// Makes its windows and draws them first.
    fn open(&mut self, canvas: &Canvas) -> Result<()>;

    /// How often it draws again; `None`: never.
    fn period(&self) -> Option<Duration> {
        None
    }

    /// Draws the next frame.
    fn tick(&mut self, _canvas: &Canvas, _count: u32) -> Result<()> {
        Ok(())
    }

    /// Something happened to its windows; `true` counts as a press.
    fn event(&mut self, _canvas: &Canvas, _event: &Event) -> Result<bool> {
        Ok(false)
    }
}

/// Shows a scene while it lives.
pub(crate) struct Window {
    stop: Arc<AtomicBool>,
    presses: Arc<AtomicU32>,
    ticks: Arc<AtomicU32>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Window {
    /// Returns when the scene is drawn for the first time.
    pub(crate) fn open(display: &str, mut scene: impl Scene) -> Result<Self> {
        let canvas = Canvas::connect(display)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (presses, ticks) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (ready, drawn) = mpsc::channel();
        let thread = std::thread::spawn({
            let (stop, presses, ticks) = (stop.clone(), presses.clone(), ticks.clone());
            move || {
                let opened = scene.open(&canvas).and_then(|()| canvas.sync());
                let failed = opened.is_err();
                // The opener waits for exactly this.
                let _ = ready.send(opened);
                if failed { Ok(()) } else { live(&mut scene, &canvas, &stop, &presses, &ticks) }
            }
        });
        let window = Self { stop, presses, ticks, thread: Some(thread) };
        drawn.recv().context("the window's thread is gone")??;
        Ok(window)
    }

    /// How often its button was pressed.
    pub(crate) fn presses(&self) -> u32 {
        self.presses.load(Ordering::SeqCst)
    }

    /// How many frames it has drawn.
    pub(crate) fn ticks(&self) -> u32 {
        self.ticks.load(Ordering::SeqCst)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // The X server may have been taken away first: then the thread ended with an error that means nothing.
            let _ = thread.join();
        }
    }
}

fn live(
    scene: &mut impl Scene,
    canvas: &Canvas,
    stop: &AtomicBool,
    presses: &AtomicU32,
    ticks: &AtomicU32,
) -> Result<()> {
    let begin = Instant::now();
    let mut count = 0;
    while !stop.load(Ordering::SeqCst) {
        let mut pause = Duration::from_millis(20);
        if let Some(period) = scene.period() {
            let due = begin + period * (count + 1);
            let now = Instant::now();
            if due <= now {
                count += 1;
                scene.tick(canvas, count)?;
                ticks.store(count, Ordering::SeqCst);
                continue;
            }
            pause = pause.min(due - now);
        }
        while let Some(event) = canvas.connection.poll_for_event()? {
            if scene.event(canvas, &event)? {
                presses.fetch_add(1, Ordering::SeqCst);
            }
        }
        canvas.flush()?;
        let pause = Timespec { tv_sec: 0, tv_nsec: pause.as_nanos() as _ };
        // An interrupted wait is only a shorter one.
        let _ = poll(&mut [PollFd::new(&canvas.connection.stream().as_fd(), PollFlags::IN)], Some(&pause));
    }
    Ok(())
}
