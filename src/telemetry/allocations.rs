//! Counts allocations in builds with debug assertions, so that tests can hold how many a delivery
//! takes, and how many bytes a silent connection keeps. Release builds use the allocator bare.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicU64, Ordering};

/// On `/metrics` of builds that count: blocks taken or grown since the start.
pub const ALLOCATIONS: &str = "switchboard_allocations_total";

/// Likewise: bytes that are in use.
pub const ALLOCATED_BYTES: &str = "switchboard_allocated_bytes";

static TAKEN: AtomicU64 = AtomicU64::new(0);
/// May wrap on the way, never in sum.
static IN_USE: AtomicU64 = AtomicU64::new(0);

/// An allocator that counts what is asked of another.
#[derive(Debug)]
pub struct Counting<A>(pub A);

/// Blocks taken or grown so far; 0 where nobody counts.
#[must_use]
pub fn taken() -> u64 {
    TAKEN.load(Ordering::Relaxed)
}

/// Bytes that are in use; 0 where nobody counts.
#[must_use]
pub fn in_use() -> u64 {
    IN_USE.load(Ordering::Relaxed)
}

fn note(taken: usize, given_back: usize) {
    TAKEN.fetch_add(u64::from(taken > 0), Ordering::Relaxed);
    IN_USE.fetch_add((taken as u64).wrapping_sub(given_back as u64), Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "the trait is unsafe; each call is handed on as it came")]
// SAFETY: `A` keeps the trait's promises, and counting neither allocates nor unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller's promises are `A`'s.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: as above.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        note(bytes, layout.size());
        // SAFETY: as above.
        unsafe { self.0.realloc(block, layout, bytes) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: as above.
        unsafe { self.0.dealloc(block, layout) }
    }
}
