//! Lines to standard output, through one buffer.

use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write};

/// Bytes gathered before they are written.
const BUFFER_LEN: usize = 64 << 10;

/// Standard output; whoever closed the other end wants no more of this process.
pub(super) struct Lines(BufWriter<StdoutLock<'static>>);

impl Lines {
    pub(super) fn new() -> Self {
        Self(BufWriter::with_capacity(BUFFER_LEN, io::stdout().lock()))
    }

    pub(super) fn put(&mut self, line: impl Display) {
        if writeln!(self.0, "{line}").is_err() {
            std::process::exit(1);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // Nobody is left to tell.
        self.0.flush().ok();
    }
}
