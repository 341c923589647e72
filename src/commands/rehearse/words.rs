//! A rule as sentences.

use crate::baseline::Side;
use crate::rehearsal::RuleSaid;
use crate::time::TICK_RATE_HZ;
use crate::trigger::plan::{Role, Rule, ScoreBound, Stimulus};

pub fn of_rule(rule: &Rule, by_distance: Option<String>) -> RuleSaid {
    let mut conditions = Vec::new();
    if let Some(ScoreBound { label_set, behaviors, delay_ticks, on, off }) = &rule.score {
        let behaviors = behaviors.join(" or ");
        let delay = delay_ticks.secs();
        conditions.push(format!(
            "{label_set} {behaviors} at a delay of {delay:.2} s from a score of {on} on (ended below {off})"
        ));
    }
    for bound in &rule.geometry {
        let (quantity, unit) = (bound.quantity, bound.quantity.unit());
        let (side, beyond) = match bound.side {
            Side::Above => ("at least", "below"),
            Side::Below => ("at most", "above"),
        };
        conditions.push(format!("{quantity} {side} {}{unit} (ended {beyond} {}{unit})", bound.on, bound.off));
    }
    for bound in &rule.zones {
        let who = if bound.animal == Role::Agent { "the agent" } else { "the target" };
        conditions.push(format!("{who} {} {}", if bound.inside { "in" } else { "outside of" }, bound.zone));
    }
    for (role, name) in [("the agent", &rule.agent), ("the target", &rule.target)] {
        conditions.extend(name.as_ref().map(|name| format!("{role} is {name}")));
    }
    if rule.sustain_ticks > 1 {
        conditions.push(format!("all of that for {:.2} s", f64::from(rule.sustain_ticks) / TICK_RATE_HZ));
    }
    let aim = rule.aim();
    let aims = aim.iter().flat_map(|aim| aim.behaviors.iter().map(|behavior| format!("{} {behavior}", aim.label_set)));
    RuleSaid {
        name: rule.name.clone(),
        conditions,
        aim: aims.collect(),
        stimulus: stimulus(rule),
        false_per_hour_max: rule.false_per_hour_max,
        by_distance: by_distance.unwrap_or_default(),
    }
}

fn stimulus(rule: &Rule) -> String {
    let what = match rule.stimulus {
        Stimulus::Pulse { on_millis } => format!("{on_millis} ms"),
        Stimulus::Train { on_millis, period_millis, count } => {
            format!("{count} × {on_millis} ms every {period_millis} ms")
        }
        Stimulus::Gate { on_millis_max } => format!("while it holds, at most {on_millis_max} ms"),
    };
    let later = if rule.delay_millis > 0 { format!(", {} ms later", rule.delay_millis) } else { String::new() };
    let shams = if rule.sham_share > 0.0 { format!(", {:.0}% shams", 100.0 * rule.sham_share) } else { String::new() };
    format!("{} {what}{later}{shams}", rule.output)
}
