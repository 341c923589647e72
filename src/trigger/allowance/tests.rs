//! The allowance against a reference that keeps everything and computes every limit from scratch.

use proptest::prelude::*;

use super::*;

const MINUTE_NANOS: i64 = 60_000_000_000;
const MINUTE_MILLIS: u64 = 60_000;
const START_NANOS: i64 = 1_700_000_000_000_000_000;

impl Allowance {
    /// As if all that is on ended now, after its planned time.
    pub(in crate::trigger) fn settle_as_planned(&mut self, now_nanos: i64) {
        for Running { number, begin_nanos, kind, on_millis, .. } in self.running.clone() {
            let on_millis = if kind == Kind::Sham { 0 } else { on_millis };
            self.settle(Booking { number, begin_nanos }, now_nanos, on_millis);
        }
    }
}

pub(in crate::trigger) fn animals(cage: usize, agent: usize, target: Option<usize>) -> Animals {
    Animals {
        cage: format!("cage {cage}"),
        agent: format!("rat {agent}"),
        target: target.map(|at| format!("rat {at}")),
    }
}

pub(in crate::trigger) fn dose_limits(output: usize) -> DoseLimits {
    if output == 0 {
        DoseLimits::new(3, 7, 25 * MINUTE_MILLIS, 60 * MINUTE_MILLIS).unwrap()
    } else {
        DoseLimits::new(2, 100, 30 * MINUTE_MILLIS, 90 * MINUTE_MILLIS).unwrap()
    }
}

/// Periods, on-times and waits are few and round, so that they meet their limits exactly.
pub(in crate::trigger) fn any_request() -> impl Strategy<Value = Request> {
    let period = || prop_oneof![3 => Just(0_u64), 2 => Just(10), 1 => Just(60), 1 => Just(120)];
    let refractory = (period(), period(), period()).prop_map(|(pair, cage, rig)| {
        Refractory::new(pair * MINUTE_MILLIS, cage * MINUTE_MILLIS, rig * MINUTE_MILLIS).unwrap()
    });
    let who =
        (0..2_usize, 0..2_usize, prop::option::of(0..2_usize)).prop_map(|(cage, agent, to)| animals(cage, agent, to));
    let on_minutes = prop_oneof![Just(0_u64), Just(5), Just(10), Just(20), Just(40)];
    let kind = prop_oneof![3 => Just(Kind::Stimulus), 1 => Just(Kind::Sham)];
    (kind, 0..2_usize, who, on_minutes, refractory).prop_map(|(kind, output, animals, minutes, refractory)| Request {
        kind,
        refractory,
        output: format!("laser {output}"),
        dose: dose_limits(output),
        animals,
        on_millis: minutes * MINUTE_MILLIS,
    })
}

pub(in crate::trigger) fn any_wait() -> impl Strategy<Value = i64> {
    let minutes = prop_oneof![Just(0), Just(5), Just(10), Just(60), Just(120), Just(1500)];
    (minutes, prop_oneof![4 => Just(0), 1 => Just(1), 1 => Just(-1)])
        .prop_map(|(minutes, more)| (minutes * MINUTE_NANOS + more).max(0))
}

/// What was given, with everything that is known of it.
#[derive(Clone, Debug)]
pub(in crate::trigger) struct Given {
    pub request: Request,
    pub begin_nanos: i64,
    /// `None` while it is on.
    pub end_nanos: Option<i64>,
    /// Planned, then real.
    pub on_millis: u64,
}

impl Given {
    fn doses(&self, output: &str) -> bool {
        self.request.output == output
            && (self.request.kind == Kind::Stimulus || self.end_nanos.is_some() && self.on_millis > 0)
    }

    /// Whether it lies, in part, within the hour that ends then.
    fn in_hour(&self, hour_end_nanos: i64) -> bool {
        self.begin_nanos <= hour_end_nanos
            && self.end_nanos.is_none_or(|end_nanos| end_nanos >= hour_end_nanos - 60 * MINUTE_NANOS)
    }
}

fn sums<'a>(given: impl Iterator<Item = &'a Given>) -> (u64, u64) {
    given.fold((0, 0), |(count, on_millis), given| (count + 1, on_millis + given.on_millis))
}

/// Every cause to refuse, in the order in which they are told.
fn causes(history: &[Given], now_nanos: i64, request: &Request) -> Vec<&'static str> {
    let mut causes = Vec::new();
    if request.kind == Kind::Stimulus {
        let (count, on_millis) = sums(history.iter().filter(|given| given.doses(&request.output)));
        let recent = history.iter().filter(|given| given.doses(&request.output) && given.in_hour(now_nanos));
        let (count_in_hour, on_millis_in_hour) = sums(recent);
        let dose = &request.dose;
        let over = [
            (count + 1 > u64::from(dose.count_per_session_max()), "session_count"),
            (on_millis + request.on_millis > dose.on_millis_per_session_max(), "session_on_time"),
            (count_in_hour + 1 > u64::from(dose.count_per_hour_max()), "hour_count"),
            (on_millis_in_hour + request.on_millis > dose.on_millis_per_hour_max(), "hour_on_time"),
        ];
        causes.extend(over.iter().filter(|(over, _)| *over).map(|(_, cause)| *cause));
    }
    for (given, cause, period_millis) in history.iter().flat_map(|given| looked_back_on(given, request)) {
        let least_nanos = period_millis as i64 * 1_000_000;
        if least_nanos > 0 && given.end_nanos.is_none_or(|end_nanos| now_nanos - end_nanos < least_nanos) {
            causes.push(cause);
        }
    }
    if history.iter().any(|given| given.request.output == request.output && given.end_nanos.is_none()) {
        causes.push("output_on");
    }
    let order = ["session_count", "session_on_time", "hour_count", "hour_on_time", "rig_refractory", "cage_refractory"];
    causes.sort_by_key(|cause| {
        (order.iter().position(|first| first == cause).unwrap_or(order.len()), *cause == "output_on")
    });
    causes
}

fn looked_back_on<'a>(given: &'a Given, request: &Request) -> Vec<(&'a Given, &'static str, u64)> {
    let (refractory, earlier, later) = (&request.refractory, &given.request.animals, &request.animals);
    let mut all = vec![(given, "rig_refractory", refractory.rig_millis())];
    if earlier.cage == later.cage {
        all.push((given, "cage_refractory", refractory.cage_millis()));
    }
    if (&earlier.cage, &earlier.agent, &earlier.target) == (&later.cage, &later.agent, &later.target) {
        all.push((given, "pair_refractory", refractory.pair_millis()));
    }
    all
}

/// The limits over the whole of a history without overruns, oldest first.
pub(in crate::trigger) fn assert_within_limits(history: &[Given]) {
    for (at, later) in history.iter().enumerate() {
        let refused =
            history[..at].iter().flat_map(|given| looked_back_on(given, &later.request)).find(|(given, _, millis)| {
                *millis > 0 && later.begin_nanos - given.end_nanos.unwrap() < *millis as i64 * 1_000_000
            });
        assert!(refused.is_none(), "{later:?} after {refused:?}");
    }
    for output in 0..2 {
        let (name, limits) = (format!("laser {output}"), dose_limits(output));
        let given: Vec<_> = history.iter().filter(|given| given.doses(&name)).collect();
        let (count, on_millis) = sums(given.iter().copied());
        assert!(count <= limits.count_per_session_max().into() && on_millis <= limits.on_millis_per_session_max());
        // An hour that holds the most ends with a begin, or begins with an end.
        let ends = given.iter().flat_map(|given| [given.begin_nanos, given.end_nanos.unwrap() + 60 * MINUTE_NANOS]);
        for hour_end_nanos in ends {
            let begun = given
                .iter()
                .filter(|given| (hour_end_nanos - 60 * MINUTE_NANOS..=hour_end_nanos).contains(&given.begin_nanos));
            assert!(begun.count() <= limits.count_per_hour_max() as usize, "{given:?}");
            let (_, on_millis) = sums(given.iter().copied().filter(|given| given.in_hour(hour_end_nanos)));
            assert!(on_millis <= limits.on_millis_per_hour_max(), "{given:?}");
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Wait(i64),
    /// A clock that runs backwards.
    Back(i64),
    Book(Request),
    /// Ended so long ago, on for so many times a quarter of what was planned.
    Settle(usize, i64, u64),
    Cancel(usize),
}

fn any_act(quarters_max: u64) -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any_wait().prop_map(Act::Wait),
        1 => any_wait().prop_map(Act::Back),
        8 => any_request().prop_map(Act::Book),
        6 => (0..3_usize, any_wait(), 0..=quarters_max)
            .prop_map(|(which, ago_nanos, quarters)| Act::Settle(which, ago_nanos, quarters)),
        1 => (0..3_usize).prop_map(Act::Cancel),
    ]
}

/// Lets the allowance and the reference decide side by side.
#[derive(Default)]
struct Trial {
    allowance: Allowance,
    now_nanos: i64,
    newest_nanos: i64,
    history: Vec<Given>,
    running: Vec<(Booking, usize)>,
}

impl Trial {
    fn act(&mut self, act: Act) {
        match act {
            Act::Wait(nanos) => self.now_nanos += nanos,
            Act::Back(nanos) => self.now_nanos -= nanos,
            Act::Book(request) => self.book(request),
            Act::Settle(which, ago_nanos, quarters) if which < self.running.len() => {
                let (booking, at) = self.running.remove(which);
                let given = &mut self.history[at];
                let end_nanos = self.now_nanos - ago_nanos;
                given.end_nanos = Some(end_nanos.max(given.begin_nanos));
                let planned_millis =
                    if given.request.kind == Kind::Sham && quarters <= 4 { 0 } else { given.on_millis };
                given.on_millis = planned_millis * quarters / 4;
                self.allowance.settle(booking, end_nanos, given.on_millis);
            }
            Act::Cancel(which) if which < self.running.len() => {
                let (booking, at) = self.running.remove(which);
                self.history.remove(at);
                self.running.iter_mut().for_each(|(_, other)| *other -= usize::from(*other > at));
                self.allowance.cancel(booking);
            }
            Act::Settle(..) | Act::Cancel(_) => {}
        }
    }

    fn book(&mut self, request: Request) {
        let now_nanos = self.now_nanos.max(self.newest_nanos);
        let causes = causes(&self.history, now_nanos, &request);
        match self.allowance.book(self.now_nanos, &request) {
            Ok(booking) => {
                assert!(causes.is_empty(), "allowed in spite of {causes:?}: {request:?}");
                assert_eq!(booking.id().begin_nanos, now_nanos);
                self.newest_nanos = now_nanos;
                self.running.push((booking, self.history.len()));
                let on_millis = request.on_millis;
                self.history.push(Given { request, begin_nanos: now_nanos, end_nanos: None, on_millis });
            }
            Err(refusal) => {
                assert_eq!(Some(&refusal.cause()), causes.first(), "{refusal}, but {causes:?}: {request:?}");
                let Some(wait_millis) = refusal.wait_millis() else { return };
                let cause_after = |millis: u64| {
                    self.allowance
                        .ask(now_nanos + millis as i64 * 1_000_000, &request)
                        .err()
                        .map(|refusal| refusal.cause())
                };
                assert_eq!(cause_after(wait_millis - 1), Some(refusal.cause()));
                assert_ne!(cause_after(wait_millis), Some(refusal.cause()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_limit_is_ever_exceeded(acts in prop::collection::vec(any_act(4), 1..80)) {
        let mut trial = Trial { now_nanos: START_NANOS, ..Trial::default() };
        for act in acts {
            trial.act(act);
        }
        let Trial { mut history, now_nanos, newest_nanos, .. } = trial;
        for given in &mut history {
            given.end_nanos = given.end_nanos.or(Some(now_nanos.max(newest_nanos)));
            given.on_millis = if given.request.kind == Kind::Sham { 0 } else { given.on_millis };
        }
        assert_within_limits(&history);
    }

    #[test]
    fn overruns_and_light_during_shams_count_as_they_were(acts in prop::collection::vec(any_act(8), 1..80)) {
        let mut trial = Trial { now_nanos: START_NANOS, ..Trial::default() };
        for act in acts {
            trial.act(act);
        }
    }

    #[test]
    fn shams_use_no_dose(requests in prop::collection::vec((any_request(), any_wait()), 1..60)) {
        let mut allowance = Allowance::new();
        let mut now_nanos = START_NANOS;
        for (request, wait_nanos) in requests {
            now_nanos += wait_nanos;
            let sham = Request { kind: Kind::Sham, ..request.clone() };
            let Ok(booking) = allowance.book(now_nanos, &sham) else { continue };
            allowance.settle(booking, now_nanos, 0);
            let refractory = Refractory::new(0, 0, 0).unwrap();
            let refusal = allowance.ask(now_nanos, &Request { kind: Kind::Stimulus, refractory, ..request.clone() });
            let too_long = request.on_millis > request.dose.on_millis_per_hour_max();
            prop_assert_eq!(refusal.err().map(|refusal| refusal.cause()), too_long.then_some("hour_on_time"));
            let refractory = Refractory::new(1, 0, 0).unwrap();
            let refusal = allowance.ask(now_nanos, &Request { refractory, ..sham }).unwrap_err();
            let told = "less than 1 ms since the end of the last stimulation of the pair; again in 1 ms";
            prop_assert_eq!(refusal.to_string(), told);
        }
    }
}

fn stimulus(animals: Animals) -> Request {
    let refractory = Refractory::new(1000, 0, 0).unwrap();
    Request { kind: Kind::Stimulus, refractory, output: "laser 0".into(), dose: dose_limits(0), animals, on_millis: 1 }
}

#[test]
fn memory_has_a_bound() {
    let mut allowance = Allowance::new();
    let sham = |agent| Request { kind: Kind::Sham, ..stimulus(animals(0, agent, None)) };
    for agent in 0..PAIRS_MAX {
        let booking = allowance.book(START_NANOS, &sham(agent)).unwrap();
        allowance.settle(booking, START_NANOS, 0);
    }
    let refusal = allowance.ask(START_NANOS, &sham(PAIRS_MAX)).unwrap_err();
    assert_eq!(refusal, Refusal::TooMany { what: "pairs", expected_max: PAIRS_MAX });
    assert_eq!(allowance.ask(START_NANOS, &sham(0)).unwrap_err().cause(), "pair_refractory");
    let tomorrow_nanos = START_NANOS + 24 * 60 * MINUTE_NANOS;
    allowance.book(tomorrow_nanos, &sham(PAIRS_MAX)).map(drop).unwrap();
    assert_eq!(allowance.ends.kept(), 0);
    let nameless = Request { output: String::new(), ..sham(0) };
    assert_eq!(allowance.ask(tomorrow_nanos, &nameless).unwrap_err().cause(), "name");
}

#[test]
fn an_hour_of_many_stimuli_leaves_memory_again() {
    let mut allowance = Allowance::new();
    let dose = DoseLimits::new(1000, 10_000, 3_600_000, 86_400_000).unwrap();
    for second in 0..5000 {
        let now_nanos = START_NANOS + second * 4_000_000_000;
        let booking = allowance.book(now_nanos, &Request { dose, ..stimulus(animals(0, 0, None)) }).unwrap();
        allowance.settle(booking, now_nanos + 1_000_000, 1);
    }
    let used = allowance.doses["laser 0"].in_session();
    assert_eq!((used.count, used.on_millis), (5000, 5000));
    assert!(allowance.doses["laser 0"].recorded() <= 901);
}

#[test]
fn times_at_the_ends_of_the_number_line_are_no_way_out() {
    for now_nanos in [i64::MIN, i64::MAX] {
        let mut allowance = Allowance::new();
        let request = Request { on_millis: u64::MAX, ..stimulus(animals(0, 0, None)) };
        assert_eq!(allowance.ask(now_nanos, &request).unwrap_err().cause(), "session_on_time");
        let request = stimulus(animals(0, 0, None));
        let booking = allowance.book(now_nanos, &request).unwrap();
        allowance.settle(booking, now_nanos, u64::MAX);
        assert_eq!(allowance.ask(now_nanos, &request).unwrap_err().cause(), "session_on_time");
        let sham = Request { kind: Kind::Sham, ..request };
        assert_eq!(allowance.ask(now_nanos, &sham).unwrap_err().cause(), "pair_refractory");
    }
}
