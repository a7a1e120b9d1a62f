//! How many megabytes a second a data channel carries between this connection and a second end of the same stack, both
//! in this process, over loopback; and how long a message of the picture takes meanwhile.

#[path = "../tests/browser/mod.rs"]
mod browser;

use std::time::{Duration, Instant};

use browser::{Browser, Seen};
use bytes::{Bytes, BytesMut};
use nearhand_host::rtc::{Bind, Event, Peer, PeerConfig, Transport};
use nearhand_protocol::channel::Channel;

/// Between two messages of the picture.
const PICTURE: Duration = Duration::from_millis(50);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().expect("a number"));
    let megabytes = arguments.next().unwrap_or(200);
    let length = arguments.next().unwrap_or(60 * 1024);
    let config = PeerConfig {
        bind: Bind::Addresses(vec!["127.0.0.1:0".parse().expect("address")]),
        ..PeerConfig::default()
    };
    let (host, mut events) = Peer::new(&config).await.expect("peer");
    let mut browser = Browser::new(true).await;
    browser.negotiate(&host, false).await;
    let mut open = 0;
    browser
        .carry_until(&host, &mut events, |event| {
            open += usize::from(matches!(event, Ok(Event::ChannelOpen(_))));
            (open == Channel::ALL.len()).then_some(())
        })
        .await;

    let total = megabytes * 1_000_000;
    let (mut sent, mut received, mut picture, mut delays) = (0, 0, None::<Instant>, Vec::new());
    let message = Bytes::from(vec![0xab; length]);
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let mut next_picture = began + PICTURE;
    while received < total {
        while sent < total && host.buffered(Channel::FileData) < 256 * 1024 {
            if host.send(Channel::FileData, message.clone()).is_err() {
                break;
            }
            sent += length;
        }
        if picture.is_none() && Instant::now() >= next_picture {
            host.send(Channel::Picture, Bytes::from_static(&[1; 1000])).expect("room");
            picture = Some(Instant::now());
            next_picture = Instant::now() + PICTURE;
        }
        tokio::select! {
            seen = browser.seen.recv() => match seen {
                Some(Seen::Message(Channel::FileData, data)) => received += data.len(),
                Some(Seen::Message(Channel::Picture, _)) => delays.extend(picture.take().map(|then| then.elapsed())),
                _ => {}
            },
            _ = events.next() => {}
            _ = tick.tick() => {}
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    delays.sort();
    println!(
        "to the browser: {:.1} MB/s; a message of the picture after {:.1?} at the median, {:.1?} at most",
        total as f64 / seconds / 1e6,
        delays.get(delays.len() / 2),
        delays.last()
    );

    let data = browser.channels[&Channel::FileData].clone();
    let began = Instant::now();
    let sender = tokio::spawn(async move {
        let content = vec![0xcd_u8; length];
        for _ in 0..total / length {
            while data.outstanding_bytes().await.expect("open") > 256 * 1024 {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            data.send(BytesMut::from(&content[..])).await.expect("sent");
        }
    });
    let mut received = 0;
    while received < total / length * length {
        if let Some(Event::Message(Channel::FileData, data)) = events.next().await {
            received += data.len();
        }
    }
    println!("to the host: {:.1} MB/s", received as f64 / began.elapsed().as_secs_f64() / 1e6);
    sender.await.expect("sender");
    host.close().await;
}
