//! The book under crashes: cut at every byte that a crash may leave, and opened again.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::trigger::allowance::Animals;
use crate::trigger::allowance::Booking;
use crate::trigger::allowance::limits::Refractory;
use crate::trigger::allowance::tests::{Given, animals, any_request, any_wait, assert_within_limits, dose_limits};

const START_NANOS: i64 = 1_700_000_000_000_000_000;
const SECOND_NANOS: i64 = 1_000_000_000;
const MINUTE_NANOS: i64 = 60 * SECOND_NANOS;
const MINUTE_MILLIS: u64 = 60_000;

/// In memory where there is such a folder: thousands of syncs.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn open(path: &Path, now_nanos: i64) -> Result<(DoseBook, Restored), DoseBookError> {
    DoseBook::open(path, "day 3", now_nanos, BOOK_BYTES_MAX)
}

fn request(kind: Kind, output: usize, who: Animals, minutes: u64) -> Request {
    let refractory = Refractory::new(10 * MINUTE_MILLIS, 0, MINUTE_MILLIS).unwrap();
    let (output, dose, on_millis) = (format!("laser {output}"), dose_limits(output), minutes * MINUTE_MILLIS);
    Request { kind, refractory, output, dose, animals: who, on_millis }
}

/// One of each kind, on outputs and animals that may have been stimulated and such that never were, with and without
/// refractory periods.
fn probes() -> Vec<Request> {
    let mut probes = Vec::new();
    for (pair, cage, rig) in [(0, 0, 0), (10, 0, 0), (0, 60, 0), (0, 0, 10)] {
        let refractory = Refractory::new(pair * MINUTE_MILLIS, cage * MINUTE_MILLIS, rig * MINUTE_MILLIS).unwrap();
        for (output, minutes) in [(0, 0), (0, 5), (0, 20), (1, 0), (1, 10)] {
            for who in [animals(0, 0, Some(1)), animals(0, 0, None), animals(1, 0, Some(1)), animals(1, 1, Some(0))] {
                for kind in [Kind::Stimulus, Kind::Sham] {
                    probes.push(Request { refractory, ..request(kind, output, who.clone(), minutes) });
                }
            }
        }
    }
    probes
}

/// `now_nanos` is one moment on both time lines.
fn assert_no_more(restored: (&Allowance, i64), uncrashed: (&Allowance, i64)) {
    for later_minutes in [0, 1, 5, 10, 20, 30, 50, 59, 60, 61, 70, 120] {
        for more_nanos in [-1, 0, 1] {
            let later_nanos = (later_minutes * MINUTE_NANOS + more_nanos).max(0);
            for probe in probes() {
                if restored.0.ask(restored.1 + later_nanos, &probe).is_ok() {
                    let refusal = uncrashed.0.ask(uncrashed.1 + later_nanos, &probe);
                    assert_eq!(refusal, Ok(()), "after {later_nanos} ns: {probe:?}");
                }
            }
        }
    }
}

/// A rig with its book; time is told by a clock that may be set back between two processes.
struct Rig {
    folder: tempfile::TempDir,
    book: Option<DoseBook>,
    allowance: Allowance,
    true_nanos: i64,
    /// What the clock says more than the truth.
    ahead_nanos: i64,
    history: Vec<Given>,
    running: Vec<(Booking, usize)>,
}

impl Rig {
    fn new() -> Self {
        let folder = folder();
        let (book, restored) = open(&folder.path().join("book"), START_NANOS).unwrap();
        Self {
            folder,
            book: Some(book),
            allowance: restored.allowance,
            true_nanos: START_NANOS,
            ahead_nanos: 0,
            history: Vec::new(),
            running: Vec::new(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("book")
    }

    fn now_nanos(&self) -> i64 {
        self.true_nanos + self.ahead_nanos
    }

    fn stimulate(&mut self, request: Request) {
        let now_nanos = self.now_nanos();
        let book = self.book.as_mut().unwrap();
        if self.allowance.ask(now_nanos, &request).is_err() {
            return;
        }
        book.reserve(now_nanos, &request.output, request.on_millis).unwrap();
        let booking = self.allowance.book(now_nanos, &request).unwrap();
        book.spend(booking.id(), &request).unwrap();
        let (begin_nanos, on_millis) = (self.true_nanos, request.on_millis);
        self.running.push((booking, self.history.len()));
        self.history.push(Given { request, begin_nanos, end_nanos: None, on_millis });
    }

    /// Its end, on for so many quarters of the planned time.
    fn settle(&mut self, which: usize, quarters: u64) {
        if which < self.running.len() {
            let (booking, at) = self.running.remove(which);
            let given = &mut self.history[at];
            let sham = given.request.kind == Kind::Sham;
            given.on_millis = if sham { 0 } else { given.on_millis * quarters / 4 };
            given.end_nanos = Some(self.true_nanos);
            let (now_nanos, on_millis) = (self.now_nanos(), self.history[at].on_millis);
            self.book.as_mut().unwrap().settle(booking.id(), now_nanos, on_millis).unwrap();
            self.allowance.settle(booking, now_nanos, on_millis);
        }
    }

    /// The power goes, and of what was not synced so much is left; then the clock is set back.
    fn crash(&mut self, left: f64, pause_nanos: i64, back_nanos: i64) {
        let DoseBook { bytes, synced_bytes, .. } = self.book.take().unwrap();
        let file = OpenOptions::new().write(true).open(self.path()).unwrap();
        file.set_len(synced_bytes + (left * (bytes - synced_bytes) as f64) as u64).unwrap();
        for (_, at) in self.running.drain(..) {
            let given = &mut self.history[at];
            given.end_nanos = Some(self.true_nanos);
            given.on_millis = if given.request.kind == Kind::Sham { 0 } else { given.on_millis };
        }
        self.allowance.settle_as_planned(self.now_nanos());
        self.true_nanos += pause_nanos;
        let uncrashed_nanos = self.now_nanos();
        self.ahead_nanos -= back_nanos;
        let now_nanos = self.now_nanos();
        let (book, restored) = open(&self.path(), now_nanos).unwrap();
        assert_no_more((&restored.allowance, now_nanos), (&self.allowance, uncrashed_nanos));
        (self.book, self.allowance) = (Some(book), restored.allowance);
    }

    /// Nothing reserved, nothing on.
    fn end(&mut self) {
        while !self.running.is_empty() {
            self.settle(0, 4);
        }
        let now_nanos = self.now_nanos();
        let book = self.book.as_mut().unwrap();
        for output in ["laser 0", "laser 1"] {
            if book.reserved_millis(output).is_some() {
                book.release(now_nanos, output).unwrap();
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Wait(i64),
    Stimulate(Request),
    Settle(usize, u64),
    Crash(f64, i64, i64),
}

fn any_act() -> impl Strategy<Value = Act> {
    let back = prop_oneof![2 => Just(0), 1 => any_wait()];
    prop_oneof![
        4 => any_wait().prop_map(Act::Wait),
        8 => any_request().prop_map(Act::Stimulate),
        6 => (0..2_usize, 0..=4_u64).prop_map(|(which, quarters)| Act::Settle(which, quarters)),
        1 => (0.0..=1.0_f64, any_wait(), back).prop_map(|(left, pause, back)| Act::Crash(left, pause, back)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_limit_is_exceeded_through_crashes_and_clocks_set_back(acts in prop::collection::vec(any_act(), 1..60)) {
        let mut rig = Rig::new();
        for act in acts {
            match act {
                Act::Wait(nanos) => rig.true_nanos += nanos,
                Act::Stimulate(request) => rig.stimulate(request),
                Act::Settle(which, quarters) => rig.settle(which, quarters),
                Act::Crash(left, pause_nanos, back_nanos) => rig.crash(left, pause_nanos, back_nanos),
            }
        }
        rig.end();
        assert_within_limits(&rig.history);
        drop(rig.book.take());
        let (_, restored) = open(&rig.path(), rig.now_nanos()).unwrap();
        prop_assert_eq!((restored.unsettled, restored.torn_bytes), (0, 0));
        assert_no_more((&restored.allowance, rig.now_nanos()), (&rig.allowance, rig.now_nanos()));
        // Nor less, while the clock went on: what lies in its future comes nearer with every opening.
        if rig.ahead_nanos == 0 {
            assert_no_more((&rig.allowance, rig.now_nanos()), (&restored.allowance, rig.now_nanos()));
        }
    }
}

/// The book and the allowance after a call, and how many bytes a crash during or after it cannot take away.
struct Moment {
    bytes: Vec<u8>,
    kept_bytes: usize,
    allowance: Allowance,
    now_nanos: i64,
}

/// A session with all that may happen in one.
fn written() -> (tempfile::TempDir, PathBuf, Vec<Moment>) {
    let folder = folder();
    let path = folder.path().join("book");
    let mut moments: Vec<Moment> = Vec::new();
    let mut now_nanos = START_NANOS;
    let (mut book, Restored { mut allowance, .. }) = open(&path, now_nanos).unwrap();
    let mut synced_bytes = 0;
    let mut noted = |book: &DoseBook, allowance: &Allowance, now_nanos| {
        let bytes = std::fs::read(book.path()).unwrap();
        let kept_bytes = std::mem::replace(&mut synced_bytes, book.synced_bytes) as usize;
        moments.push(Moment { bytes, kept_bytes, allowance: allowance.clone(), now_nanos });
    };
    noted(&book, &allowance, now_nanos);
    let acts = [
        (Kind::Stimulus, 0, animals(0, 0, Some(1)), 5, Some(4)),
        (Kind::Sham, 0, animals(0, 0, None), 5, Some(0)),
        (Kind::Stimulus, 1, animals(1, 0, Some(1)), 10, Some(25)),
        (Kind::Stimulus, 0, animals(1, 1, Some(0)), 10, None),
        (Kind::Stimulus, 0, animals(0, 0, Some(1)), 5, Some(5)),
        (Kind::Sham, 0, animals(0, 0, None), 5, Some(20)),
    ];
    for (kind, output, who, minutes, on_minutes) in acts {
        now_nanos += 11 * MINUTE_NANOS;
        let request = request(kind, output, who, minutes);
        book.reserve(now_nanos, &request.output, (minutes + 1) * MINUTE_MILLIS).unwrap();
        noted(&book, &allowance, now_nanos);
        let booking = allowance.book(now_nanos, &request).unwrap();
        book.spend(booking.id(), &request).unwrap();
        noted(&book, &allowance, now_nanos);
        now_nanos += MINUTE_NANOS;
        if let Some(on_minutes) = on_minutes {
            book.settle(booking.id(), now_nanos, on_minutes * MINUTE_MILLIS).unwrap();
            // Within the call the output was on for as long as planned, as far as anybody knows.
            noted(&book, &allowance, now_nanos);
            allowance.settle(booking, now_nanos, on_minutes * MINUTE_MILLIS);
        } else {
            book.cancel(booking.id()).unwrap();
            allowance.cancel(booking);
        }
        noted(&book, &allowance, now_nanos);
    }
    book.reserve(now_nanos, "laser 1", MINUTE_MILLIS).unwrap();
    noted(&book, &allowance, now_nanos);
    book.release(now_nanos, "laser 1").unwrap();
    noted(&book, &allowance, now_nanos);
    drop(book);
    (folder, path, moments)
}

#[test]
fn no_crash_at_any_byte_allows_more() {
    let (_folder, path, moments) = written();
    for moment in moments {
        let uncrashed = &mut moment.allowance.clone();
        uncrashed.settle_as_planned(moment.now_nanos);
        let mut compared = None;
        for kept in moment.kept_bytes..=moment.bytes.len() {
            std::fs::write(&path, &moment.bytes[..kept]).unwrap();
            let (_, restored) = open(&path, moment.now_nanos).unwrap();
            let whole_bytes = moment.bytes[..kept].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            // What lacks only the end of its line is whole.
            let torn = kept < moment.bytes.len() && moment.bytes[kept] != b'\n';
            assert_eq!(restored.torn_bytes, if torn { kept - whole_bytes } else { 0 } as u64);
            if compared.as_ref() != Some(&restored.allowance) {
                assert_no_more((&restored.allowance, moment.now_nanos), (uncrashed, moment.now_nanos));
                compared = Some(restored.allowance);
            }
        }
    }
}

#[test]
fn a_changed_byte_is_told_by_its_line() {
    let (_folder, path, moments) = written();
    let bytes = &moments.last().unwrap().bytes;
    for at in 0..bytes.len() {
        for byte in [0, 1, b'\n', b'0', bytes[at] ^ 1] {
            let last_end = at + 1 == bytes.len();
            // A whole line without its end, with what a lost power supply leaves behind it, is no damage.
            if byte == bytes[at] || last_end && byte == 0 {
                continue;
            }
            let mut changed = bytes.clone();
            changed[at] = byte;
            std::fs::write(&path, &changed).unwrap();
            let expected = bytes[..at].split(|byte| *byte == b'\n').count() as u64;
            match open(&path, START_NANOS) {
                Err(DoseBookError::Damaged { line, .. }) => assert_eq!(line, expected, "byte {at} as {byte}"),
                other => panic!("{other:?} of byte {at} as {byte}"),
            }
        }
    }
}

#[test]
fn opening_again_and_again_counts_what_was_open_once() {
    let (_folder, path, moments) = written();
    let now_nanos = moments.last().unwrap().now_nanos;
    let (mut book, _) = open(&path, now_nanos).unwrap();
    book.reserve(now_nanos, "laser 1", MINUTE_MILLIS).unwrap();
    drop(book);
    let (book, first) = open(&path, now_nanos + SECOND_NANOS).unwrap();
    drop(book);
    assert_eq!(first.unsettled, 1);
    let (book, second) = open(&path, now_nanos + SECOND_NANOS).unwrap();
    drop(book);
    assert_eq!((second.unsettled, &second.allowance), (0, &first.allowance));
    // It was on any of the animals.
    let strangers = request(Kind::Sham, 0, animals(7, 8, Some(9)), 1);
    let refusal = second.allowance.ask(now_nanos + SECOND_NANOS, &strangers).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "less than 60000 ms since the end of the last stimulation of the rig; again in 60000 ms"
    );
}

#[test]
fn a_dose_from_the_future_is_as_of_now_whatever_the_clocks_said_between() {
    let folder = folder();
    let path = folder.path().join("book");
    let stimulus = |minutes| request(Kind::Stimulus, 0, animals(0, minutes as usize, None), minutes);
    let early_nanos = START_NANOS - 500 * MINUTE_NANOS;
    for (now_nanos, minutes) in [(START_NANOS, 5), (early_nanos, 20)] {
        let (mut book, Restored { mut allowance, .. }) = open(&path, now_nanos).unwrap();
        // The first dose starts the rig's refractory period at this opening.
        let now_nanos = now_nanos + MINUTE_NANOS;
        book.reserve(now_nanos, "laser 0", minutes * MINUTE_MILLIS).unwrap();
        let booking = allowance.book(now_nanos, &stimulus(minutes)).unwrap();
        book.spend(booking.id(), &stimulus(minutes)).unwrap();
        book.settle(booking.id(), now_nanos, minutes * MINUTE_MILLIS).unwrap();
        allowance.settle(booking, now_nanos, minutes * MINUTE_MILLIS);
    }
    for now_nanos in [early_nanos, START_NANOS] {
        let (_, restored) = open(&path, now_nanos).unwrap();
        let refusal = restored.allowance.ask(now_nanos, &stimulus(5)).unwrap_err();
        assert_eq!((refusal.cause(), refusal.wait_millis()), ("hour_on_time", Some(60 * MINUTE_MILLIS + 1)));
    }
}

#[test]
fn damage_is_told_by_its_line() {
    let (_folder, path, moments) = written();
    let text = String::from_utf8(moments.last().unwrap().bytes.clone()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n") + "\n";
    for (damaged, line) in [
        (text.replace(r#""on_millis":240000"#, r#""on_millis":140000"#), 4),
        (without(2), 3),
        (without(0), 1),
        (text.clone() + "alias ls", lines.len() as u64 + 1),
        (text.clone() + "\n", lines.len() as u64 + 1),
        (text.trim_end().replace("released", "relaesed"), lines.len() as u64),
        ("export PATH".to_string(), 1),
    ] {
        std::fs::write(&path, &damaged).unwrap();
        match open(&path, START_NANOS) {
            Err(DoseBookError::Damaged { line: got, .. }) => assert_eq!(got, line, "{damaged}"),
            other => panic!("{other:?} of {damaged}"),
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
    }
    std::fs::write(&path, &text).unwrap();
    let error = DoseBook::open(&path, "day 4", START_NANOS, BOOK_BYTES_MAX).unwrap_err().to_string();
    assert!(error.contains(r#"expected session "day 4", got "day 3""#), "{error}");
    let error = DoseBook::open(&path, "day 3", START_NANOS, 0).unwrap_err();
    assert!(matches!(error, DoseBookError::Full { .. }), "{error}");
}

#[test]
fn what_a_lost_power_supply_left_as_zeros_is_cut_off() {
    let (_folder, path, moments) = written();
    let bytes = &moments.last().unwrap().bytes;
    let half = bytes.len() - 100;
    for (kept, torn) in [(bytes.len(), false), (bytes.len() - 1, false), (half, true)] {
        std::fs::write(&path, [&bytes[..kept], &[0; 5000][..]].concat()).unwrap();
        let (book, restored) = open(&path, START_NANOS).unwrap();
        drop(book);
        assert_eq!(restored.torn_bytes > 5000, torn);
        open(&path, START_NANOS).unwrap();
    }
}

#[test]
fn a_book_has_one_holder() {
    let folder = folder();
    let path = folder.path().join("book");
    let _held = open(&path, START_NANOS).unwrap();
    assert!(matches!(open(&path, START_NANOS), Err(DoseBookError::Held { .. })));
    assert!(matches!(open(Path::new("/dev/null"), START_NANOS), Err(DoseBookError::NotAFile { .. })));
}

#[test]
fn a_full_disk_fails_the_book_and_reserves_nothing() {
    let folder = folder();
    let path = folder.path().join("book");
    let (mut book, Restored { mut allowance, .. }) = open(&path, START_NANOS).unwrap();
    book.reserve(START_NANOS, "laser 0", MINUTE_MILLIS).unwrap();
    let disk = OpenOptions::new().append(true).open("/dev/full").unwrap();
    let disk = std::mem::replace(&mut book.file, disk);
    assert!(matches!(book.reserve(START_NANOS, "laser 1", 1), Err(DoseBookError::Io { what: "write", .. })));
    assert!(book.is_failing());
    // Room on the disk again does not help: what was written is not known.
    book.file = disk;
    let stimulus = request(Kind::Stimulus, 0, animals(0, 0, Some(1)), 1);
    let booking = allowance.book(START_NANOS, &stimulus).unwrap();
    assert!(matches!(book.spend(booking.id(), &stimulus), Err(DoseBookError::Failing { .. })));
    assert!(matches!(book.reserve(START_NANOS, "laser 0", 1), Err(DoseBookError::Failing { .. })));
    drop(book);
    let (_, restored) = open(&path, START_NANOS).unwrap();
    assert_eq!(restored.unsettled, 1);
}

#[test]
fn a_full_book_ends_what_it_began() {
    let folder = folder();
    let path = folder.path().join("book");
    let (mut book, Restored { mut allowance, .. }) = open(&path, START_NANOS).unwrap();
    book.reserve(START_NANOS, "laser 0", MINUTE_MILLIS).unwrap();
    book.bytes_max = book.bytes;
    assert!(matches!(book.reserve(START_NANOS, "laser 1", 1), Err(DoseBookError::Full { .. })));
    assert_eq!((book.reserved_millis("laser 1"), book.is_failing()), (None, false));
    let stimulus = request(Kind::Stimulus, 0, animals(0, 0, Some(1)), 1);
    let sham = Request { kind: Kind::Sham, ..stimulus.clone() };
    let booking = allowance.book(START_NANOS, &sham).unwrap();
    assert!(matches!(book.spend(booking.id(), &sham), Err(DoseBookError::Full { .. })));
    allowance.cancel(booking);
    let booking = allowance.book(START_NANOS, &stimulus).unwrap();
    book.spend(booking.id(), &stimulus).unwrap();
    book.settle(booking.id(), START_NANOS, MINUTE_MILLIS).unwrap();
}

#[test]
fn nothing_goes_out_without_its_reservation() {
    let folder = folder();
    let path = folder.path().join("book");
    let (mut book, Restored { mut allowance, .. }) = open(&path, START_NANOS).unwrap();
    let stimulus = request(Kind::Stimulus, 0, animals(0, 0, Some(1)), 2);
    let booking = allowance.book(START_NANOS, &stimulus).unwrap();
    let error = book.spend(booking.id(), &stimulus).unwrap_err().to_string();
    assert!(error.contains("expected no more than is reserved of laser 0 (none), got Spent"), "{error}");
    book.reserve(START_NANOS, "laser 0", MINUTE_MILLIS).unwrap();
    assert!(matches!(book.spend(booking.id(), &stimulus), Err(DoseBookError::Misuse { .. })));
    book.reserve(START_NANOS, "laser 0", 2 * MINUTE_MILLIS).unwrap();
    book.spend(booking.id(), &stimulus).unwrap();
    assert!(matches!(book.spend(booking.id(), &stimulus), Err(DoseBookError::Misuse { .. })));
    book.cancel(booking.id()).unwrap();
    assert!(matches!(book.settle(booking.id(), START_NANOS, 0), Err(DoseBookError::Misuse { .. })));
    assert!(matches!(book.release(START_NANOS, "laser 0"), Err(DoseBookError::Misuse { .. })));
    assert!(!book.is_failing());
    book.reserve(START_NANOS, "laser 0", MINUTE_MILLIS).unwrap();
}
