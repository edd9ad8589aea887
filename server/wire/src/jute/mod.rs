//! Jute, the encoding of every ZooKeeper record: big-endian fields in order, no tags, no padding.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;
