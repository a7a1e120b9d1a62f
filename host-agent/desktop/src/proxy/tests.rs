use super::*;

fn environment(variables: &[(&str, &str)]) -> Settings {
    let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Settings::of_environment(&variables).expect("settings").expect("a proxy")
}

fn way(settings: &Settings, host: &str, port: u16) -> String {
    match &settings.steps(host, port).expect("steps")[..] {
        [Step::Direct] => "direct".into(),
        [Step::Proxy(proxy)] => proxy.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_people_type() {
    for (text, shown, credentials) in [
        ("proxy.example:3128", "http://proxy.example:3128", None),
        (" http://proxy.example ", "http://proxy.example:80", None),
        ("https://proxy.example/", "https://proxy.example:443", None),
        ("http://me:geheim@10.0.0.1:8080", "http://10.0.0.1:8080", Some(("me", "geheim"))),
        ("http://CORP%5Cme:p%40ss:w@[::1]:8080", "http://[::1]:8080", Some(("CORP\\me", "p@ss:w"))),
        (r"http://CORP\me:p@ss@proxy:8080", "http://proxy:8080", Some((r"CORP\me", "p@ss"))),
        ("socks5://proxy", "socks5://proxy:1080", None),
        ("socks5h://u:p@proxy:1", "socks5://proxy:1", Some(("u", "p"))),
        ("socks4://proxy", "socks4://proxy:1080", None),
        // A name alone is no way to sign in.
        ("http://me@proxy", "http://proxy:80", None),
    ] {
        let proxy = Proxy::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(proxy.to_string(), shown, "{text}");
        let got = proxy.credentials.as_ref().map(|given| (given.name.as_str(), given.password.as_str()));
        assert_eq!(got, credentials, "{text}");
    }
    for text in ["", "http://", "http://a b:1", "http://h:99999", "geheim@"] {
        assert_eq!(Proxy::parse(text), Err(Problem::NoProxy), "{text}");
    }
    assert_eq!(Proxy::parse("ftp://h"), Err(Problem::Scheme));
}

#[test]
fn no_password_is_shown() {
    let proxy = Proxy::parse("http://me:geheim@proxy:1").unwrap();
    for shown in
        [format!("{proxy:?}"), format!("{proxy:#?}"), proxy.to_string(), format!("{:?}", proxy.credentials)]
    {
        assert!(!shown.contains("geheim") && !shown.contains("me:"), "{shown}");
    }
    for text in ["http://me:geheim@", "geheim://me:geheim@h", "http://me:geheim@h:99999"] {
        let words = Proxy::parse(text).unwrap_err().to_string();
        assert!(!words.contains("geheim"), "{words}");
    }
    let settings = environment(&[("HTTPS_PROXY", "http://me:geheim@proxy:1")]);
    assert!(!format!("{settings:?}{:?}", settings.steps("h", 1)).contains("geheim"));
    let broken = [("HTTPS_PROXY".to_owned(), "http://me:geheim@pro xy:1".to_owned())];
    let words = match Settings::of_environment(&broken) {
        Ok(Some(settings)) => settings.steps("h", 1).expect_err("no way").to_string(),
        other => panic!("{other:?}"),
    };
    assert!(!words.contains("geheim"), "{words}");
}

#[test]
fn the_environment_names_the_proxy() {
    let all = environment(&[("ALL_PROXY", "socks5h://all:1")]);
    assert_eq!(way(&all, "h.example", 443), "socks5://all:1");
    let small = environment(&[("HTTPS_PROXY", "http://big:1"), ("https_proxy", "http://small:1")]);
    assert_eq!(way(&small, "h.example", 443), "http://small:1");
    let both = environment(&[("ALL_PROXY", "http://all:1"), ("HTTPS_PROXY", "http://https:1")]);
    assert_eq!(way(&both, "h.example", 443), "http://https:1");
    assert_eq!(way(&both, "2001:db8::1", 443), "http://https:1");
    for variable in [("NO_PROXY", "*"), ("HTTPS_PROXY", ""), ("HTTP_PROXY", "http://plain:1")] {
        assert_eq!(way(&environment(&[variable]), "h.example", 443), "direct", "{variable:?}");
    }
    assert!(Settings::of_environment(&[]).expect("settings").is_none());
}

#[test]
fn what_goes_without_a_proxy() {
    let settings = environment(&[
        ("HTTPS_PROXY", "http://proxy:1"),
        ("NO_PROXY", "corp.example, .dot.example,10.0.0.0/8,192.0.2.7,2001:db8::/32,ports.example:8443"),
    ]);
    for (host, port, direct) in [
        ("corp.example", 443, true),
        ("a.corp.example", 443, true),
        ("CORP.example", 443, true),
        ("notcorp.example", 443, false),
        ("corp.example.evil.example", 443, false),
        ("a.dot.example", 443, true),
        ("10.1.2.3", 443, true),
        ("11.1.2.3", 443, false),
        ("192.0.2.7", 3478, true),
        ("192.0.2.8", 3478, false),
        ("2001:db8::7", 443, true),
        ("2001:db9::7", 443, false),
        ("ports.example", 8443, true),
        ("ports.example", 443, false),
    ] {
        let expected = if direct { "direct" } else { "http://proxy:1" };
        assert_eq!(way(&settings, host, port), expected, "{host}:{port}");
    }
    let all = environment(&[("HTTPS_PROXY", "http://proxy:1"), ("no_proxy", "*")]);
    assert_eq!(way(&all, "h.example", 443), "direct");
}

#[test]
fn a_script_is_told_apart() {
    let url = Url::parse("http://wpad.example/proxy.pac").unwrap();
    let source = proxy_watch::ProxyConfigSource::GSettings;
    let settings = Settings(ProxyConfig::from_source(source, proxy_watch::ProxyMode::pac(url)));
    // Where the system runs scripts itself, this one can't be fetched, which is a problem of the settings.
    assert!(settings.steps("h.example", 443).is_err());
}
