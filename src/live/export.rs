//! Metrics for Prometheus, on this machine only.
//!
//! | metric | labels | what |
//! |---|---|---|
//! | `vibrissa_frames_taken_total`, `vibrissa_ticks_total` | | frames that cages took; steps of the network |
//! | `vibrissa_frames_refused_total` | `cause` | frames refused |
//! | `vibrissa_frames_displaced_total` | | frames given up because the network was behind |
//! | `vibrissa_events_total` | | events that were published |
//! | `vibrissa_events_lost_total` | `cause` | decided, but not journaled or not published |
//! | `vibrissa_latency_seconds` | `of` | histogram of each latency, see [`super::tally::Latency`] |
//! | `vibrissa_notices_total` | `state` | status messages by state: `stale`, `out-of-range`, `swap-alarm`, `timing` … |
//! | `vibrissa_cages` | | open cages |
//!
//! No label names a cage: a broken script that invents names must not grow this. What is counted of each cage stands in
//! its status messages.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use crate::live::LiveError;

/// Upper bounds of the latency histogram, in seconds: from a step of the network to a second.
const LATENCY_BOUNDS_SECS: [f64; 14] =
    [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 3.3e-2, 5e-2, 0.1, 0.2, 0.5, 1.0];

/// Serves `http://{address}/metrics` until the process ends.
///
/// # Errors
/// An address that is taken, or that this machine does not have.
pub fn serve(address: SocketAddr) -> Result<(), LiveError> {
    let failed = |reason: String| LiveError::Metrics { address, reason };
    // The exporter binds in its own thread and would only log a failure.
    std::net::TcpListener::bind(address).map_err(|error| failed(error.to_string()))?;
    PrometheusBuilder::new()
        .with_http_listener(address)
        .set_buckets_for_metric(Matcher::Full("vibrissa_latency_seconds".to_owned()), &LATENCY_BOUNDS_SECS)
        .and_then(PrometheusBuilder::install)
        .map_err(|error| failed(error.to_string()))
}
