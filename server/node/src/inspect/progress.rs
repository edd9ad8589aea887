//! A bar for files that take a while; only on a terminal, and only when the output goes elsewhere.

use std::io::{self, IsTerminal};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

/// Files below this are read before anyone could look at a bar, bytes.
const LONG: u64 = 64 << 20;

/// How far a file was read.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// For a file of `len` bytes.
    pub(super) fn new(path: &Path, len: u64) -> Self {
        let visible = len >= LONG && io::stderr().is_terminal() && !io::stdout().is_terminal();
        if !visible {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(len);
        let template = "{msg} {wide_bar} {bytes}/{total_bytes} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        bar.set_message(name.to_string_lossy().into_owned());
        Self(bar)
    }

    pub(super) fn at(&self, offset: u64) {
        self.0.set_position(offset);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
