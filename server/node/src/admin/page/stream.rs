//! `GET /v1/overview/stream`: the overview again and again, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::{Shared, login};
use crate::admin::privileged::failure;

/// Streams at once; whoever comes later asks for single overviews.
const STREAMS_MAX: usize = 16;

/// Between two overviews.
const PAUSE: Duration = Duration::from_secs(1);

/// A stream ends after this long, and its reader comes again: so a place does not stay with a reader that
/// is gone without a word, and a login that is no good any more counts no longer.
const LIFE_MAX: Duration = Duration::from_secs(300);

/// Room for streams.
pub(super) type Places = Arc<Semaphore>;

/// All of it.
pub(super) fn places() -> Places {
    Arc::new(Semaphore::new(STREAMS_MAX))
}

/// Handles the request.
pub(super) async fn get(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = login::may_look(&shared, &headers).await {
        return *refusal;
    }
    let Ok(place) = shared.streams.clone().try_acquire_owned() else {
        let why = format!("{STREAMS_MAX} streams are open; ask for /v1/overview instead");
        return failure(StatusCode::SERVICE_UNAVAILABLE, why);
    };
    let (sender, receiver) = mpsc::channel(1);
    // The task and not the stream has the place: a reader that does not read would keep that.
    tokio::spawn(feed(shared, sender, place));
    let events = stream::unfold(receiver, async |mut receiver| {
        let text: Arc<str> = receiver.recv().await?;
        let event = Event::default().event("overview").data(&*text);
        Some((Ok::<_, Infallible>(event), receiver))
    });
    Sse::new(events).into_response()
}

/// Hands out overviews until nobody reads them, or the time is over.
async fn feed(shared: Arc<Shared>, sender: mpsc::Sender<Arc<str>>, place: OwnedSemaphorePermit) {
    let end = Instant::now() + LIFE_MAX;
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < end {
        ticks.tick().await;
        let text = shared.overviews.current(shared.monitor());
        match timeout_at(end, sender.send(text)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => break,
        }
    }
    drop(place);
}
