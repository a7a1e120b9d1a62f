//! The outside judge: coturn's own client, where it is installed.

use std::process::Stdio;

use tokio::process::Command;

use crate::Meeting;
use crate::support::{TestServer, soon};

const CLIENT: &str = "turnutils_uclient";

#[tokio::test]
async fn coturns_client_gets_everything_back() {
    if std::process::Command::new(CLIENT).arg("-h").output().is_err() {
        eprintln!("skipped: {CLIENT} is not installed (package coturn)");
        return;
    }
    let server = TestServer::with(&["--relay-bandwidth", "0"]).await;
    let relay = server.relay.unwrap();
    let port = relay.port().to_string();
    for way in [&[][..], &["-t"], &["-s"]] {
        let meeting = Meeting::of(&server).await;
        let credentials = meeting.host();
        let mut client = Command::new(CLIENT);
        // Two clients that send to each other, without RTCP, a few packets each.
        client.args(["-y", "-c", "-m", "2", "-n", "50", "-l", "600", "-z", "5", "-p", &port]);
        client.args(way).args(["-u", &credentials.username, "-w", &credentials.password, "127.0.0.1"]);
        client.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let output = soon(client.output()).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        assert!(text.contains("Total lost packets 0 (0.000000%)"), "{way:?}: {text}");
    }
    server.stop().await;
}
