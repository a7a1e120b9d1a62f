//! Which H.264 is offered, which of the browser's variants is taken, and the RTP header extensions beside it.

use rtc::peer_connection::configuration::media_engine::MIME_TYPE_H264;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use webrtc::error::Result;
use webrtc::peer_connection::MediaEngine;

/// RTP clock of all video, in Hz (RFC 6184, 8.1).
pub(super) const CLOCK_RATE: u32 = 90_000;

/// Asks the receiver to show a frame as soon as it is decoded:
/// <https://webrtc.googlesource.com/src/+/main/docs/native-code/rtp-hdrext/playout-delay>.
pub(super) const PLAYOUT_DELAY_URI: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
const TRANSPORT_CC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// `profile-level-id`s we answer to, best first. Our stream is constrained baseline, which a decoder of each of them
/// plays. High (`640c1f`) is refused by Chromium. Only packetization mode 1, which fragments; every browser has it.
const PROFILES: [&str; 4] = ["42e01f", "42001f", "4d001f", "f4001f"];

/// The feedback and the codec with a profile.
fn codec(profile: &str) -> RTCRtpCodec {
    let feedback =
        |typ: &str, parameter: &str| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    RTCRtpCodec {
        mime_type: MIME_TYPE_H264.to_owned(),
        clock_rate: CLOCK_RATE,
        channels: 0,
        sdp_fmtp_line: format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}"),
        rtcp_feedback: vec![
            feedback("transport-cc", ""),
            feedback("goog-remb", ""),
            feedback("ccm", "fir"),
            feedback("nack", ""),
            feedback("nack", "pli"),
        ],
    }
}

/// What the answer may contain. No RTX: a retransmission under its own number would escape the transport-wide
/// sequence numbers, and with them the bandwidth estimate.
pub(super) fn media_engine() -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    for (profile, payload_type) in PROFILES.iter().zip(102..) {
        engine.register_codec(
            RTCRtpCodecParameters { rtp_codec: codec(profile), payload_type },
            RtpCodecKind::Video,
        )?;
    }
    for uri in [PLAYOUT_DELAY_URI, TRANSPORT_CC_URI] {
        engine.register_header_extension(
            RTCRtpHeaderExtensionCapability { uri: uri.to_owned() },
            RtpCodecKind::Video,
            None,
        )?;
    }
    Ok(engine)
}

/// The best H.264 that a session description offers, if it offers to receive any.
pub(super) fn best_offered(sdp: &str) -> Option<RTCRtpCodec> {
    let offered = offered_profiles(sdp);
    PROFILES
        .iter()
        .find(|profile| offered.iter().any(|offer| same_profile(offer, profile)))
        .map(|profile| codec(profile))
}

/// The profiles of all H.264 in packetization mode 1.
fn offered_profiles(sdp: &str) -> Vec<String> {
    let lines = || sdp.lines().map(str::trim);
    let payload_types = lines().filter_map(|line| {
        let (payload_type, encoding) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        encoding.to_ascii_uppercase().starts_with("H264/90000").then_some(payload_type)
    });
    payload_types
        .filter_map(|payload_type| {
            let fmtp = lines().find_map(|line| {
                line.strip_prefix("a=fmtp:")?.strip_prefix(payload_type)?.strip_prefix(' ')
            })?;
            let parameter = |name: &str| {
                fmtp.split(';').find_map(|pair| {
                    let (key, value) = pair.trim().split_once('=')?;
                    key.eq_ignore_ascii_case(name).then_some(value.trim())
                })
            };
            (parameter("packetization-mode") == Some("1"))
                .then(|| parameter("profile-level-id"))?
                .map(str::to_ascii_lowercase)
        })
        .collect()
}

/// Equal but for the level, the last of the three bytes (RFC 6184, 8.2.2).
fn same_profile(a: &str, b: &str) -> bool {
    a.len() == 6 && b.len() == 6 && a.as_bytes()[..4] == b.as_bytes()[..4]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(variants: &[(u8, &str)]) -> String {
        variants.iter().fold("m=video 9 UDP/TLS/RTP/SAVPF\r\n".to_owned(), |sdp, (payload_type, fmtp)| {
            format!("{sdp}a=rtpmap:{payload_type} H264/90000\r\na=fmtp:{payload_type} {fmtp}\r\n")
        })
    }

    fn best(variants: &[(u8, &str)]) -> Option<String> {
        best_offered(&offer(variants))
            .and_then(|codec| codec.sdp_fmtp_line.rsplit_once('=').map(|(_, id)| id.to_owned()))
    }

    #[test]
    fn takes_the_best_profile_of_mode_1() {
        let mode_1 =
            |id: &str| format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={id}");
        let (high, main, base) = (mode_1("640c1f"), mode_1("4d001f"), mode_1("42e034"));
        assert_eq!(best(&[(96, &high), (98, &main), (100, &base)]).as_deref(), Some("42e01f"));
        assert_eq!(best(&[(96, &high), (98, &main)]).as_deref(), Some("4d001f"));
        assert_eq!(best(&[(96, &high)]), None);
    }

    #[test]
    fn refuses_mode_0_and_other_codecs() {
        assert_eq!(best(&[(96, "packetization-mode=0;profile-level-id=42e01f")]), None);
        assert_eq!(best(&[(96, "profile-level-id=42e01f")]), None);
        assert!(best_offered("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n").is_none());
        assert!(best_offered("a=rtpmap:\r\na=fmtp:\r\na=rtpmap:é H264/90000\r\na=fmtp:é x").is_none());
    }
}
