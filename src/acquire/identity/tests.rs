use proptest::prelude::*;

use super::*;

const KEYPOINTS: usize = 3;
const BODY_LENGTH_PX: f64 = 100.0;
const RATE_HZ: f64 = 30.0;

/// An animal of three points in a row, or none.
type Place = Option<(f32, f32)>;

fn identity(identities: Identities, individuals: usize) -> Identity {
    Identity::new(identities, individuals, KEYPOINTS, BODY_LENGTH_PX, RATE_HZ)
}

fn frame(number: u64, places: &[Place]) -> Frame {
    let points = |place: &Place| {
        let place = *place;
        (0..KEYPOINTS).map(move |index| {
            place.map_or(Keypoint::MISSING, |(x, y)| Keypoint::observed(x + 30.0 * index as f32, y, 1.0, 0.1))
        })
    };
    Frame { number, capture_nanos: None, keypoints: places.iter().flat_map(points).collect() }
}

fn slots(frame: &Frame) -> Vec<Place> {
    let first = |points: &[Keypoint]| points[0].is_present().then_some((points[0].x, points[0].y));
    frame.keypoints.chunks(KEYPOINTS).map(first).collect()
}

/// Two animals that walk to and fro, 200 pixels apart.
fn pair(number: u64) -> [Place; 2] {
    let way = (number as f32 / 10.0).sin() * 40.0;
    [Some((300.0 + way, 100.0)), Some((300.0 - way, 300.0))]
}

/// Numbers of the frames that told a swap, with the pair told, where the frames of `exchanged` come in another order.
fn told(identity: &mut Identity, frames: u64, exchanged: impl Fn(u64) -> bool) -> Vec<u64> {
    let mut told = Vec::new();
    for number in 0..frames {
        let mut places = pair(number);
        if exchanged(number) {
            places.swap(0, 1);
        }
        let mut taken = frame(number, &places);
        if let Some(swap) = identity.take(&mut taken).swap {
            assert_eq!((swap.first, swap.second), (Individual(0), Individual(1)));
            assert!((SWAP_CONFIDENCE_MIN..=1.0).contains(&swap.confidence));
            told.push(number);
        }
        assert_eq!(slots(&taken), places, "a stable stream passes unchanged");
    }
    told
}

#[test]
fn a_swap_of_stable_names_is_told_once_and_at_once() {
    let mut identity = identity(Identities::Stable, 2);
    assert_eq!(told(&mut identity, 300, |number| number >= 100), [100]);
}

#[test]
fn undisturbed_names_raise_no_alarm() {
    assert_eq!(told(&mut identity(Identities::Stable, 2), 1000, |_| false), Vec::<u64>::new());
}

#[test]
fn a_swap_is_told_at_every_rate_and_nothing_else() {
    for rate_hz in [10.0, 25.0, 50.0, 120.0, 240.0] {
        let mut identity = Identity::new(Identities::Stable, 2, KEYPOINTS, BODY_LENGTH_PX, rate_hz);
        let exchange = (10.0 * rate_hz) as u64;
        let told = (0..3 * exchange).filter(|&number| {
            let mut places = pair((number as f64 / rate_hz * RATE_HZ) as u64);
            if number >= exchange {
                places.swap(0, 1);
            }
            identity.take(&mut frame(number, &places)).swap.is_some()
        });
        assert_eq!(told.collect::<Vec<_>>(), [exchange], "{rate_hz}");
    }
}

#[test]
fn swaps_told_lead_to_the_present_order_however_the_tracker_flickers() {
    let refractory_frames = (REFRACTORY_SECS * RATE_HZ) as u64;
    // Back after the refractory period, within it, and at every frame for a second, an odd and an even number of times.
    assert_eq!(told(&mut identity(Identities::Stable, 2), 300, |number| (100..150).contains(&number)), [100, 150]);
    let within = told(&mut identity(Identities::Stable, 2), 300, |number| (100..103).contains(&number));
    assert_eq!(within, [100, 100 + refractory_frames]);
    for (end, parity) in [(130, 0), (131, 1)] {
        let exchanged =
            |number: u64| if number < end { number >= 100 && number.is_multiple_of(2) } else { end % 2 == 1 };
        let told = told(&mut identity(Identities::Stable, 2), 300, exchanged);
        assert_eq!(told.len() % 2, parity, "{told:?}");
        assert!(told.windows(2).all(|pair| pair[1] - pair[0] >= refractory_frames), "{told:?}");
    }
}

#[test]
fn confidence_falls_where_names_are_exchanged_and_comes_back() {
    let mut identity = identity(Identities::Stable, 2);
    let mut confidence = |number: u64, exchanged: bool| {
        let mut places = pair(number);
        if exchanged {
            places.swap(0, 1);
        }
        let continuity = identity.take(&mut frame(number, &places));
        [0, 1].map(|slot| continuity.confidence(Individual(slot)))
    };
    for number in 0..50 {
        assert!(confidence(number, false).iter().all(|&confidence| confidence > 0.99));
    }
    assert!(confidence(50, true).iter().all(|&confidence| confidence < 0.01));
    assert!(confidence(51, true).iter().all(|&confidence| confidence > 0.99));
}

#[test]
fn the_name_of_the_only_animal_in_sight_may_be_exchanged_too() {
    let mut identity = identity(Identities::Stable, 2);
    for number in 0..50 {
        identity.take(&mut frame(number, &pair(number)));
    }
    for number in 50..60 {
        assert_eq!(identity.take(&mut frame(number, &[pair(number)[0], None])).swap, None);
    }
    let swap = identity.take(&mut frame(60, &[None, pair(60)[0]])).swap;
    assert!(swap.is_some_and(|swap| (swap.first, swap.second) == (Individual(0), Individual(1))));
    for number in 61..90 {
        assert_eq!(identity.take(&mut frame(number, &[None, pair(number)[0]])).swap, None);
    }
    // The other animal, where it was last seen, is by now that of the other slot.
    let continuity = identity.take(&mut frame(90, &[None, pair(49)[1]]));
    assert!(continuity.confidence(Individual(1)) < 0.5, "{continuity:?}");
}

#[test]
fn three_animals_that_change_places_in_a_ring_are_told_as_two_swaps() {
    let mut identity = identity(Identities::Stable, 3);
    let places = [Some((100.0, 100.0)), Some((400.0, 100.0)), Some((100.0, 500.0))];
    let mut order = places;
    for number in 0..200 {
        let ring = if number < 100 { places } else { [places[1], places[2], places[0]] };
        if let Some(swap) = identity.take(&mut frame(number, &ring)).swap {
            order.swap(usize::from(swap.first.0), usize::from(swap.second.0));
        }
    }
    assert_eq!(order, [places[1], places[2], places[0]]);
}

#[test]
fn the_confidence_of_an_absent_animal_fades_to_chance_without_a_jump() {
    let mut identity = identity(Identities::Stable, 2);
    let mut last = identity.take(&mut frame(0, &pair(0))).confidence(Individual(1));
    assert!(last > 0.99);
    for number in 1..30_000 {
        let now = identity.take(&mut frame(number, &[pair(0)[0], None])).confidence(Individual(1));
        assert!(now <= last && last - now < 1e-3, "{number}: {last} {now}");
        last = now;
    }
    assert!((last - 0.5).abs() < 1e-2);
}

#[test]
fn a_gap_in_the_numbers_is_time_in_which_animals_move() {
    // As far as a gallop takes in a second, and impossible from frame to frame.
    let confidence_after = |frames: u64| {
        let mut identity = identity(Identities::Unordered, 2);
        for number in 0..30 {
            identity.take(&mut frame(number, &[Some((100.0, 100.0)), Some((250.0, 100.0))]));
        }
        let continuity = identity.take(&mut frame(29 + frames, &[Some((175.0, 160.0)), Some((260.0, 100.0))]));
        continuity.confidence(Individual(0))
    };
    assert!(confidence_after(1) > confidence_after(60) && confidence_after(60) > confidence_after(60 * 30));
}

#[test]
fn a_second_unseen_weighs_the_same_at_every_rate() {
    let confidence = |rate_hz: f64| {
        let mut identity = Identity::new(Identities::Unordered, 2, KEYPOINTS, BODY_LENGTH_PX, rate_hz);
        let second = rate_hz as u64;
        for number in 0..=second {
            identity.take(&mut frame(number, &[Some((100.0, 100.0)), Some((220.0, 100.0))]));
        }
        let continuity = identity.take(&mut frame(2 * second, &[Some((155.0, 100.0)), Some((220.0, 190.0))]));
        f64::from(continuity.confidence(Individual(0)))
    };
    let expected = confidence(30.0);
    assert!((0.55..0.95).contains(&expected), "neither certain nor chance: {expected}");
    for rate_hz in [10.0, 25.0, 120.0, 240.0] {
        // Roundings of sums of seconds.
        assert!((confidence(rate_hz) - expected).abs() < 1e-5, "{rate_hz}: {} {expected}", confidence(rate_hz));
    }
}

#[test]
fn unordered_instances_find_the_slots_of_their_animals() {
    let mut identity = identity(Identities::Unordered, 2);
    for number in 0..300 {
        let places = pair(number);
        let mut taken = match number {
            50..=59 => frame(number, &[places[1], None]),
            70..=79 => frame(number, &[None, places[0]]),
            80..=89 => frame(number, &[None, None]),
            _ if number % 3 == 0 => frame(number, &[places[1], places[0]]),
            _ => frame(number, &places),
        };
        assert_eq!(identity.take(&mut taken).swap, None);
        let expected = match number {
            50..=59 => [None, places[1]],
            70..=79 => [places[0], None],
            80..=89 => [None, None],
            _ => places,
        };
        assert_eq!(slots(&taken), expected, "{number}");
    }
}

#[test]
fn new_animals_take_the_lowest_slots_that_never_held_any_then_the_longest_unseen() {
    let mut identity = identity(Identities::Unordered, 3);
    let (a, b, c) = (Some((100.0, 100.0)), Some((400.0, 100.0)), Some((100.0, 500.0)));
    let mut at = |number, places: &[Place]| {
        let mut taken = frame(number, places);
        identity.take(&mut taken);
        slots(&taken)
    };
    assert_eq!(at(0, &[None, None, b]), [b, None, None]);
    assert_eq!(at(1, &[a, None, b]), [b, a, None]);
    assert_eq!(at(2, &[None, b, None]), [b, None, None]);
    assert_eq!(at(3, &[None, c, None]), [None, None, c]);
    let lost_frames = (memory::LOST_SECS * RATE_HZ) as u64;
    assert_eq!(at(3 + lost_frames, &[None, c, None]), [None, None, c], "known for just as long as animals are");
    assert_eq!(at(4 + lost_frames, &[c, None, a]), [None, a, c], "slot 1 is unseen longest");
}

#[test]
fn animals_that_cannot_be_told_apart_are_told_to_be_doubtful_but_not_at_every_frame() {
    let mut identity = identity(Identities::Unordered, 2);
    let mut doubts = Vec::new();
    for number in 0..150_u64 {
        // They come, stay within a tenth of a body length of each other while they fidget as much, and go.
        let apart = ((number as f32 - 75.0).abs() - 30.0).max(0.0) * 5.0;
        let fidget = [0.0, 5.0, -3.0][number as usize % 3];
        let mut taken = frame(number, &[Some((300.0 - apart, 200.0 + fidget)), Some((305.0 + apart, 203.0 - fidget))]);
        let continuity = identity.take(&mut taken);
        if let Some(swap) = continuity.swap {
            assert_eq!((swap.first, swap.second), (Individual(0), Individual(1)));
            let least = continuity.confidence(Individual(0)).min(continuity.confidence(Individual(1)));
            assert!(swap.confidence >= DOUBT_CONFIDENCE_MIN && least <= 1.0 - DOUBT_CONFIDENCE_MIN);
            doubts.push(number);
        }
    }
    assert!(!doubts.is_empty() && doubts.iter().all(|number| (40..=110).contains(number)), "{doubts:?}");
    let refractory_frames = (REFRACTORY_SECS * RATE_HZ) as u64;
    assert!(doubts.windows(2).all(|pair| pair[1] - pair[0] >= refractory_frames), "{doubts:?}");
}

#[test]
fn one_animal_found_twice_counts_once() {
    let (here, there) = (Some((100.0, 100.0)), Some((300.0, 100.0)));
    for identities in [Identities::Stable, Identities::Unordered] {
        let mut identity = identity(identities, 2);
        for number in 0..90 {
            let places = if (30..60).contains(&number) { [here, here] } else { [here, there] };
            let mut taken = frame(number, &places);
            assert_eq!(identity.take(&mut taken).swap, None, "{identities:?} {number}");
            if identities == Identities::Unordered && (30..60).contains(&number) {
                assert_eq!(slots(&taken), [here, None]);
            } else {
                assert_eq!(slots(&taken), places);
            }
        }
    }
}

/// Frames of up to four animals, some of them missing, in places that come back often enough to be near each other.
fn recording() -> impl Strategy<Value = Vec<[Place; 4]>> {
    let place = prop::option::weighted(0.8, (1..400_u16, 1..400_u16).prop_map(|(x, y)| (f32::from(x), f32::from(y))));
    prop::collection::vec(prop::array::uniform4(place), 1..40)
}

proptest! {
    #[test]
    fn the_order_of_unordered_instances_changes_nothing(
        recording in recording(),
        orders in prop::collection::vec(Just([0, 1, 2, 3]).prop_shuffle(), 40),
    ) {
        let mut identity = identity(Identities::Unordered, 4);
        let mut shuffled = identity.clone();
        for (number, (places, order)) in recording.iter().zip(&orders).enumerate() {
            let mut taken = frame(number as u64, places);
            let mut other = frame(number as u64, &order.map(|index| places[index]));
            prop_assert_eq!(identity.take(&mut taken), shuffled.take(&mut other));
            prop_assert_eq!(taken, other);
        }
    }

    #[test]
    fn an_assignment_loses_and_invents_nothing(recording in recording()) {
        let mut identity = identity(Identities::Unordered, 4);
        for (number, places) in recording.iter().enumerate() {
            let mut taken = frame(number as u64, places);
            let continuity = identity.take(&mut taken);
            let placed: Vec<_> = slots(&taken).into_iter().flatten().collect();
            for (index, place) in placed.iter().enumerate() {
                prop_assert!(places.contains(&Some(*place)) && !placed[..index].contains(place), "{:?} is invented", place);
            }
            // Instances that coincide are one animal.
            let is_near = |a: &(f32, f32), b: &(f32, f32)| (a.0 - b.0).hypot(a.1 - b.1) <= 2.0;
            for place in places.iter().flatten() {
                prop_assert!(placed.iter().any(|other| is_near(place, other)), "{:?} is lost", place);
            }
            for slot in 0..4 {
                prop_assert!((0.0..=1.0).contains(&continuity.confidence(Individual(slot))));
            }
        }
    }

    #[test]
    fn garbage_breaks_nothing(
        numbers in prop::collection::vec(prop::num::u64::ANY, 20),
        values in prop::collection::vec((prop::num::f32::ANY, prop::num::f32::ANY, prop::num::f32::ANY), 20 * 9),
        length in 0..=9_usize,
    ) {
        for identities in [Identities::Stable, Identities::Unordered] {
            let mut identity = identity(identities, 3);
            for (number, values) in numbers.iter().zip(values.chunks(9)) {
                let points = values[..length].iter();
                let keypoints = points.map(|&(x, y, confidence)| Keypoint { x, y, confidence }).collect();
                let continuity = identity.take(&mut Frame { number: *number, capture_nanos: None, keypoints });
                for slot in 0..3 {
                    prop_assert!((0.0..=1.0).contains(&continuity.confidence(Individual(slot))));
                }
            }
        }
    }
}
