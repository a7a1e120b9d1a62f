use clap::Parser as _;

use super::*;

const TOKEN: &str = "0123456789abcdef";

/// As the program reads them; what the tests' own environment says must not matter.
fn read(arguments: &[&str]) -> Result<Config, Problems> {
    let arguments = ["nearhand", "--technician-token", TOKEN].iter().chain(arguments);
    Config::from_options(Options::parse_from(arguments))
}

fn problems(arguments: &[&str]) -> Vec<String> {
    read(arguments).expect_err("these options must be refused").0
}

#[test]
fn the_defaults_are_safe() {
    let config = read(&[]).unwrap();
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.code_lifetime, Duration::from_mins(10));
    assert_eq!(config.grace, Duration::from_mins(1));
    assert!(config.ice_servers.is_empty() && config.tls.is_none() && !config.behind_proxy);
}

#[test]
fn unsafe_options_are_refused_and_say_what_to_set() {
    for (arguments, words) in [
        (&["--listen", "192.0.2.1:80"][..], "--tls-cert"),
        (&["--listen", "0.0.0.0:443", "--tls-cert", "c", "--tls-key", "k"], "set --public-url"),
        (&["--behind-proxy"], "set --public-url"),
        (&["--public-url", "http://help.example.com"], "make it https"),
        (&["--public-url", "https://help.example.com"], "nobody ends TLS"),
        (&["--public-url", "http://localhost:8080", "--tls-cert", "c", "--tls-key", "k"], "must be https"),
        (&["--public-url", "ftp://help.example.com"], "scheme"),
        (&["--public-url", "https://user@help.example.com", "--behind-proxy"], "scheme"),
        (&["--tls-cert", "c"], "--tls-key"),
        (&["--tls-key", "k"], "--tls-cert"),
        (
            &["--tls-cert", "c", "--tls-key", "k", "--behind-proxy", "--public-url", "https://a.example"],
            "drop one",
        ),
        (&["--tls-self-signed", "--tls-cert", "c", "--tls-key", "k"], "choose one"),
        (&["--tls-self-signed", "--tls-acme", "a.example", "--state", "s"], "choose one"),
        (&["--tls-self-signed", "a b"], "neither a host's name"),
        (&["--tls-self-signed", "--behind-proxy", "--public-url", "https://a.example"], "drop one"),
        (&["--tls-acme", "a.example"], "--state"),
        (&["--tls-acme", "*.a.example", "--state", "s", "--public-url", "https://*.a.example"], "name each"),
        (&["--tls-acme", "192.0.2.1", "--state", "s"], "no name of a host"),
        (&["--tls-acme", "localhost", "--state", "s"], "no name of a host"),
        (&["--tls-acme", "a.example", "--state", "s", "--public-url", "https://b.example"], "add --tls-acme"),
        (&["--tls-acme", "a.example", "--state", "s", "--tls-acme-contact", "me"], "no mail address"),
        (
            &["--tls-acme", "a.example", "--state", "s", "--tls-acme-directory", "http://ca.example"],
            "with https",
        ),
        (&["--tls-acme-contact", "me@a.example"], "needs --tls-acme"),
        (&["--tls-acme-directory", "https://ca.example"], "needs --tls-acme"),
        (&["--tls-acme-ca", "ca.pem"], "needs --tls-acme"),
        (&["--viewer-origin", "https://viewer.example/x"], "without a path"),
        (&["--viewer-origin", "http://viewer.example"], "make it https"),
        (&["--viewer-origin", "http://127.0.0.1:8080"], "this server's own"),
        (
            &[
                "--behind-proxy",
                "--public-url",
                "https://a.example",
                "--viewer-origin",
                "https://a.example:443",
            ],
            "own",
        ),
        (&["--listen", "localhost"], "127.0.0.1:8080"),
        (&["--code-lifetime", "0"], "from 30 to 86400"),
        (&["--grace", "soon"], "number of seconds"),
        (&["--ice-server", "http://a.example"], "stun:HOST"),
        (&["--ice-server", "turn:a.example"], "turn:USER:PASSWORD"),
        (&["--technician-name", "a\nb"], "control character"),
        (&["--relay-listen", "3478"], "0.0.0.0:3478"),
        (&["--relay-address", "relay.example"], "203.0.113.7"),
        (&["--relay-address", "0.0.0.0"], "no address of a machine"),
        (&["--relay-address", "203.0.113.7,203.0.113.8"], "one address for IPv4"),
        (&["--relay-external", "a"], "--relay-external"),
        (&["--relay-ports", "65535"], "49152-65535"),
        (&["--relay-ports", "9-8"], "49152-65535"),
        (&["--relay-ports", "0-9"], "49152-65535"),
        (&["--relay-host", "a b"], "--relay-host"),
        (&["--relay-allow", "10.0.0.0/33"], "10.0.0.0/8"),
        (&["--relay-bandwidth", "fast"], "--relay-bandwidth"),
        (&["--relay-allocations", "0"], "from 1 to 1024"),
        (&["--turn-secret", "short"], "at least 16"),
        (&["--turn-secret", "/no/such/file"], "no such file"),
        (&["--turn-server", "turn:a.example"], "needs --turn-secret"),
        (&["--turn-server", "stun:a.example", "--turn-secret", "0123456789abcdef"], "turn:HOST"),
        (&["--turn-server", "turn:me:pass@a.example", "--turn-secret", "0123456789abcdef"], "--ice-server"),
        (&["--metrics", "9100"], "--metrics"),
        (&["--log", "=nonsense="], "NEARHAND_LOG"),
    ] {
        let problems = problems(arguments);
        assert_eq!(problems.len(), 1, "{arguments:?}: {problems:?}");
        assert!(problems[0].contains(words), "{arguments:?}: {problems:?}");
    }
}

#[test]
fn all_problems_come_at_once_and_no_secret_is_repeated() {
    let options = Options::parse_from([
        "nearhand",
        "--technician-token",
        "hunter2",
        "--grace",
        "x",
        "--code-lifetime",
        "y",
        "--listen",
        "z",
    ]);
    let problems = Config::from_options(options).unwrap_err();
    assert_eq!(problems.0.len(), 4, "{problems}");
    assert!(!problems.to_string().contains("hunter2"));
}

#[test]
fn a_missing_token_is_refused() {
    let mut options = Options::parse_from(["nearhand"]);
    for token in [None, Some(String::new()), Some("short".into())] {
        options.technician_token = token;
        assert!(Config::from_options(options.clone()).unwrap_err().0[0].contains("--technician-token"));
    }
}

#[test]
fn a_proxy_makes_plain_http_acceptable() {
    let config =
        read(&["--listen", "0.0.0.0:80", "--behind-proxy", "--public-url", "https://help.example.com"])
            .unwrap();
    assert!(config.is_https());
    assert_eq!(config.public_url.unwrap().as_str(), "https://help.example.com/");
}

#[test]
fn an_authority_is_asked_for_names_that_browsers_use() {
    let config =
        read(&["--listen", "0.0.0.0:443", "--tls-acme", "Help.Example.com,b.example", "--state", "s"])
            .unwrap();
    assert_eq!(config.public_url.unwrap().as_str(), "https://help.example.com/");
    let Some(TlsSource::Acme(acme)) = config.tls else { panic!() };
    assert_eq!(acme.domains, ["help.example.com", "b.example"]);
    assert_eq!(acme.directory.host_str(), Some("acme-v02.api.letsencrypt.org"));
    assert!(acme.contacts.is_empty() && acme.ca.is_none());

    let more = ["--public-url", "https://b.example:8443", "--tls-acme-contact", "me@a.example"];
    let given = [&["--tls-acme", "a.example", "--tls-acme", "b.example", "--state", "s"][..], &more].concat();
    let config = read(&given).unwrap();
    assert_eq!(config.public_url.unwrap().port(), Some(8443));
    let Some(TlsSource::Acme(acme)) = config.tls else { panic!() };
    assert_eq!(acme.contacts, ["mailto:me@a.example"]);
}

#[test]
fn a_trial_needs_no_name() {
    for (given, names) in
        [(&["--tls-self-signed"][..], &[][..]), (&["--tls-self-signed", "Box.lan, ::1"], &["box.lan", "::1"])]
    {
        let Some(TlsSource::SelfSigned(read)) = read(given).unwrap().tls else { panic!() };
        assert_eq!(read, names);
    }
}

#[test]
fn another_origin_may_serve_the_viewer() {
    for origin in ["https://viewer.example", "https://viewer.example:8443", "http://127.0.0.1:8081"] {
        let viewer = read(&["--viewer-origin", origin]).unwrap().viewer_origin.unwrap();
        assert_eq!(viewer.origin().ascii_serialization(), origin);
    }
}

#[test]
fn ice_servers_are_taken_apart() {
    let config =
        read(&["--ice-server", "stun:a.example:3478,turns:me:se:cret@b.example:443?transport=tcp"]).unwrap();
    assert_eq!(config.ice_servers[0].urls, ["stun:a.example:3478"]);
    assert_eq!(config.ice_servers[1].urls, ["turns:b.example:443?transport=tcp"]);
    assert_eq!(config.ice_servers[1].username.as_deref(), Some("me"));
    assert_eq!(config.ice_servers[1].credential.as_deref(), Some("se:cret"));
}

#[test]
fn the_manual_names_every_option_and_its_variable() {
    use clap::CommandFactory as _;

    let mut command = Options::command();
    let manual = command.render_long_help().to_string();
    for argument in command.get_arguments() {
        let Some(long) = argument.get_long() else { continue };
        assert!(manual.contains(&format!("--{long}")), "{long}");
        if !matches!(long, "help" | "version") {
            let variable = argument.get_env().unwrap().to_str().unwrap();
            assert!(variable.starts_with("NEARHAND_") && manual.contains(variable), "{long}");
        }
    }
    for words in ["Examples:", "Exit status:"] {
        assert!(manual.contains(words));
    }
}

#[test]
fn the_relay_is_on_and_careful_by_default() {
    let config = read(&["--listen", "127.0.0.1:8443"]).unwrap();
    let relay = config.relay.unwrap();
    assert_eq!(relay.listen, RelayListen::Perhaps("127.0.0.1:3478".parse().unwrap()));
    assert_eq!((relay.ports, relay.allocations, relay.bandwidth), (49152..=65535, 32, Some(12_500_000)));
    assert!(relay.allow.is_empty() && relay.addresses.is_empty() && relay.external.is_empty());
    assert!(config.turn.secret.is_none() && config.metrics.is_none());
    assert!(read(&["--relay", "off"]).unwrap().relay.is_none());

    // Any port for the server is any port for the relay: whoever says so wants to be in nobody's way.
    let relay = read(&["--listen", "127.0.0.1:0"]).unwrap().relay.unwrap();
    assert_eq!(relay.listen, RelayListen::At("127.0.0.1:0".parse().unwrap()));
    let relay = read(&["--relay-listen", "off", "--relay-bandwidth", "0"]).unwrap().relay.unwrap();
    assert_eq!((relay.listen, relay.bandwidth), (RelayListen::Off, None));
}

#[test]
fn the_relays_secret_is_a_file_or_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "0123456789abcdef-from-a-file\n").unwrap();
    for (given, expected) in
        [(file.to_str().unwrap(), "0123456789abcdef-from-a-file"), ("0123456789abcdef", "0123456789abcdef")]
    {
        let config = read(&["--turn-secret", given]).unwrap();
        assert_eq!(config.turn.secret.as_ref().unwrap().0.as_str(), expected);
        assert!(!format!("{config:?}").contains(expected));
    }
}
