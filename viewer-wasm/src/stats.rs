//! The connection's own figures, once a second: for the technician's eyes and for the host's encoder.

use js_sys::{Array, Map, Promise};
use nearhand_protocol::channel::Channel;
use nearhand_protocol::control::Arrival;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::dom;
use crate::listen::{self, Sink, Task};
use crate::words::Path;

/// What the browser counted since the peer connection began.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// When, in milliseconds.
    pub(crate) at_ms: f64,
    /// Bytes that came, of whatever kind but ICE's own checks.
    pub(crate) received: f64,
    /// Bytes of the picture.
    pub(crate) bytes: f64,
    /// Frames decoded.
    pub(crate) decoded: f64,
    /// Frames that came and were not shown.
    pub(crate) dropped: f64,
    /// Packets lost.
    pub(crate) lost: f64,
    /// Packets of the picture that came.
    pub(crate) packets: f64,
    /// Sum of the times for which the decoder was busy, in seconds.
    pub(crate) decode_s: f64,
    /// Bytes of exact tiles and moves, on their data channel.
    pub(crate) tile_bytes: f64,
    /// Bytes of video that came over a data channel instead of the track.
    pub(crate) frame_bytes: f64,
    /// Sum of the times in the jitter buffer, in seconds.
    pub(crate) jitter_s: f64,
    /// Frames in that sum.
    pub(crate) jitter_frames: f64,
    /// Times that the decoder asked for a whole new picture.
    pub(crate) keyframes_asked: f64,
    /// Round trip, in milliseconds.
    pub(crate) round_trip_ms: Option<f64>,
    /// The picture's codec, for example `H264`.
    pub(crate) codec: Option<String>,
    /// How the selected pair travels; the other end may send over another one.
    pub(crate) path: Option<Path>,
    /// Bytes that came over each pair of addresses, and how it travels.
    pub(crate) pairs: Vec<(String, f64, Path)>,
}

impl Sample {
    /// How what came since an earlier sample travelled. Each end selects for itself what it sends over, and what comes is
    /// the picture.
    pub(crate) fn path_since(&self, before: &Self) -> Option<Path> {
        let came = |(id, bytes, path): &(String, f64, Path)| {
            let then =
                before.pairs.iter().find(|(other, ..)| other == id).map_or(0.0, |(_, bytes, _)| *bytes);
            (bytes - then, *path)
        };
        let most = self.pairs.iter().map(came).max_by(|one, other| one.0.total_cmp(&other.0));
        most.filter(|(bytes, _)| *bytes > 0.0).map(|(_, path)| path).or(self.path)
    }
}

/// What changed between two samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Kilobits in each second, of whatever kind.
    pub(crate) kbit: f64,
    /// Kilobits of video in each second.
    pub(crate) video_kbit: f64,
    /// Kilobits of exact tiles and moves in each second.
    pub(crate) tiles_kbit: f64,
    /// The video comes over a data channel.
    pub(crate) by_channel: bool,
    /// For how long the decoder was busy with each frame, in milliseconds; `None` where there was none.
    pub(crate) decode_ms: Option<f64>,
    /// Packets of the video lost, in thousandths; `None` where none came.
    pub(crate) loss_permille: Option<u16>,
    /// Round trip, in milliseconds.
    pub(crate) round_trip_ms: Option<f64>,
    /// Direct or relayed.
    pub(crate) path: Option<Path>,
    /// The picture's codec.
    pub(crate) codec: Option<String>,
    /// Frames that came and were not shown, in all.
    pub(crate) dropped: f64,
    /// For the host's encoder.
    pub(crate) arrival: Arrival,
}

/// Compares two samples of one peer connection; `None` where no time passed between them.
pub(crate) fn compare(before: &Sample, after: &Sample) -> Option<Figures> {
    let seconds = (after.at_ms - before.at_ms) / 1000.0;
    if seconds.is_nan() || seconds < 0.05 {
        return None;
    }
    let since = |now: f64, then: f64| (now - then).max(0.0);
    let jitter_frames = since(after.jitter_frames, before.jitter_frames);
    let jitter_s = since(after.jitter_s, before.jitter_s);
    let decoded = since(after.decoded, before.decoded);
    let kbit = |now: f64, then: f64| since(now, then) * 8.0 / 1000.0 / seconds;
    let (packets, lost) = (since(after.packets, before.packets), since(after.lost, before.lost));
    Some(Figures {
        kbit: kbit(after.received, before.received),
        video_kbit: kbit(after.bytes, before.bytes) + kbit(after.frame_bytes, before.frame_bytes),
        tiles_kbit: kbit(after.tile_bytes, before.tile_bytes),
        by_channel: after.frame_bytes > 0.0,
        decode_ms: (decoded > 0.0).then(|| since(after.decode_s, before.decode_s) * 1000.0 / decoded),
        // Float to integer saturates: what is out of bounds is at its bound.
        loss_permille: (packets > 0.0).then(|| (lost * 1000.0 / (packets + lost)) as u16),
        round_trip_ms: after.round_trip_ms,
        path: after.path_since(before),
        codec: after.codec.clone(),
        dropped: after.dropped,
        arrival: Arrival {
            frames_decoded: decoded as u16,
            frames_dropped: since(after.dropped, before.dropped) as u16,
            packets_lost: lost as u16,
            jitter_buffer_ms: if jitter_frames > 0.0 {
                (jitter_s * 1000.0 / jitter_frames) as u16
            } else {
                0
            },
        },
    })
}

/// Waits for a report of the browser and reads it.
pub(crate) fn read(report: Promise, sink: Sink<Sample>) -> Task {
    listen::spawn(async move {
        if let Ok(report) = JsFuture::from(report).await
            && let Some(report) = dom::cast::<Map>(as_map(&report))
        {
            sink(sample(&report));
        }
    })
}

/// `RTCStatsReport` is only like a map; `new Map(report)` is one.
fn as_map(report: &JsValue) -> JsValue {
    let map = Map::new();
    for entry in Array::from(report).iter() {
        let entry = Array::from(&entry);
        map.set(&entry.get(0), &entry.get(1));
    }
    map.into()
}

fn sample(report: &Map) -> Sample {
    let mut sample = Sample { at_ms: js_sys::Date::now(), ..Sample::default() };
    let by_id =
        |id: Option<String>| id.map(|id| report.get(&id.into())).filter(|found| !found.is_undefined());
    let path_of = |pair: &JsValue| {
        let relayed = ["localCandidateId", "remoteCandidateId"].into_iter().any(|side| {
            by_id(dom::string(pair, side))
                .and_then(|candidate| dom::string(&candidate, "candidateType"))
                .is_some_and(|kind| kind == "relay")
        });
        if relayed { Path::Relayed } else { Path::Direct }
    };
    let mut selected = None;
    let mut by_pairs = 0.0;
    for entry in Array::from(&report.values()).iter() {
        let number = |name| dom::number(&entry, name).unwrap_or_default();
        match dom::string(&entry, "type").as_deref() {
            Some("inbound-rtp") if dom::string(&entry, "kind").as_deref() == Some("video") => {
                sample.at_ms = number("timestamp");
                sample.bytes = number("bytesReceived");
                sample.decoded = number("framesDecoded");
                sample.dropped = number("framesDropped");
                sample.lost = number("packetsLost");
                sample.packets = number("packetsReceived");
                sample.decode_s = number("totalDecodeTime");
                sample.jitter_s = number("jitterBufferDelay");
                sample.jitter_frames = number("jitterBufferEmittedCount");
                sample.keyframes_asked = number("pliCount");
                let codec = by_id(dom::string(&entry, "codecId"));
                sample.codec = codec
                    .and_then(|codec| dom::string(&codec, "mimeType"))
                    .map(|kind| kind.trim_start_matches("video/").to_owned());
            }
            Some("data-channel") => {
                let label = dom::string(&entry, "label");
                match label.as_deref().and_then(Channel::from_label) {
                    Some(Channel::Picture) => sample.tile_bytes += number("bytesReceived"),
                    Some(Channel::Frames) => sample.frame_bytes += number("bytesReceived"),
                    _ => {}
                }
            }
            Some("transport") => {
                sample.received += number("bytesReceived");
                selected = by_id(dom::string(&entry, "selectedCandidatePairId")).or(selected);
            }
            // Firefox knows no transports: there the pairs count, and one is marked.
            Some("candidate-pair") => {
                by_pairs += number("bytesReceived");
                let id = dom::string(&entry, "id").unwrap_or_default();
                sample.pairs.push((id, number("bytesReceived"), path_of(&entry)));
                if selected.is_none()
                    && dom::get(&entry, "selected").is_some_and(|selected| selected.is_truthy())
                {
                    selected = Some(entry);
                }
            }
            _ => {}
        }
    }
    if sample.received == 0.0 {
        sample.received = by_pairs;
    }
    // After a restart there are nominated pairs of before beside it.
    if let Some(pair) = selected {
        sample.round_trip_ms = dom::number(&pair, "currentRoundTripTime").map(|seconds| seconds * 1000.0);
        sample.path = Some(path_of(&pair));
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_what_changed_in_a_second() {
        let before = Sample {
            at_ms: 1000.0,
            received: 5000.0,
            bytes: 1000.0,
            packets: 10.0,
            decode_s: 0.1,
            decoded: 10.0,
            jitter_s: 1.0,
            jitter_frames: 10.0,
            lost: 5.0,
            ..Sample::default()
        };
        let after = Sample {
            at_ms: 3000.0,
            received: 505_000.0,
            bytes: 251_000.0,
            tile_bytes: 25_000.0,
            packets: 200.0,
            decode_s: 0.4,
            decoded: 70.0,
            dropped: 2.0,
            jitter_s: 1.6,
            jitter_frames: 70.0,
            lost: 4.0,
            ..Sample::default()
        };
        let figures = compare(&before, &after).unwrap();
        for (value, expected) in [
            (figures.kbit, 2000.0),
            (figures.video_kbit, 1000.0),
            (figures.tiles_kbit, 100.0),
            (figures.decode_ms.unwrap(), 5.0),
        ] {
            assert!((value - expected).abs() < 0.01, "{value} should be {expected}");
        }
        assert_eq!((figures.loss_permille, figures.by_channel), (Some(0), false));
        let arrival =
            Arrival { frames_decoded: 60, frames_dropped: 2, packets_lost: 0, jitter_buffer_ms: 10 };
        assert_eq!(figures.arrival, arrival, "lost packets that came late after all count as none");
    }

    #[test]
    fn losses_are_a_part_of_what_was_sent_and_video_may_come_by_a_channel() {
        let before = Sample { at_ms: 0.0, ..Sample::default() };
        let after =
            Sample { at_ms: 1000.0, lost: 5.0, packets: 95.0, frame_bytes: 1000.0, ..Sample::default() };
        let figures = compare(&before, &after).unwrap();
        assert_eq!((figures.loss_permille, figures.decode_ms), (Some(50), None));
        assert!(figures.by_channel && (figures.video_kbit - 8.0).abs() < 0.01);
        let nothing = compare(&before, &Sample { at_ms: 1000.0, ..Sample::default() }).unwrap();
        assert_eq!(nothing.loss_permille, None);
    }

    #[test]
    fn the_path_is_that_of_what_comes() {
        let pair = |id: &str, bytes, path| (id.to_owned(), bytes, path);
        let before = Sample {
            path: Some(Path::Direct),
            pairs: vec![pair("a", 900.0, Path::Direct), pair("b", 100.0, Path::Relayed)],
            ..Sample::default()
        };
        let mut after = before.clone();
        assert_eq!(after.path_since(&before), Some(Path::Direct), "nothing came: what this end selected");
        after.pairs[1].1 = 200.0;
        assert_eq!(after.path_since(&before), Some(Path::Relayed));
        after.pairs.push(pair("c", 101.0, Path::Direct));
        assert_eq!(after.path_since(&before), Some(Path::Direct));
    }

    #[test]
    fn no_time_no_figures() {
        assert_eq!(compare(&Sample::default(), &Sample::default()), None);
        let mad = Sample { at_ms: f64::NAN, ..Sample::default() };
        assert_eq!(compare(&Sample::default(), &mad), None);
    }
}
