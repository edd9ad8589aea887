//! The four-letter words: plain text commands on the client port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// How long a server may take over one word.
const LIMIT: Duration = Duration::from_secs(3);

/// Most bytes of an answer that are read.
const ANSWER_LEN_MAX: u64 = 1 << 20;

/// Sends `word` and returns the answer.
///
/// # Errors
/// When the server does not listen or does not answer in time.
pub fn ask(address: SocketAddr, word: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(word.as_bytes())?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_LEN_MAX)
        .read_to_end(&mut answer)
        .with_context(|| format!("no whole answer to {word}"))?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Returns the mode that `srvr` tells: `leader`, `follower`, `observer` or `standalone`.
///
/// # Errors
/// When the server does not answer, or does not serve; the text says what it said instead.
pub fn mode(address: SocketAddr) -> Result<String> {
    let answer = ask(address, "srvr")?;
    let mode = answer.lines().find_map(|line| line.strip_prefix("Mode: "));
    let mode = mode.with_context(|| format!("srvr said {:?}", answer.trim()))?;
    Ok(mode.trim().to_owned())
}
