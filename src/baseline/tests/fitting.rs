use super::*;
use crate::output::decoder::DecodeRule;

/// Truth and labels of T × cells.
struct Labels {
    cells: Vec<Cell>,
    truth: Vec<bool>,
    labelled: Vec<bool>,
}

impl Labels {
    fn new(ticks: usize, cells: &[Cell], happens: impl Fn(usize, Cell) -> bool) -> Self {
        let truth = (0..ticks).flat_map(|tick| cells.iter().map(move |cell| (tick, *cell)));
        Self {
            truth: truth.map(|(tick, cell)| happens(tick, cell)).collect(),
            labelled: vec![true; ticks * cells.len()],
            cells: cells.to_vec(),
        }
    }

    fn truth(&self) -> Truth<'_> {
        Truth { cells: &self.cells, truth: &self.truth, labelled: &self.labelled }
    }

    /// Of one cell over the labelled ticks.
    fn f1(&self, bouts: &[Bout], cell: Cell) -> f64 {
        let index = self.cells.iter().position(|candidate| *candidate == cell).unwrap();
        let (mut hits, mut sum) = (0, 0);
        for (tick, (truth, labelled)) in
            self.truth.chunks(self.cells.len()).zip(self.labelled.chunks(self.cells.len())).enumerate()
        {
            let within = |bout: &&Bout| bout.cell == cell && (bout.start..bout.stop).contains(&(tick as u64));
            let told = bouts.iter().any(|bout| within(&bout));
            if labelled[index] {
                hits += usize::from(told && truth[index]);
                sum += usize::from(told) + usize::from(truth[index]);
            }
        }
        2.0 * hits as f64 / sum.max(1) as f64
    }
}

fn sniffs() -> Ethogram {
    ethogram(&[&[("chase", Kind::Directed), ("sniffgenital", Kind::Directed), ("sniffface", Kind::Directed)]])
}

/// Chases and sniffs in turn, on another scale than the rules were written for.
fn small(seed: usize) -> (Played, Labels) {
    let ticks = 150 + 10 * seed;
    let played = chase(ticks).then(sniff_genital(ticks)).then(sniff_face(ticks)).then(alone(ticks, 0.1));
    let orders = [(1, 0), (0, 1)];
    let cells: Vec<Cell> =
        (0..3).flat_map(|behavior| orders.map(|(agent, target)| directed(behavior, agent, target))).collect();
    let labels = Labels::new(4 * ticks, &cells, |tick, cell| {
        let act = tick / ticks;
        let hunter = cell == directed(cell.behavior.0, 1, 0);
        // Two noses that meet sniff each other.
        act == usize::from(cell.behavior.0) && (hunter || act == 2)
    });
    (played.map(|point| point * 0.25), labels)
}

#[test]
fn fitted_thresholds_beat_the_written_ones_on_another_scale() {
    let (ethogram, skeleton) = (sniffs(), skeleton());
    let recordings = [small(0), small(1)];
    let given: Vec<_> = recordings.iter().map(|(played, labels)| (played.track(&skeleton), labels.truth())).collect();
    let fitted = fit(&given, &ethogram).unwrap();
    let (fresh, labels) = small(3);
    for cell in [directed(0, 1, 0), directed(1, 1, 0), directed(2, 1, 0)] {
        let [written, fitted] =
            [FittedRules::written(&ethogram), fitted.clone()].map(|rules| labels.f1(&fresh.bouts(&rules), cell));
        assert!(fitted > 0.9 && fitted > written, "{cell:?}: {written} written, {fitted} fitted");
    }
    let again = fit(&given, &ethogram).unwrap();
    assert_eq!(again, fitted);
    for (rule, written) in fitted.rules().iter().zip(FittedRules::written(&ethogram).rules()) {
        let shape = |rule: &FittedRule| -> Vec<_> {
            rule.conditions.iter().map(|condition| (condition.quantity, condition.side)).collect()
        };
        assert_eq!(shape(rule), shape(written));
    }
}

#[test]
fn the_agreement_of_a_rule_is_that_of_its_bouts() {
    // A lab that looked away for a while, and an animal that is lost at every seventh tick: there are holes to fill.
    let (played, skeleton) =
        (sniff_genital(400).hidden(|tick, individual, _| individual == 1 && tick % 7 == 0), skeleton());
    let cell = directed(0, 1, 0);
    let mut labels = Labels::new(400, &[cell, directed(0, 0, 1)], |tick, own| own == cell && (40..300).contains(&tick));
    labels.labelled[600..700].fill(false);
    let ethogram = ethogram(&[&[("sniffgenital", Kind::Directed)]]);
    let fitted = fit(&[(played.track(&skeleton), labels.truth())], &ethogram).unwrap();
    let rule = &fitted.rules()[0];
    assert!(rule.gap_ticks_max > 0, "{fitted}");
    let agreement = rule.agreement.unwrap();
    assert_eq!(agreement.happened_ticks, 260);
    let f1 = labels.f1(&played.bouts(&fitted), cell);
    assert!((agreement.f1 - f1).abs() < 1e-9, "{} told, {f1} found", agreement.f1);
    let DecodeRule { duration_ticks_min, gap_ticks_max, .. } = fitted.decode_rules()[0];
    assert_eq!((duration_ticks_min, gap_ticks_max), (rule.duration_ticks_min, rule.gap_ticks_max));
}

#[test]
fn what_never_happens_and_what_nobody_looked_for_stays_as_written() {
    let (ethogram, skeleton) = (sniffs(), skeleton());
    let written = FittedRules::written(&ethogram);
    assert_eq!(fit(&[], &ethogram).unwrap(), written);
    let played = chase(100);
    let nothing = Labels::new(100, &[directed(0, 1, 0)], |_, _| false);
    assert_eq!(fit(&[(played.track(&skeleton), nothing.truth())], &ethogram).unwrap(), written);
    let mut unscored = Labels::new(100, &[directed(0, 1, 0)], |_, _| true);
    unscored.labelled.fill(false);
    assert_eq!(fit(&[(played.track(&skeleton), unscored.truth())], &ethogram).unwrap(), written);
    let hidden = chase(100).hidden(|_, _, _| true);
    let happens = Labels::new(100, &[directed(0, 1, 0)], |_, _| true);
    let fitted = fit(&[(hidden.track(&skeleton), happens.truth())], &ethogram).unwrap();
    assert_eq!(fitted.rules()[0].conditions, written.rules()[0].conditions);
    assert_eq!(fitted.rules()[0].agreement.map(|agreement| agreement.f1), Some(0.0));
    let nobody = Track::new(&skeleton, 0, []).unwrap();
    let none = Labels::new(0, &[], |_, _| true);
    assert_eq!(fit(&[(nobody, none.truth())], &ethogram).unwrap(), written);
}

#[test]
fn labels_that_do_not_fit_are_refused_with_both_numbers() {
    let (ethogram, skeleton, played) = (sniffs(), skeleton(), chase(10));
    let error = |labels: &Labels| fit(&[(played.track(&skeleton), labels.truth())], &ethogram).unwrap_err().to_string();
    let labels = || Labels::new(10, &[directed(0, 1, 0), directed(0, 0, 1)], |_, _| true);
    let mut short = labels();
    short.truth.pop();
    assert_eq!(error(&short), "recording 0: expected 20 values of truth, ticks × cells, got 19");
    let mut long = labels();
    long.labelled.push(true);
    assert_eq!(error(&long), "recording 0: expected 20 values of labelled, ticks × cells, got 21");
    for cell in [directed(3, 0, 1), directed(0, 2, 0), directed(0, 1, 1), own(0, 0)] {
        let error = error(&Labels::new(10, &[cell], |_, _| true));
        assert!(error.starts_with("recording 0: expected cells of the ethogram and of 2 individuals, got "), "{error}");
    }
    let nine = Track::new(&skeleton, 9, []).unwrap_err();
    assert_eq!(nine.to_string(), "expected at most 8 individuals, got 9");
    let ticks = [&played.points[..8], &played.points[..7]];
    assert_eq!(Track::new(&skeleton, 2, ticks).unwrap_err().to_string(), "tick 1: expected 8 points, got 7");
}

#[test]
fn what_is_rare_within_something_common_is_told_where_that_is_better() {
    // Two animals are together all the time; now and then one sniffs, and the rule finds it a little too often.
    let ticks = 600;
    let together = |tick: usize, cell: Cell| cell.behavior == Behavior(0) || (320..400).contains(&tick);
    let both = Subject::Both { first: Individual(0), second: Individual(1) };
    let cells = [0, 1].map(|behavior| Cell { behavior: Behavior(behavior), subject: both });
    let labels = Labels::new(ticks, &cells, together);
    let (played, skeleton) = (sniff_face(300).then(sniff_genital(300)), skeleton());
    let ethogram = ethogram(&[&[("interact", Kind::Undirected), ("sniffgenital", Kind::Undirected)]]);
    let fitted = fit(&[(played.track(&skeleton), labels.truth())], &ethogram).unwrap();
    let [common, rare] = [&fitted.rules()[0], &fitted.rules()[1]];
    let precision = |rule: &FittedRule| rule.agreement.unwrap().precision;
    assert!(precision(common) > precision(rare) && common.priority < rare.priority, "{fitted}");
    assert!(labels.f1(&played.bouts(&fitted), cells[1]) > 0.3);
}
