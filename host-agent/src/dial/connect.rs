//! HTTP's CONNECT (RFC 9110, section 9.3.6): asks a proxy for a stream to somewhere else.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::Stream;
use super::login::{Login, Refusal};

/// Everything a proxy may say before the stream begins, per answer.
const LONGEST_HEAD: usize = 8 * 1024;
/// Fields of an answer.
const MOST_FIELDS: usize = 100;
/// The page that comes with a refusal, which is read past where the connection is needed again.
const LONGEST_BODY: u64 = 64 * 1024;
/// Requests for one stream. NTLM takes three, and a guess that was wrong or a nonce that was old one more.
const MOST_REQUESTS: usize = 5;
/// Answers that only say that another follows (1xx).
const MOST_INTERIM: usize = 4;

/// Why there is no stream.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection to the proxy can't be made or broke.
    Broken(io::Error),
    /// It closed the connection without an answer.
    Closed,
    /// It speaks something else; in our own words.
    NotHttp(&'static str),
    /// It answered with this status.
    Status(u16),
    /// It wants somebody else.
    Login(Refusal),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Asks over connections that `open` makes for a stream to `authority`, which is HOST:PORT.
pub(super) async fn connect<F>(
    open: impl Fn() -> F,
    authority: &str,
    login: &mut Login<'_>,
) -> Result<Box<dyn Stream>, Failure>
where
    F: Future<Output = Result<Box<dyn Stream>, Failure>>,
{
    let mut stream = BufReader::new(open().await?);
    let mut is_used = false;
    for _ in 0..MOST_REQUESTS {
        let authorization = login.authorization(authority).map_err(Failure::Login)?;
        let request = request(authority, authorization.as_deref());
        let answer = match ask(&mut stream, &request).await {
            // It had promised to keep the connection, and did not: RFC 9112, section 9.3.1.
            Err(Failure::Closed | Failure::Broken(_)) if is_used && !login.is_bound_to_connection() => {
                stream = BufReader::new(open().await?);
                ask(&mut stream, &request).await?
            }
            answer => answer?,
        };
        is_used = true;
        match answer.status {
            // What comes next, and may have come already, is the target's: the reader keeps it.
            200..=299 => return Ok(Box::new(stream)),
            407 => {
                let challenges: Vec<&str> = answer.challenges.iter().map(String::as_str).collect();
                login.challenged(&challenges).map_err(Failure::Login)?;
                let can_stay = match answer.body {
                    Some(length) if length <= LONGEST_BODY => skip(&mut stream, length).await.is_ok(),
                    _ => false,
                };
                if !can_stay {
                    if login.is_bound_to_connection() {
                        return Err(Failure::NotHttp(
                            "it closed the connection in the middle of the sign-in",
                        ));
                    }
                    stream = BufReader::new(open().await?);
                    is_used = false;
                }
            }
            status => return Err(Failure::Status(status)),
        }
    }
    Err(Failure::Login(Refusal::BadChallenge))
}

fn request(authority: &str, authorization: Option<&str>) -> String {
    let authorization =
        authorization.map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
    // Proxies of the older kind close without the last field, and some let nobody pass who does not name a program.
    format!(
        "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{authorization}User-Agent: {}/{}\r\nProxy-Connection: Keep-Alive\r\n\r\n",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
    )
}

/// What counts of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    /// Values of `Proxy-Authenticate`.
    challenges: Vec<String>,
    /// Octets of its body; `None`: the connection is of no use after it.
    body: Option<u64>,
}

async fn ask(stream: &mut BufReader<Box<dyn Stream>>, request: &str) -> Result<Answer, Failure> {
    stream.get_mut().write_all(request.as_bytes()).await?;
    stream.get_mut().flush().await?;
    answer(stream).await
}

/// The next answer that is no interim one.
async fn answer(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Answer, Failure> {
    for _ in 0..MOST_INTERIM {
        let answer = parse(&head(stream).await?)?;
        if !(100..200).contains(&answer.status) {
            return Ok(answer);
        }
    }
    Err(Failure::NotHttp("it only announces answers"))
}

/// All up to and including the empty line; not an octet more is taken.
async fn head(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>, Failure> {
    let mut head = Vec::new();
    loop {
        let line = head.len();
        let room = LONGEST_HEAD - head.len();
        (&mut *stream).take(room as u64).read_until(b'\n', &mut head).await?;
        match &head[line..] {
            b"\r\n" | b"\n" if line > 0 => return Ok(head),
            [.., b'\n'] => {}
            _ if head.len() >= LONGEST_HEAD => return Err(Failure::NotHttp("its answer is too long")),
            [] if line == 0 => return Err(Failure::Closed),
            _ => return Err(Failure::NotHttp("it closed the connection in the middle of its answer")),
        }
        // Whatever speaks another protocol shall not be waited for.
        if line == 0 && !head.starts_with(b"HTTP/") {
            return Err(Failure::NotHttp("its answer is not HTTP"));
        }
    }
}

fn parse(head: &[u8]) -> Result<Answer, Failure> {
    let not_http = Failure::NotHttp("its answer is not HTTP");
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let (Ok(httparse::Status::Complete(_)), Some(status)) = (response.parse(head), response.code) else {
        return Err(not_http);
    };
    let values = |name: &'static str| {
        response
            .headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .filter_map(|field| std::str::from_utf8(field.value).ok())
    };
    let says = |name, word: &str| {
        values(name).any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    // `Proxy-Connection` is in no standard and in many proxies.
    let closes = says("connection", "close") || says("proxy-connection", "close");
    let stays = response.version == Some(1)
        || says("connection", "keep-alive")
        || says("proxy-connection", "keep-alive");
    // Without a length it goes on until the connection ends: RFC 9112, section 6.3.
    let length = values("content-length").next().and_then(|value| value.trim().parse().ok());
    let body = length.filter(|_| stays && !closes && values("transfer-encoding").next().is_none());
    Ok(Answer { status, challenges: values("proxy-authenticate").map(str::to_owned).collect(), body })
}

/// Reads past a body.
async fn skip(stream: &mut (impl AsyncBufRead + Unpin), length: u64) -> io::Result<()> {
    let copied = tokio::io::copy(&mut stream.take(length), &mut tokio::io::sink()).await?;
    if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests;
