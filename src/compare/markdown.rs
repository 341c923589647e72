//! A comparison as a page of Markdown.

mod text;

use std::fmt::{self, Write};

use self::text::{NOTHING, Table, interval, list, name, signed_interval, signed_spread, size, spread, three_digits};
use super::comparison::SystemRuns;
use super::measures::{Spread, mean};
use super::outcome::{LabelSetNames, Outcome, TriggerOutcome};
use super::ranking::{Estimate, Ranked};
use crate::time::TICK_RATE_HZ;
use crate::words::counted;

const SECS_PER_MINUTE: f64 = 60.0;

impl Ranked<'_> {
    /// All tables, as a page of Markdown. Names come from files; what would break a table or the page is escaped.
    pub fn markdown(&self) -> String {
        let mut page = String::new();
        // Writing to a text does not fail.
        let _ = self.write_markdown(&mut page);
        page
    }

    fn write_markdown(&self, page: &mut String) -> fmt::Result {
        self.headline(page)?;
        self.systems(page)?;
        self.recipes(page)?;
        self.triggers(page)?;
        self.behaviors(page)?;
        self.differences(page)
    }

    fn headline(&self, page: &mut String) -> fmt::Result {
        let run = self.comparison.any();
        let systems = counted(self.comparison.systems().len() as u64, "system");
        let recordings = counted(run.recordings.len() as u64, "recording");
        writeln!(page, "# {systems} on {recordings}\n")?;
        let names: Vec<String> = run.recordings.iter().map(|recording| name(&recording.name)).collect();
        writeln!(page, "- Recordings ({}): {}", name(&run.part), list(&names))?;
        let delay = |ticks: &u32| format!("{ticks} ({:.2} s)", f64::from(*ticks) / TICK_RATE_HZ);
        let delays: Vec<String> = self.comparison.delays_ticks().iter().map(delay).collect();
        writeln!(page, "- Decision delays in ticks: {}", delays.join(", "))?;
        let seeds = |system: &SystemRuns| {
            let seeds: Vec<String> = system.runs.iter().map(|run| run.seed.to_string()).collect();
            seeds.join(", ")
        };
        let all: Vec<(String, String)> =
            self.comparison.systems().iter().map(|system| (name(&system.name), seeds(system))).collect();
        if all.iter().all(|(_, seeds)| *seeds == all[0].1) {
            writeln!(page, "- Seeds, the same for each system: {}", all[0].1)?;
        } else {
            let each: Vec<String> = all.iter().map(|(system, seeds)| format!("{system} {seeds}")).collect();
            writeln!(page, "- Seeds, which differ: {}", each.join("; "))?;
        }
        if run.part == "validation" {
            writeln!(
                page,
                "- Epochs, thresholds and triggers of every system were chosen on these very recordings: all that stands \
                 here flatters."
            )?;
        }
        if run.recordings.len() < 2 {
            writeln!(page, "- Of a single recording there are no intervals, and so no system is told from another.")?;
        }
        Ok(())
    }

    fn systems(&self, page: &mut String) -> fmt::Result {
        let settled = self.delay(self.comparison.longest());
        let shared = self.comparison.advised_by_all(0);
        writeln!(
            page,
            "\n## Systems\n\nMean F1: of frames, pooled over recordings, averaged over the behaviors of a label set and over \
             label sets; then mean ± standard deviation over seeds. The interval holds 95% of draws of whole recordings. A \
             system shares the rank of the best of its group unless its difference from that one is above 0 over all its \
             interval. Bout F1 averages in the same way: the harmonic mean of the told bouts that overlap an annotated one \
             and of the annotated bouts that were hit.{}",
            self.about_triggers(&shared)
        )?;
        let mut head = vec!["rank".to_owned(), "system".to_owned()];
        head.extend(self.comparison.delays_ticks().iter().map(|ticks| format!("F1@{ticks}")));
        head.extend([format!("95% interval@{settled}"), format!("bout F1@{settled}")]);
        let first = self.delay(0);
        if !shared.is_empty() {
            let of_triggers = ["hits", "false/h", "onset latency s"].map(|what| format!("trigger {what}@{first}"));
            head.extend(of_triggers);
        }
        head.extend(["CPU µs/tick", "size", "training min"].map(str::to_owned));
        writeln!(page)?;
        let mut table = Table::new(page, &head, 2)?;
        for (standing, system) in self.in_order() {
            let mut cells = vec![standing.rank.to_string(), name(&system.name)];
            let delays = 0..self.comparison.delays_ticks().len();
            cells.extend(delays.map(|delay| spread(&system.each(|run| run.mean_f1(delay)))));
            cells.push(interval(standing.score));
            cells.push(spread(&system.each(|run| run.mean_bout_f1(self.comparison.longest()))));
            if !shared.is_empty() {
                cells.extend(pooled_triggers(system, &shared));
            }
            let average = |measure: &dyn Fn(&Outcome) -> f64| mean(&system.each(measure)).unwrap_or(0.0);
            cells.push(three_digits(average(&|run| run.cpu_micros_per_tick)));
            cells.push(size(average(&|run| run.bytes as f64)));
            cells.push(three_digits(average(&|run| run.training_secs) / SECS_PER_MINUTE));
            table.row(&cells)?;
        }
        Ok(())
    }

    /// What each system was given to learn, and where validation stopped it.
    fn recipes(&self, page: &mut String) -> fmt::Result {
        writeln!(
            page,
            "\n## Training\n\nAll systems: the same recordings, labels, calibration, thresholds and decoder, one configuration \
             for all networks and one for all trees, nothing searched here.\n"
        )?;
        let head = ["system", "given", "chosen on validation", "F1 there"].map(str::to_owned);
        let mut table = Table::new(page, &head, 3)?;
        for (_, system) in self.in_order() {
            let chosen: Vec<String> = system.runs.iter().map(|run| run.chosen_at.to_string()).collect();
            let mut recipes: Vec<String> = system.runs.iter().map(|run| name(&run.recipe)).collect();
            recipes.dedup();
            let chosen = format!("epoch or rounds {}", chosen.join(", "));
            let f1 = spread(&system.each(|run| run.validation_f1));
            table.row(&[name(&system.name), list(&recipes), chosen, f1])?;
        }
        Ok(())
    }

    /// Which behaviors the trigger columns of the main table are about.
    fn about_triggers(&self, shared: &[usize]) -> String {
        let Some(allowed) = self.comparison.false_per_hour_max() else {
            return " No run advises a trigger.".to_owned();
        };
        if shared.is_empty() {
            return " There is no behavior for which every run advises a trigger at the shortest delay, so triggers stand \
                    below only."
                .to_owned();
        }
        let run = self.comparison.any();
        let is_shared = |(index, ..): &(usize, usize, &LabelSetNames, &str)| shared.contains(index);
        let names = run.behaviors().filter(is_shared).map(|(_, _, set, behavior)| full_name(&set.name, behavior));
        format!(
            "\n\nTriggers: thresholds chosen on validation recordings for at most {allowed} false an hour, of one animal or \
             pair, measured on the scored ones. The columns are about the behaviors for which every run advises one ({}): \
             hits of all their bouts, and the means over them of false triggers an hour and of the median latency from \
             onset, the decision delay included.",
            list(&names.collect::<Vec<_>>())
        )
    }

    fn triggers(&self, page: &mut String) -> fmt::Result {
        let run = self.comparison.any();
        let Some(allowed) = self.comparison.false_per_hour_max() else { return Ok(()) };
        writeln!(
            page,
            "\n## Triggers at delay {}\n\nOf the bouts, how many were hit; false triggers an hour (allowed on \
             validation: {allowed}); median latency from onset. Means over the seeds whose run advises a trigger for the \
             behavior: how many these are is said where it is not all.\n",
            self.delay(0)
        )?;
        let mut table = Table::new(page, &self.behavior_head(), 2)?;
        for (index, set, names, behavior) in run.behaviors() {
            if run.is_asked(set) {
                let cells = self.in_order().map(|(_, system)| trigger(system, index));
                table.row(&labelled(&names.name, behavior, cells))?;
            }
        }
        Ok(())
    }

    fn behaviors(&self, page: &mut String) -> fmt::Result {
        let (run, longest) = (self.comparison.any(), self.comparison.longest());
        writeln!(page, "\n## F1 of frames by behavior at delay {}\n\nMeans over seeds.\n", self.delay(longest))?;
        let average = |values: &[f64]| mean(values).map_or(NOTHING.to_owned(), |mean| format!("{mean:.3}"));
        let mut table = Table::new(page, &self.behavior_head(), 2)?;
        for (index, set, names, behavior) in run.behaviors() {
            if run.is_asked(set) {
                let f1 = |run: &Outcome| run.pooled(longest)[index].f1();
                let cells = self.in_order().map(|(_, system)| average(&system.each(f1)));
                table.row(&labelled(&names.name, behavior, cells))?;
            }
        }
        for (index, names) in run.label_sets.iter().enumerate().filter(|(index, _)| run.is_asked(*index)) {
            let of_set = |run: &Outcome| run.set_f1(longest)[index].unwrap_or(0.0);
            let cells = self.in_order().map(|(_, system)| average(&system.each(of_set)));
            table.row(&[name(&names.name), "*mean*".to_owned()].into_iter().chain(cells).collect::<Vec<_>>())?;
        }
        let cells = self.in_order().map(|(_, system)| average(&system.each(|run| run.mean_f1(longest))));
        table.row(&["*all*", "*mean*"].map(str::to_owned).into_iter().chain(cells).collect::<Vec<_>>())
    }

    /// Label set and behavior, and the systems in order.
    fn behavior_head(&self) -> Vec<String> {
        let systems = self.in_order().map(|(_, system)| name(&system.name));
        ["label set", "behavior"].map(str::to_owned).into_iter().chain(systems).collect()
    }

    fn differences(&self, page: &mut String) -> fmt::Result {
        let order: Vec<(usize, String)> =
            self.in_order().map(|(standing, system)| (standing.system, name(&system.name))).collect();
        if order.len() < 2 {
            return Ok(());
        }
        writeln!(
            page,
            "\n## Differences of mean F1\n\nThe first less the second, ± the standard error over seeds; then the 95% interval \
             over the same draws of recordings for both, which says nothing of other seeds. A tie is an interval that holds \
             0. A verdict in brackets is one that seeds could turn: the difference is less than two of its standard errors.\n"
        )?;
        let mut delays = vec![self.comparison.longest(), 0];
        delays.dedup();
        let heads = delays.iter().flat_map(|delay| {
            ["difference", "95% interval", "verdict"].map(|what| format!("{what}@{}", self.delay(*delay)))
        });
        let head: Vec<String> = ["first", "second"].map(str::to_owned).into_iter().chain(heads).collect();
        let systems = self.comparison.systems();
        let mut table = Table::new(page, &head, 2)?;
        for (place, (a, first)) in order.iter().enumerate() {
            for (b, second) in &order[place + 1..] {
                let cells = delays.iter().flat_map(|delay| {
                    let difference = self.at(*delay).difference(*a, *b);
                    let error = seeds_error(&systems[*a], &systems[*b], *delay);
                    [signed_spread(difference.value, error), signed_interval(difference), verdict(difference, error)]
                });
                let names = [first.clone(), second.clone()];
                table.row(&names.into_iter().chain(cells).collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    fn delay(&self, index: usize) -> u32 {
        self.comparison.delays_ticks()[index]
    }
}

fn full_name(label_set: &str, behavior: &str) -> String {
    format!("{}/{}", name(label_set), name(behavior))
}

/// A row about a behavior.
fn labelled(label_set: &str, behavior: &str, cells: impl Iterator<Item = String>) -> Vec<String> {
    [name(label_set), name(behavior)].into_iter().chain(cells).collect()
}

/// Hits, false triggers an hour and latency at the shortest delay, over behaviors for which every run advises a trigger.
fn pooled_triggers(system: &SystemRuns, behaviors: &[usize]) -> [String; 3] {
    let of_run = |run: &Outcome| -> Vec<TriggerOutcome> {
        behaviors.iter().filter_map(|behavior| run.triggers[0][*behavior]).collect()
    };
    let runs: Vec<Vec<TriggerOutcome>> = system.runs.iter().map(of_run).collect();
    let over_runs = |of: &dyn Fn(&[TriggerOutcome]) -> Option<f64>| -> Option<f64> {
        // One without it would make the mean one of other runs.
        mean(&runs.iter().map(|triggers| of(triggers)).collect::<Option<Vec<f64>>>()?)
    };
    let hits = over_runs(&|triggers| Some(triggers.iter().map(|trigger| trigger.hits).sum::<u64>() as f64));
    let bouts: u64 = runs.first().into_iter().flatten().map(|trigger| trigger.bouts).sum();
    let false_per_hour =
        over_runs(&|triggers| mean(&triggers.iter().map(|one| one.false_per_hour).collect::<Vec<_>>()));
    let latency = over_runs(&|triggers| {
        mean(&triggers.iter().map(|trigger| trigger.latency_median_secs).collect::<Option<Vec<f64>>>()?)
    });
    let written = |value: Option<f64>, digits: usize| value.map_or(NOTHING.into(), |value| format!("{value:.digits$}"));
    [format!("{} of {bouts}", written(hits, 1)), written(false_per_hour, 2), written(latency, 2)]
}

/// What the trigger of a behavior gives at the shortest delay, by its index: `12.3 of 20, 0.8/h, 1.24 s (2 of 3 seeds)`.
fn trigger(system: &SystemRuns, behavior: usize) -> String {
    let triggers: Vec<TriggerOutcome> = system.runs.iter().filter_map(|run| run.triggers[0][behavior]).collect();
    let Some(first) = triggers.first() else { return "no advice".to_owned() };
    let over_runs = |of: &dyn Fn(&TriggerOutcome) -> f64| mean(&triggers.iter().map(of).collect::<Vec<_>>());
    let hits = over_runs(&|trigger| trigger.hits as f64).unwrap_or(0.0);
    let false_per_hour = over_runs(&|trigger| trigger.false_per_hour).unwrap_or(0.0);
    let latencies: Vec<f64> = triggers.iter().filter_map(|trigger| trigger.latency_median_secs).collect();
    let latency = mean(&latencies).map_or(NOTHING.to_owned(), |secs| format!("{secs:.2} s"));
    let seeds = match (triggers.len(), system.runs.len()) {
        (some, all) if some < all => format!(" ({some} of {all} seeds)"),
        _ => String::new(),
    };
    format!("{hits:.1} of {}, {false_per_hour:.2}/h, {latency}{seeds}", first.bouts)
}

/// The standard error of the difference of two systems' mean F1, if their seeds are chance; none where either has one.
fn seeds_error(a: &SystemRuns, b: &SystemRuns, delay: usize) -> Option<f64> {
    let square = |system: &SystemRuns| {
        let deviation = Spread::of(&system.each(|run| run.mean_f1(delay)))?.deviation?;
        Some(deviation.powi(2) / system.runs.len() as f64)
    };
    Some((square(a)? + square(b)?).sqrt())
}

fn verdict(difference: Estimate, seeds_error: Option<f64>) -> String {
    let verdict = match difference.is_tie() {
        true => return "tie".to_owned(),
        false if difference.value > 0.0 => "better",
        false => "worse",
    };
    let is_open = seeds_error.is_some_and(|error| difference.value.abs() < 2.0 * error);
    if is_open { format!("({verdict})") } else { verdict.to_owned() }
}

#[cfg(test)]
mod tests;
