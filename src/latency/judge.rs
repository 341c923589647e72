//! From what was measured to what a lab should know.

use super::meter::Meter;
use super::modes::two_modes;
use super::offset::Offset;
use super::stages::{Percentiles, Stage};
use super::summary::Summary;
use super::warnings::Warning;
use super::{TICK_NANOS, millis};

/// Answers of which ten lie beyond p99.9.
const ANSWERS_NEEDED: u64 = 10_000;

/// Our own timer may be late by so much, one time of a hundred.
const TIMER_MILLIS_MAX: f64 = 1.0;

/// Contradictions of so many answers are worth a word.
const STRAY_SHARE_MIN: f64 = 0.01;

/// The warnings, what concerns the frames first.
pub(super) fn judge(summary: &Summary, meter: &Meter) -> Vec<Warning> {
    let mut warnings = Vec::new();
    frames(summary, &mut warnings);
    latencies(summary, meter, &mut warnings);
    if let Some(offset) = &summary.offset {
        clocks(summary, meter, offset, &mut warnings);
    }
    strange(summary, &mut warnings);
    warnings.extend(summary.system.warnings().into_iter().map(Warning::System));
    warnings
}

fn frames(summary: &Summary, warnings: &mut Vec<Warning>) {
    let (frames, counted) = (&summary.frames, &summary.counted);
    let answers = summary.stage(Stage::PutToReceived).count;
    if answers == 0 {
        warnings.push(Warning::NoAnswers { asked: frames.asked });
    } else if frames.unanswered > 0 {
        warnings.push(Warning::Unanswered { unanswered: frames.unanswered, asked: frames.asked });
    }
    if (1..ANSWERS_NEEDED).contains(&answers) {
        // At the pace of this run, whatever the camera's rate.
        let needed_secs = summary.span_secs / answers as f64 * ANSWERS_NEEDED as f64;
        warnings.push(Warning::FewAnswers { answers, needed: ANSWERS_NEEDED, needed_secs });
    }
    let refused = || counted.refused.iter().filter(|(_, count)| **count > 0);
    let packets = refused().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
    let causes: Vec<String> = refused().map(|(cause, count)| format!("{cause} {count}")).collect();
    let counts = [
        (counted.displaced, Warning::Displaced { frames: counted.displaced }),
        (packets, Warning::Refused { packets, causes: causes.join(", ") }),
        (counted.unjournaled, Warning::Unjournaled { events: counted.unjournaled }),
        (counted.unpublished, Warning::Unpublished { events: counted.unpublished }),
        (counted.missed, Warning::Missed { messages: counted.missed }),
    ];
    warnings.extend(counts.into_iter().filter(|(count, _)| *count > 0).map(|(_, warning)| warning));
}

fn latencies(summary: &Summary, meter: &Meter, warnings: &mut Vec<Warning>) {
    let (trends, run_secs) = (&meter.trends, summary.span_secs);
    let trips = trends.trips.growth();
    let half = trips.map_or(0.0, |trips| trips.millis() / 2.0);
    let waits = trends.waits.growth().filter(|waits| waits.millis() >= half);
    if let Some(waits) = waits {
        let (from_millis, to_millis) = (waits.from_millis, waits.to_millis);
        let busy_share = summary.busy_share.unwrap_or(0.0);
        warnings.push(Warning::WaitGrowing { from_millis, to_millis, run_secs, busy_share });
    } else if let Some(trips) = trips {
        let by_inference = trends.inferences.growth().is_some_and(|inferences| inferences.millis() >= half);
        let (from_millis, to_millis) = (trips.from_millis, trips.to_millis);
        warnings.push(Warning::Growing { from_millis, to_millis, run_secs, by_inference });
    }
    if let Percentiles { p50_millis: Some(p50_millis), p99_millis: Some(p99_millis), .. } =
        *summary.stage(Stage::Inference)
        && p99_millis > millis(TICK_NANOS)
    {
        warnings.push(Warning::SlowInference { p50_millis, p99_millis });
    }
    let beyond = |value: Option<f64>, limit: f64| value.filter(|value| *value > limit);
    let wait = summary.stage(Stage::ArrivedToInference);
    if let Some(p99_9_millis) = beyond(wait.p99_9_millis, millis(TICK_NANOS)) {
        warnings.push(Warning::LongWaits { p99_9_millis });
    }
    for cage in &meter.cages {
        if let Some(modes) = two_modes(cage.record.of(Stage::ArrivedToInference)) {
            warnings.push(Warning::TwoWaits {
                cage: cage.name.clone(),
                short_millis: modes.short_millis,
                long_millis: modes.long_millis,
                long_share: modes.long_share,
            });
        }
    }
    if let Some(period) = trends.stalls.period() {
        let (stalls, every_secs, trip_millis) = (period.stalls, period.every_secs, period.trip_millis);
        warnings.push(Warning::Stalls { stalls, every_secs, trip_millis });
    }
    if let Some(p99_millis) = beyond(summary.stage(Stage::DueToPut).p99_millis, TIMER_MILLIS_MAX) {
        warnings.push(Warning::LateTimer { p99_millis });
    }
}

fn clocks(summary: &Summary, meter: &Meter, offset: &Offset, warnings: &mut Vec<Warning>) {
    let own = &meter.own;
    if own.steps > 0 {
        warnings.push(Warning::OwnClockSet { times: own.steps, largest_millis: millis(own.largest_step as f64) });
    }
    // Our own clock being set moves the offset too.
    if offset.steps > own.steps {
        let (times, largest_millis) = (offset.steps - own.steps, offset.largest_step_millis);
        warnings.push(Warning::DetectorClockSet { times, largest_millis });
    }
    let answers = summary.stage(Stage::PutToReceived).count;
    if offset.strays as f64 > STRAY_SHARE_MIN * answers as f64 {
        warnings.push(Warning::ClocksContradict { answers: offset.strays, of: answers });
    }
    for stage in [Stage::PutToArrived, Stage::SentToReceived] {
        let Some(p50_millis) = summary.stage(stage).p50_millis else { continue };
        let uncertainty_millis = offset.one_way_uncertainty_millis;
        if uncertainty_millis > p50_millis {
            warnings.push(Warning::OneWayUncertain { stage, p50_millis, uncertainty_millis });
        }
    }
}

fn strange(summary: &Summary, warnings: &mut Vec<Warning>) {
    let frames = &summary.frames;
    let unknown = frames.unknown.saturating_add(frames.events_unknown);
    let counts = [
        (frames.impossible, Warning::Impossible { messages: frames.impossible }),
        (unknown, Warning::Unknown { messages: unknown }),
        (frames.repeated, Warning::Repeated { answers: frames.repeated }),
        (frames.asked_twice, Warning::AskedTwice { frames: frames.asked_twice }),
    ];
    warnings.extend(counts.into_iter().filter(|(count, _)| *count > 0).map(|(_, warning)| warning));
}
