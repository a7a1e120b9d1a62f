//! The gate before the retransmitter: a lost packet is sent again once per round trip, a few times, and all
//! retransmissions together stay a fraction of what is sent.
//!
//! The stack's own responder has no limit: one burst of loss made 58,000 retransmissions, which kept the line full,
//! which lost more packets. What the gate refuses ends in a keyframe request, and that mends the picture for less.

use super::stats::Shared;
use rtc::interceptor::{Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{
    NackPair, TransportLayerNack, nack_pairs_from_sequence_numbers,
};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between the wire and the responder: it sees a request before the responder does.
pub(super) const SLOT: Slot = Slot::Custom(3_900);

/// How often one packet is sent again. After three, the receiver's decoder has long given up.
const ATTEMPTS: u8 = 3;
/// Retransmissions allowed per packet sent …
const TOKENS_PER_PACKET: f32 = 0.25;
/// … and in one burst: the lost third of a large keyframe.
const BURST: f32 = 128.0;
/// Repeated requests inside this time are for the same loss, however short the round trip.
const SHORTEST_ROUND_TRIP: Duration = Duration::from_millis(10);
/// Used until a round trip was measured.
const ASSUMED_ROUND_TRIP: Duration = Duration::from_millis(100);
/// How long a packet's attempts are remembered; the send buffer does not hold packets longer.
const MEMORY: Duration = Duration::from_secs(5);

/// Decides which requests pass. Pure: time is an argument.
struct Gate {
    tokens: f32,
    /// By sequence number: attempts, and when the last one was.
    attempts: HashMap<u16, (u8, Instant)>,
}

impl Gate {
    fn new() -> Self {
        Self { tokens: BURST, attempts: HashMap::new() }
    }

    fn sent(&mut self, sequence_number: u16) {
        self.tokens = (self.tokens + TOKENS_PER_PACKET).min(BURST);
        // The number comes round again after 65,536 packets: a new packet, new attempts.
        self.attempts.remove(&sequence_number);
    }

    fn admit(&mut self, sequence_number: u16, now: Instant, round_trip: Duration) -> bool {
        if self.tokens < 1.0 {
            return false;
        }
        let (count, last) = self.attempts.get(&sequence_number).copied().unwrap_or((0, now));
        if count >= ATTEMPTS || (count > 0 && now.saturating_duration_since(last) < round_trip) {
            return false;
        }
        if self.attempts.len() >= 4096 {
            self.attempts.retain(|_, (_, last)| now.saturating_duration_since(*last) < MEMORY);
        }
        self.attempts.insert(sequence_number, (count + 1, now));
        self.tokens -= 1.0;
        true
    }
}

/// The gate in the stack's chain. One stream is sent, so one gate is enough.
pub(super) struct NackGate {
    gate: Gate,
    shared: Arc<Shared>,
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

impl NackGate {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { gate: Gate::new(), shared, read: VecDeque::new(), write: VecDeque::new() }
    }

    fn filter(&mut self, nack: &TransportLayerNack, now: Instant) -> Option<TransportLayerNack> {
        let round_trip = self.shared.round_trip().unwrap_or(ASSUMED_ROUND_TRIP).max(SHORTEST_ROUND_TRIP);
        let asked: Vec<u16> = nack.nacks.iter().flat_map(NackPair::packet_list).collect();
        let admitted: Vec<u16> =
            asked.iter().copied().filter(|&number| self.gate.admit(number, now, round_trip)).collect();
        self.shared.count_retransmissions(admitted.len(), asked.len() - admitted.len());
        (!admitted.is_empty()).then(|| TransportLayerNack {
            nacks: nack_pairs_from_sequence_numbers(&admitted),
            ..nack.clone()
        })
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for NackGate {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            let mut passed: Vec<Box<dyn rtc::rtcp::Packet>> = Vec::with_capacity(packets.len());
            for packet in packets {
                match packet.as_any().downcast_ref::<TransportLayerNack>() {
                    Some(nack) => {
                        if let Some(nack) = self.filter(nack, message.now) {
                            passed.push(Box::new(nack));
                        }
                    }
                    None => passed.push(packet.clone()),
                }
            }
            // An empty compound packet means "attributes only" in this stack, and is never put on the wire.
            message.message.packet = Packet::Rtcp(passed);
        }
        self.read.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(packet) = &message.message.packet
            && !message.message.has(&rtc::interceptor::Attribute::Retransmission)
        {
            self.gate.sent(packet.header.sequence_number);
        }
        self.write.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }
}

impl Interceptor for NackGate {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    #[test]
    fn one_packet_passes_once_per_round_trip_and_three_times() {
        let (mut gate, start) = (Gate::new(), Instant::now());
        let passed: Vec<u64> =
            (0..400).filter(|&ms| gate.admit(7, start + Duration::from_millis(ms), ROUND_TRIP)).collect();
        assert_eq!(passed, [0, 50, 100]);
    }

    #[test]
    fn a_storm_is_bounded_by_what_was_sent() {
        let (mut gate, start) = (Gate::new(), Instant::now());
        for number in 0..2000u16 {
            gate.sent(number);
        }
        let mut passed = 0;
        for ms in 0..10_000u64 {
            let now = start + Duration::from_millis(ms);
            passed += (0..2000u16).filter(|&number| gate.admit(number, now, ROUND_TRIP)).count();
        }
        assert_eq!(passed, BURST as usize);
        for number in 2000..2400u16 {
            gate.sent(number);
        }
        let now = start + Duration::from_secs(20);
        let more = (2000..2400u16).filter(|&number| gate.admit(number, now, ROUND_TRIP)).count();
        assert_eq!(more, 100, "a quarter of the packets sent since");
    }

    /// Sends 10 s of 500 packets a second over a line that loses this part of everything; the other end asks for each
    /// missing packet with every round trip. Returns retransmissions, and what stays missing, as parts of the packets.
    fn on_a_bad_line(loss: f64) -> (f64, f64) {
        let (mut gate, start) = (Gate::new(), Instant::now());
        let mut state = 20_261_122_u64;
        let mut is_lost = || {
            state = state * 48_271 % 2_147_483_647;
            (state as f64 / 2_147_483_647.0) < loss
        };
        let (mut missing, mut sent_again, mut given_up) = (Vec::new(), 0_u32, 0);
        for number in 0..5_000_u16 {
            let now = start + Duration::from_millis(2) * u32::from(number);
            gate.sent(number);
            if is_lost() {
                missing.push((number, now + ROUND_TRIP));
            }
            missing.retain_mut(|(number, asks)| {
                if *asks > now {
                    return true;
                }
                *asks += ROUND_TRIP;
                let admitted = gate.admit(*number, now, ROUND_TRIP);
                sent_again += u32::from(admitted);
                let old =
                    now.saturating_duration_since(start + Duration::from_millis(2) * u32::from(*number));
                given_up += u32::from(old > Duration::from_secs(1));
                (!admitted || is_lost()) && old <= Duration::from_secs(1)
            });
        }
        (f64::from(sent_again) / 5_000.0, f64::from(given_up) / 5_000.0)
    }

    #[test]
    fn a_bad_line_is_mended_and_a_worse_one_not_flooded() {
        let (again, missing) = on_a_bad_line(0.05);
        assert!(again < 0.06 && missing < 0.001, "{again} {missing}");
        let (again, missing) = on_a_bad_line(0.4);
        let bound = f64::from(TOKENS_PER_PACKET) + f64::from(BURST) / 5_000.0;
        assert!(again <= bound && missing > 0.1, "{again} {missing}");
    }

    #[test]
    fn a_number_that_comes_round_again_is_a_new_packet() {
        let (mut gate, start) = (Gate::new(), Instant::now());
        for attempt in 0..3 {
            assert!(gate.admit(7, start + ROUND_TRIP * attempt, ROUND_TRIP));
        }
        assert!(!gate.admit(7, start + ROUND_TRIP * 3, ROUND_TRIP));
        gate.sent(7);
        assert!(gate.admit(7, start + ROUND_TRIP * 3, ROUND_TRIP));
    }
}
