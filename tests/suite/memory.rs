//! What a cage keeps in memory, counted by the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use vibrissa::core::{Cage, Room, Turn, step_together};

use crate::world::{frame, model, stream};

/// The system's allocator, which counts what each thread holds.
pub struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn hold(bytes: isize) {
    // A thread that ends frees when its counter is gone.
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
}

#[allow(unsafe_code, reason = "an allocator is unsafe to write")]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        hold(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        hold(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        hold(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Bytes that this thread holds.
fn held() -> isize {
    HELD.with(Cell::get)
}

#[test]
fn cages_hold_no_more_after_five_thousand_ticks_than_after_a_thousand() {
    let model = model(&[0, 15]);
    let room = Room::new(Arc::clone(&model), 6).unwrap();
    let before = held();
    let mut cages: Vec<Cage> = (0..3).map(|_| Cage::open_in(&room, &stream(2)).unwrap()).collect();
    let mut until = |end: u64, start: u64| {
        for number in start..end {
            let frames: Vec<_> = (0..3).map(|seed| frame(2, number, seed)).collect();
            let each = cages.iter_mut().zip(&frames);
            let mut turns: Vec<_> = each.map(|(cage, frame)| Turn::push(cage, frame, |_, _| {})).collect();
            step_together(&mut turns);
            for turn in turns {
                turn.finish().unwrap();
            }
        }
        held()
    };
    let (full, later) = (until(1000, 0), until(5000, 1000));
    assert!(full - before < 3 << 20, "{} bytes of 3 cages", full - before);
    // Bouts that run, and tables that hash, make for some difference.
    assert!((later - full).abs() < 16 << 10, "{full} bytes, then {later}");
}

#[test]
fn cages_that_come_and_go_leave_nothing_behind() {
    let model = model(&[0, 15]);
    let room = Room::new(Arc::clone(&model), 4).unwrap();
    let live_and_leave = || {
        let mut cage = Cage::open_in(&room, &stream(2)).unwrap();
        (0..40).for_each(|number| drop(cage.push(&frame(2, number, 1)).unwrap()));
        drop(cage.flush().unwrap());
        drop(cage);
        held()
    };
    live_and_leave();
    let (first, last) = (live_and_leave(), (0..20).map(|_| live_and_leave()).fold(0, |_, held| held));
    assert_eq!(first, last);
    assert!(room.is_empty());
}
