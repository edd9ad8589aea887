//! The spans of a request.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Span as _, SpanContext, SpanKind, TraceContextExt as _, Tracer};
use opentelemetry::{Context, KeyValue};
use zk_wire::client::OpCode;

use super::request::Answered;
use crate::clock::Clock;

/// What holds a request back for less than this is the way through the process, not a limit.
const HELD_MIN: Duration = Duration::from_micros(100);

/// What a request was busy with, from when to when.
type Stage = (&'static str, Duration, Duration);

/// Makes the span of the whole request and one for each thing that it waited for.
pub(super) fn make<T: Tracer>(tracer: &T, clock: Clock, answered: &Answered) {
    let (wall, elapsed) = (SystemTime::now(), clock.elapsed());
    let at = |time: Duration| wall - elapsed.saturating_sub(time);
    let builder = tracer
        .span_builder(name(answered.asked.operation))
        .with_kind(SpanKind::Server)
        .with_start_time(at(answered.asked.came))
        .with_attributes(attributes(answered));
    let mut whole = tracer.build_with_context(builder, &Context::new());
    let parent = whole.span_context().clone();
    for (name, from, to) in stages(answered) {
        child(tracer, &parent, name, at(from), at(to));
    }
    whole.end_with_timestamp(at(answered.at));
}

fn child<T: Tracer>(
    tracer: &T,
    parent: &SpanContext,
    name: &'static str,
    from: SystemTime,
    to: SystemTime,
) {
    let within = Context::new().with_remote_span_context(parent.clone());
    let builder = tracer.span_builder(name).with_start_time(from);
    tracer
        .build_with_context(builder, &within)
        .end_with_timestamp(to);
}

/// The operation, as clients name their methods for it: `getData`.
fn name(operation: Option<OpCode>) -> String {
    let Some(operation) = operation else {
        return "unknown".to_owned();
    };
    let mut letters = operation.name().chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn attributes(answered: &Answered) -> Vec<KeyValue> {
    let asked = &answered.asked;
    let mut known = vec![
        KeyValue::new("network.protocol.name", "zookeeper"),
        KeyValue::new("client.address", answered.address.ip().to_string()),
        KeyValue::new("client.port", i64::from(answered.address.port())),
        KeyValue::new("zookeeper.xid", i64::from(asked.xid)),
        KeyValue::new("zookeeper.zxid", format!("0x{:x}", answered.zxid)),
    ];
    known.extend(
        asked
            .path
            .clone()
            .map(|path| KeyValue::new("zookeeper.path", path)),
    );
    known.extend(
        answered
            .session
            .map(|session| KeyValue::new("zookeeper.session", format!("0x{session:x}"))),
    );
    known.extend(
        answered
            .error_name()
            .map(|error| KeyValue::new("error.type", error)),
    );
    known
}

/// `held` by a limit; `propose`: until it was in the log's queue here, which as learner has the way to the
/// leader in it; `log`: until this server's disk had it; `commit`: until a quorum had it and it was applied.
fn stages(answered: &Answered) -> Vec<Stage> {
    let asked = &answered.asked;
    let mut stages = Vec::new();
    if asked.admitted.saturating_sub(asked.came) >= HELD_MIN {
        stages.push(("held", asked.came, asked.admitted));
    }
    let Some(write) = answered.write else {
        return stages;
    };
    stages.push(("propose", asked.admitted, write.logged));
    let durable = write.durable.map(|durable| ("log", write.logged, durable));
    stages.extend(durable);
    let applied = write.applied.unwrap_or(answered.at);
    stages.push(("commit", write.logged, applied));
    stages
}

#[cfg(test)]
mod tests {
    use super::super::request::Traced;
    use super::super::writes::WriteTimes;
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn answered(write: Option<WriteTimes>) -> Answered {
        Answered {
            asked: Traced {
                operation: Some(OpCode::SetData),
                path: Some("/orders".to_owned()),
                xid: 7,
                came: at(10),
                admitted: at(12),
            },
            session: Some(0x1234),
            address: "10.0.0.1:4711".parse().unwrap(),
            at: at(20),
            zxid: 0x1_0000_0002,
            error: -103,
            write,
        }
    }

    #[test]
    fn a_write_waits_for_the_log_and_for_a_quorum() {
        let times = WriteTimes {
            logged: at(13),
            durable: Some(at(19)),
            applied: Some(at(18)),
        };
        let expected = [
            ("held", at(10), at(12)),
            ("propose", at(12), at(13)),
            ("log", at(13), at(19)),
            ("commit", at(13), at(18)),
        ];
        assert_eq!(stages(&answered(Some(times))), expected);
        let early = WriteTimes {
            durable: None,
            applied: None,
            ..times
        };
        let expected = [
            ("held", at(10), at(12)),
            ("propose", at(12), at(13)),
            ("commit", at(13), at(20)),
        ];
        assert_eq!(stages(&answered(Some(early))), expected);
    }

    #[test]
    fn a_read_that_nothing_held_back_has_no_parts() {
        let mut read = answered(None);
        read.asked.admitted = read.asked.came + Duration::from_micros(20);
        assert_eq!(stages(&read), []);
    }

    #[test]
    fn operations_have_the_names_of_methods() {
        assert_eq!(name(Some(OpCode::GetData)), "getData");
        assert_eq!(name(Some(OpCode::Create2)), "create2");
        assert_eq!(name(None), "unknown");
    }
}
